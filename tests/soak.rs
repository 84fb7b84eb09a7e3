//! A long time under load, with bad company and worse luck, and what is left of it afterwards.
//!
//! A few seconds in `cargo test`, a minute each in CI, and as long as `tests/run --soak` says.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::too_many_lines,
    reason = "a test stands on the other side of the socket, and panics to fail"
)]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use support::client::masked;
use support::fault::{Fault, FaultProxy};
use support::redis::{RedisServer, publish};
use support::{Client, SOON, Server, eventually, is_long, is_soak};

/// How long each test goes on.
fn duration() -> Duration {
    let asked = std::env::var("BAREWIRE_SOAK").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(asked.unwrap_or_else(|| if is_long() { 60 } else { 5 }))
}

/// A client that must get every number, in order.
struct Reader {
    stream: TcpStream,
    bytes: Vec<u8>,
    next: u32,
}

impl Reader {
    fn connect(server: &Server, next: u32) -> Self {
        let client = server.subscriber("/?channel=ruby");
        client.stream.set_nonblocking(true).unwrap();
        Self { stream: client.stream, bytes: Vec::new(), next }
    }

    /// Reads what there is, answers pings, and holds each message to its number.
    fn read(&mut self, buffer: &mut [u8]) {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => panic!("closed before {}", self.next),
                Ok(size) => self.bytes.extend_from_slice(&buffer[..size]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error} before {}", self.next),
            }
        }
        let mut rest = &self.bytes[..];
        while let [first, short, body @ ..] = rest {
            let (length, body) = match (short, body) {
                (126, [high, low, body @ ..]) => {
                    (usize::from(u16::from_be_bytes([*high, *low])), body)
                }
                (126, _) => break,
                (short, body) => (usize::from(*short), body),
            };
            let Some((payload, behind)) = body.split_at_checked(length) else { break };
            match first {
                0x89 => drop((&self.stream).write(&masked(0x8a, payload))),
                0x81 => {
                    let number = payload.split(|byte| *byte == b' ').next().unwrap();
                    assert_eq!(str::from_utf8(number).unwrap(), self.next.to_string());
                    self.next += 1;
                }
                other => panic!("a frame {other:#x} before {}: {payload:?}", self.next),
            }
            rest = behind;
        }
        let done = self.bytes.len() - rest.len();
        self.bytes.drain(..done);
    }
}

/// Numbers that look random and are the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// Some never read, some drip one byte a second, some reset whenever they like: everybody else gets
/// everything, in order, and the server's memory does not grow.
#[test]
fn bad_company_costs_the_others_nothing() {
    let Some(redis) = RedisServer::start(&[]) else { return };
    let (all, bad) = match (is_soak(), is_long()) {
        (true, _) => (10_000, 100),
        (false, true) => (1_000, 100),
        (false, false) => (200, 20),
    };
    let server = Server::start(&["--redis", &redis.url(), "--backlog", "1100k"]);
    eventually("it is ready", SOON, || server.client().get("/readyz").status == 200);
    let mut readers: Vec<_> = (0..all - 3 * bad).map(|_| Reader::connect(&server, 0)).collect();
    let mute = || {
        let mut client = Client::connect_narrow(server.port());
        client.upgrade("/?channel=ruby");
        client
    };
    let mut mutes: Vec<_> = (0..bad).map(|_| mute()).collect();
    let mut drips: Vec<_> = (0..bad).map(|_| (server.client(), 0)).collect();
    let mut resets: Vec<_> = (0..bad).map(|_| server.subscriber("/?channel=ruby")).collect();
    let handshake = Client::handshake("/?channel=ruby");
    let mut connection = redis.connection();
    let mut chance = Chance(7);
    let mut buffer = vec![0; 64 << 10];
    let (mut published, mut seconds, mut memory) = (0_u32, 0, Vec::new());
    let start = Instant::now();
    while start.elapsed() < duration() {
        for _ in 0..10 {
            let padding = "x".repeat(chance.below(2_000) as usize);
            publish(&mut connection, "ruby", format!("{published} {padding}"));
            published += 1;
        }
        readers.iter_mut().for_each(|reader| reader.read(&mut buffer));
        if chance.below(4) == 0 {
            let one = resets.swap_remove(chance.below(bad) as usize);
            one.reset();
            resets.push(server.subscriber("/?channel=ruby"));
        }
        memory.push(server.proc_status("VmRSS"));
        if start.elapsed().as_secs() > seconds {
            seconds += 1;
            for (client, sent) in &mut drips {
                if !client.try_send(&handshake[*sent..=*sent]) {
                    (*client, *sent) = (server.client(), 0);
                }
                *sent = (*sent + 1) % handshake.len();
            }
            // Who never reads has been closed for it, and somebody else of the kind comes.
            mutes.swap_remove(chance.below(bad) as usize).reset();
            mutes.push(mute());
        }
        thread::sleep(Duration::from_millis(10));
    }
    let is_complete = |readers: &mut Vec<Reader>, buffer: &mut [u8]| {
        readers.iter_mut().for_each(|reader| reader.read(buffer));
        readers.iter().all(|reader| reader.next == published)
    };
    eventually("everybody has everything", SOON, || is_complete(&mut readers, &mut buffer));
    let (early, late) = early_and_late(&memory);
    // The bad company was there.
    let closed = server.metric("barewire_lagged_total");
    assert!(closed > 0.0 || !is_long(), "nobody was too slow");
    eprintln!("{closed} clients were too slow, and closed");
    eprintln!(
        "{published} messages to {all} clients; {early} kB of memory, and {late} kB at the end"
    );
    assert!(late < early + early / 10 + 1024, "{memory:?}");
}

/// The mean of the second fifth and of the last, which should be the same but for what noise there is.
fn early_and_late(memory: &[u64]) -> (u64, u64) {
    let mean = |part: &[u64]| part.iter().sum::<u64>() / (part.len() as u64).max(1);
    let fifth = memory.len() / 5;
    (mean(&memory[fifth..2 * fifth]), mean(&memory[4 * fifth..]))
}

/// Whoever stops a process for a minute and a half, or has the machine do it, finds everybody there
/// afterwards, and Redis too. (A short form of it, with short times, where there is no time.)
#[test]
fn who_was_stopped_closes_nobody_for_its_own_silence() {
    let Some(redis) = RedisServer::start(&[]) else { return };
    let mut arguments = vec!["--redis".to_owned(), redis.url(), "--channel".into(), "c*".into()];
    let mut time = Duration::from_secs(90);
    if !is_soak() {
        arguments.extend(["--ping", "500ms", "--idle-timeout", "1s"].map(str::to_owned));
        time = Duration::from_secs(2);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let server = Server::start(&arguments);
    eventually("it is ready", SOON, || server.client().get("/readyz").status == 200);
    let mut clients: Vec<_> = (0..50).map(|_| server.subscriber("/?channel=c")).collect();
    server.meanwhile(|| {
        clients.iter_mut().for_each(|client| client.send_frame(0x8a, b"I am here"));
        thread::sleep(time);
    });
    redis.publish("c", "Hello");
    clients.iter_mut().for_each(|client| assert_eq!(client.message(), "Hello"));
    assert_eq!(server.metric("barewire_gaps_total"), 0.0);
}

/// Joins, leaves, messages and outages, and at the end nothing is left of them, and every count adds up.
#[test]
fn nothing_is_left_of_a_long_time_and_every_count_adds_up() {
    let Some(redis) = RedisServer::start(&[]) else { return };
    let proxy = FaultProxy::start(redis.port());
    let server = Server::start(&["--redis", &proxy.url(), "--channel", "c*"]);
    eventually("it is ready", SOON, || server.client().get("/readyz").status == 200);
    let descriptors = server.descriptors();
    let mut clients: Vec<Client> = Vec::new();
    let mut connection = redis.connection();
    let mut chance = Chance(11);
    let (mut admitted, mut refused) = (0, 0);
    let start = Instant::now();
    let (mut fault_ends, mut memory) = (Instant::now(), Vec::new());
    // On a busy machine most of a short run may be outages: then it is a longer one.
    let is_enough = |admitted: u32| admitted > 100 && server.metric("barewire_gaps_total") > 0.0;
    while start.elapsed() < duration() || !(is_enough(admitted) || start.elapsed() > 6 * duration())
    {
        let channel = format!("c{}", chance.below(50));
        match chance.below(1_000) {
            0..400 if clients.len() < 300 => {
                let mut client = server.client();
                match client.try_upgrade(&format!("/?channel={channel}&channel=c0"), "").status {
                    101 => {
                        admitted += 1;
                        clients.push(client);
                    }
                    503 => refused += 1,
                    other => panic!("{other}"),
                }
            }
            400..600 if !clients.is_empty() => {
                let one = clients.swap_remove(chance.below(clients.len() as u64) as usize);
                match chance.below(3) {
                    0 => one.reset(),
                    1 => drop(one),
                    _ => {
                        let mut one = one;
                        // It may have been closed because of a gap, and not know yet.
                        one.try_send(masked(0x88, b"\x03\xe8"));
                    }
                }
            }
            600..999 => {
                publish(&mut connection, &channel, "x".repeat(chance.below(3_000) as usize));
            }
            _ if fault_ends < Instant::now() => {
                let faults = [Fault::Refuse, Fault::CutAfter(500), Fault::Throttle(2_000)];
                proxy.set(faults[chance.below(3) as usize]);
                fault_ends = Instant::now() + Duration::from_millis(chance.below(500));
            }
            _ => {}
        }
        if fault_ends < Instant::now() {
            proxy.set(Fault::None);
        }
        memory.push(server.proc_status("VmRSS"));
        thread::sleep(Duration::from_millis(1));
    }
    proxy.set(Fault::None);
    drop(clients);
    eventually("it is ready", SOON, || server.client().get("/readyz").status == 200);
    eventually("nobody is left", SOON, || server.metric("barewire_connections") == 1.0);
    eventually("their descriptors are back", SOON, || server.descriptors() <= descriptors);
    for name in ["subscribers", "channels", "log_bytes"] {
        assert_eq!(server.metric(&format!("barewire_{name}")), 0.0, "{name}");
    }
    let text = server.client().get("/metrics").text();
    let sum = |name: &str| -> f64 {
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    };
    let count = |label: &str| sum(&format!("barewire_handshakes_total{{status=\"{label}\"}}"));
    assert_eq!((count("101"), count("503")), (f64::from(admitted), f64::from(refused)), "{text}");
    assert_eq!(sum("barewire_closes_total{"), f64::from(admitted), "each ends once\n{text}");
    let (early, late) = early_and_late(&memory);
    assert!(late < early + early / 10 + 1024, "{early} kB of memory, and {late} kB at the end");
    eprintln!("{early} kB of memory, and {late} kB at the end");
    eprintln!("{admitted} clients came and went, {refused} were refused in outages");
    assert!(admitted > 100 && sum("barewire_gaps_total ") > 0.0, "{text}");
}
