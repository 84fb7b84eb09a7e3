//! Peers that break off, fall silent, flood or never read: what the wire brings besides the protocol.
//!
//! What to notice:
//! * [`phases`] is every point at which a peer can go, in order (FIN) or not (RST). What it had asked
//!   for by then it gets, and nothing of it stays behind.
//! * A client that takes and does not give, or the reverse, costs the server kilobytes; and a
//!   bystander, who has nothing to do with it, misses nothing.
//! * Nothing sleeps to wait. Where time itself is tested, the server is given short options, and what
//!   takes longer is for `BAREWIRE_LONG=1`, which `tests/run --all` sets.
//!
//! What a legal and what a broken frame gets is in `tests/websocket.rs`.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test stands on the other side of the socket, and panics to fail"
)]

mod support;

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::client::{Frame, masked};
use support::redis::RedisServer;
use support::{Client, SOON, Server, eventually};

/// RFC 6455 section 5.5.1: a Close with code 1000, masked with zeros, and its answer.
const CLOSE: &[u8] = b"\x88\x82\0\0\0\0\x03\xe8";
const CLOSED: &[u8] = b"\x88\x02\x03\xe8";

/// How long the server waits for the answer to its Close.
const CLOSE_HANDSHAKE: Duration = Duration::from_secs(5);

// ---- Ends at every point, in order and not ----

/// A point at which a client goes.
struct Phase {
    name: &'static str,
    /// Its handshake is behind it.
    is_open: bool,
    sent: Vec<u8>,
    /// All that a client which ends in order gets for it, until the server has ended too.
    answer: Vec<u8>,
}

fn phases(server: &Server) -> Vec<Phase> {
    let ask = Client::handshake("/echo");
    let mut first = server.client();
    first.send(&ask);
    let switched = first.head().head.into_bytes();
    let phase = |is_open| {
        move |name, sent: &[u8], answer: &[u8]| {
            let (sent, answer) = (sent.into(), answer.into());
            Phase { name, is_open, sent, answer }
        }
    };
    let (http, open) = (phase(false), phase(true));
    vec![
        http("before its request", b"", b""),
        // RFC 9112 section 8: an incomplete request may be answered, and here it is not.
        http("inside the head of its request", &ask[..ask.len() - 1], b""),
        http("behind its request", &ask, &switched),
        http("inside a frame behind its request", &[&ask, b"\x81".as_slice()].concat(), &switched),
        http(
            "behind a Close behind its request for a channel",
            &[Client::handshake("/?channel=ruby").as_slice(), CLOSE].concat(),
            &[&switched, CLOSED].concat(),
        ),
        open("behind its handshake", b"", b""),
        open("inside a frame's header", b"\x81", b""),
        open("behind a frame's header", b"\x81\x85\0\0\0\0", b""),
        open("inside a frame", b"\x81\x85\0\0\0\0Hell", b""),
        open("inside a character", b"\x01\x81\0\0\0\0\xe2", b""),
        open("between fragments", b"\x01\x85\0\0\0\0Hello", b""),
        open("inside a ping between fragments", b"\x01\x80\0\0\0\0\x89\x82\0\0\0\0?", b""),
        open("behind a ping", b"\x89\x81\0\0\0\0?", b"\x8a\x01?"),
        open("behind a message", b"\x81\x85\0\0\0\0Hello", b"\x81\x05Hello"),
        open("inside a Close", b"\x88\x82\0\0\0\0\x03", b""),
        open("behind a Close", CLOSE, CLOSED),
        open("behind a broken frame", b"\x88\x81\0\0\0\0\x03", ONE_BYTE),
    ]
}

/// What a Close of one byte gets.
const ONE_BYTE: &[u8] = b"\x88\x3a\x03\xeaa Close has no body, or at least the two bytes of a code";

impl Phase {
    /// A client that has come so far, but for what it sends last.
    #[track_caller]
    fn client(&self, server: &Server) -> Client {
        if self.is_open { server.subscriber("/echo") } else { server.client() }
    }
}

/// Waits until the server has given back all descriptors but so many, and sees that it had nothing
/// to complain of.
#[track_caller]
fn assert_nothing_left(server: &Server, descriptors: usize) {
    eventually("all descriptors are given back", SOON, || server.descriptors() <= descriptors);
    let log = server.log();
    assert!(!["panicked", " WARN ", " ERROR "].iter().any(|word| log.contains(word)), "{log}");
}

/// RFC 9112 section 9.6 and RFC 6455 section 7.1.1 both have who is done shut its sending side and
/// read on. So what a client had asked for before its FIN, it gets. A client that ends without a Close
/// gets none either: it could not answer it (section 7.1.5 calls that end abnormal).
#[test]
fn a_half_close_at_any_point_is_an_end_behind_what_was_asked_for() {
    let server = Server::start(&[]);
    let base = server.own_descriptors();
    let mut bystander = server.subscriber("/echo");
    let phases = phases(&server);
    for phase in &phases {
        let check = |mut client: Client, when: &str| {
            let (got, answer) = (client.orderly_rest(), &phase.answer);
            let (got, answer) = (got.escape_ascii().to_string(), answer.escape_ascii().to_string());
            assert_eq!(got, answer, "a half-close {}, {when}", phase.name);
        };
        let mut client = phase.client(&server);
        client.send(&phase.sent);
        bystander.fence();
        client.end();
        check(client, "behind what was read");
        // The FIN may also come while the bytes before it are still unread.
        let mut client = phase.client(&server);
        // It is accepted behind the answers of its turn; then the poll tells of bytes and FIN in one.
        bystander.fence();
        bystander.fence();
        server.meanwhile(|| {
            client.send(&phase.sent);
            client.end();
        });
        check(client, "with what comes before it");
    }
    // A subscriber leaves its channel by it.
    let mut subscriber = server.subscriber("/?channel=ruby");
    assert_eq!(server.publish("ruby", b"Hello"), 1);
    subscriber.end();
    assert_eq!(subscriber.orderly_rest(), b"\x81\x05Hello");
    assert_eq!(server.publish("ruby", b"to nobody"), 0);
    assert_nothing_left(&server, base + 1);
}

#[test]
fn a_half_close_while_echoes_are_written_loses_none_of_them() {
    const MESSAGES: usize = 150;
    let server = Server::start(&[]);
    let mut client = Client::connect_narrow(server.port());
    client.upgrade("/echo");
    let message = [7; 60_000];
    let mut sender = client.stream.try_clone().unwrap();
    let sending = thread::spawn(move || {
        let frame = masked(0x82, &message);
        for _ in 0..MESSAGES {
            sender.write_all(&frame).expect("the server reads on when it is read from");
        }
        sender.shutdown(std::net::Shutdown::Write).unwrap();
    });
    // More than the kernel holds, so the server cannot have written it all before the FIN.
    for number in 0..MESSAGES {
        assert!(client.frame() == Frame::binary(&message), "message {number}");
    }
    assert_eq!(client.orderly_rest(), b"");
    sending.join().unwrap();
}

#[test]
fn resets_at_every_point_many_at_once_leave_nothing_behind_and_disturb_nobody() {
    const EACH: usize = 25;
    const MESSAGES: u32 = 50;
    let server = Server::start(&[]);
    let base = server.own_descriptors() + 3;
    let mut fence = server.subscriber("/echo");
    let mut bystander = server.subscriber("/?channel=ruby");
    let mut publisher = server.client();
    let phases = phases(&server);
    let mut published = 0_u32;
    let mut publish = |bystander: &mut Client| {
        for _ in 0..MESSAGES {
            publisher.post("/publish?channel=ruby", "", &published.to_be_bytes());
            assert_eq!(publisher.response().status, 200);
            assert_eq!(bystander.frame().payload, published.to_be_bytes(), "in order, each once");
            published += 1;
        }
    };
    for is_at_once in [false, true] {
        // As many at each point; on a channel, sent messages; and unable to take what they are sent.
        let points = phases.iter().cycle().take(EACH * phases.len());
        let mut clients: Vec<_> =
            points.map(|phase| (phase.client(&server), &*phase.sent)).collect();
        clients.extend((0..EACH).map(|_| (server.subscriber("/?channel=ruby"), b"".as_slice())));
        clients.extend((0..3).map(|_| (blocked(&server), b"".as_slice())));
        publish(&mut bystander);
        let mut send_and_reset = |with_fence: bool| {
            for (client, sent) in &mut clients {
                client.send(sent);
            }
            if with_fence {
                fence.fence();
            }
            clients.drain(..).for_each(|(client, _)| client.reset());
        };
        if is_at_once {
            server.meanwhile(|| send_and_reset(false));
        } else {
            send_and_reset(true);
        }
        publish(&mut bystander);
        assert_nothing_left(&server, base);
    }
    assert_eq!(server.publish("ruby", b"the end"), 1);
}

/// A client of `/echo` that has sent as much as the server takes, and has read nothing of it.
fn blocked(server: &Server) -> Client {
    let mut client = Client::connect_narrow(server.port());
    client.upgrade("/echo");
    client.stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    let messages = masked(0x82, &[1; 60_000]).repeat(10);
    let mut sent = 0;
    while client.try_send(&messages) {
        sent += messages.len();
        assert!(sent < 100_000_000, "{sent} bytes were taken from a client that reads nothing");
    }
    client
}

/// Between a request and its 101 stands Redis, here one that does not answer. RFC 6455 section 4.2.2
/// knows no such wait; a client that goes meanwhile wants nothing any more.
#[test]
fn a_client_that_goes_while_redis_is_asked_for_its_channel_leaves_nothing_behind() {
    let Some(redis) = RedisServer::start(&[]) else { return };
    let server = Server::start(&["--redis", &redis.url(), "--echo"]);
    eventually("Redis is there", SOON, || server.client().get("/readyz").status == 200);
    let mut bystander = server.subscriber("/echo");
    bystander.fence();
    let base = server.descriptors();
    redis.freeze();
    let mut waiting: Vec<_> = (0..50).map(|_| server.client()).collect();
    for client in &mut waiting {
        client.send([Client::handshake("/?channel=ruby").as_slice(), b"\x89\x80\0\0\0\0"].concat());
    }
    bystander.fence();
    for (number, mut client) in waiting.into_iter().enumerate() {
        assert!(client.has_nothing(), "no 101 before the channel is live");
        if number % 2 == 0 {
            client.end();
            assert_eq!(client.orderly_rest(), b"", "its wish is withdrawn");
        } else {
            client.reset();
        }
    }
    let gone = Duration::from_secs(5); // well before the handshake's own deadline
    eventually("all descriptors are given back", gone, || server.descriptors() <= base);
    redis.thaw();
    let mut subscriber = server.subscriber("/?channel=ruby");
    assert_eq!(redis.publish("ruby", "Hello"), 1);
    assert_eq!(subscriber.frame(), Frame::text("Hello"));
    drop(subscriber);
    eventually("Redis is left too", SOON, || redis.subscribers("ruby") == 0);
}

#[test]
fn clients_that_vanish_leave_nothing_behind() {
    let server = Server::start(&[]);
    let base = server.own_descriptors();
    for round in 0..3 {
        let clients: Vec<_> = (0..200).map(|_| server.subscriber("/?channel=ruby")).collect();
        clients.into_iter().for_each(if round == 1 { Client::reset } else { drop });
        server.publish("ruby", b"to whom it may concern");
        eventually("all descriptors are given back", SOON, || server.descriptors() <= base);
    }
    assert_eq!(server.publish("ruby", b"Hello"), 0);
}

// ---- Behind a Close ----

#[test]
fn s5_5_1_what_comes_behind_a_close_is_thrown_away_and_resets_nothing() {
    let server = Server::start(&[]);
    let mut bystander = server.subscriber("/echo");
    for last in [CLOSE, b"\x81\x05"] {
        let mut client = server.subscriber("/echo");
        client.send(last);
        let answer = client.frame();
        assert_eq!(answer.first, 0x88, "{answer:?}");
        // The server has shut its side, and reads on: a socket that is closed with unread bytes is
        // reset, and a reset can destroy the answer.
        let message = masked(0x81, &[b'a'; 1000]);
        for _ in 0..60 {
            client.send(&message);
            client.send([b"\x89\x80\0\0\0\0", CLOSE, b"\xff\xff\xff"].concat());
            bystander.fence();
        }
        assert_eq!(client.orderly_rest(), b"", "one answer to {}", last.escape_ascii());
    }
}

#[test]
fn s7_1_1_who_talks_on_and_on_behind_a_close_is_cut_off() {
    let server = Server::start(&[]);
    let base = server.own_descriptors();
    let mut client = server.subscriber("/echo");
    client.send(CLOSE);
    assert_eq!(client.closed().0, 1000);
    let message = masked(0x82, &[1; 60_000]);
    let start = Instant::now();
    while client.try_send(&message) {
        let heard = start.elapsed();
        assert!(heard < Duration::from_secs(15), "it is heard out for {heard:?}, and not for two");
    }
    assert_eq!(client.rest(), b"");
    assert_nothing_left(&server, base);
}

#[test]
fn s5_5_1_behind_our_close_everything_is_read_past_until_the_peers() {
    let mut server = Server::start(&["--drain", "30s"]);
    let mut clients: Vec<_> = (0..4).map(|_| server.subscriber("/echo")).collect();
    clients.push(server.subscriber("/?channel=ruby"));
    // One stands inside a frame, the rest of which comes behind our Close.
    clients[1].send(b"\x81\x85\0\0\0\0Hel");
    clients[2].fence();
    let start = Instant::now();
    server.signal(Signal::TERM);
    for client in &mut clients {
        assert_eq!(client.closed().0, 1001);
    }
    let talk: &[u8] = b"\x81\x81\0\0\0\0a\x89\x81\0\0\0\0?\x01\x80\0\0\0\0\x8a\x80\0\0\0\0";
    clients[0].send(talk);
    clients[1].send([b"lo", talk, CLOSE].concat());
    // What is no frame ends it like a Close: nothing behind it can be understood.
    clients[2].send([talk, b"\x81\x05Hello"].concat());
    clients[3].send(talk);
    clients[3].end();
    clients[4].send([talk, CLOSE].concat());
    assert_eq!(clients[4].orderly_rest(), b"");
    // That end was a fence. So what the first one said is read by now, and its Close is waited for.
    assert!(clients[0].has_nothing(), "messages are no answer to a Close");
    clients[0].send(CLOSE);
    for mut client in clients {
        // Section 5.5.2 would have a ping answered even now. But whoever has our Close discards what
        // follows it (section 1.4), so a pong would reach nobody.
        assert_eq!(client.orderly_rest(), b"", "nothing is sent behind a Close");
    }
    assert_eq!(server.wait(SOON).code(), Some(0));
    let took = start.elapsed();
    assert!(took < CLOSE_HANDSHAKE, "{took:?}: none of these had to be waited for");
}

#[test]
fn s7_1_1_a_close_of_ours_that_is_never_answered_is_the_end_after_five_seconds() {
    let mut server = Server::start(&["--drain", "30s"]);
    let mut silent = server.subscriber("/echo");
    let mut dripping = server.subscriber("/echo");
    let mut talking = server.subscriber("/echo");
    let blocked = blocked(&server);
    silent.fence();
    let start = Instant::now();
    server.signal(Signal::TERM);
    for client in [&mut silent, &mut dripping, &mut talking] {
        assert_eq!(client.closed().0, 1001);
    }
    let forever = |client: &Client, bytes: Vec<u8>| {
        let mut stream = client.stream.try_clone().unwrap();
        thread::spawn(move || {
            while stream.write_all(&bytes).is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        })
    };
    dripping.send(b"\x82\xff\0\0\0\0\0\x01\0\0\0\0\0\0");
    let senders = [
        forever(&dripping, vec![0]),
        forever(&talking, masked(0x81, b"and another thing").repeat(50)),
    ];
    assert_eq!(silent.orderly_rest(), b"", "it sees an orderly end");
    let took = start.elapsed();
    let about = CLOSE_HANDSHAKE.mul_f64(0.9)..CLOSE_HANDSHAKE + Duration::from_secs(4);
    assert!(about.contains(&took), "{took:?}");
    assert_eq!(dripping.rest(), b"");
    assert_eq!(talking.rest(), b"");
    assert_eq!(server.wait(SOON).code(), Some(0));
    assert!(about.contains(&start.elapsed()), "{:?}", start.elapsed());
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    drop(blocked);
}

#[test]
fn a_reset_behind_our_close_ends_the_wait_for_its_answer() {
    let mut server = Server::start(&["--drain", "30s"]);
    let clients: Vec<_> = (0..20).map(|_| server.subscriber("/?channel=ruby")).collect();
    let start = Instant::now();
    server.signal(Signal::TERM);
    for mut client in clients {
        assert_eq!(client.closed().0, 1001);
        client.reset();
    }
    assert_eq!(server.wait(SOON).code(), Some(0));
    assert!(start.elapsed() < CLOSE_HANDSHAKE, "{:?}", start.elapsed());
}

// ---- Peers that never read ----

#[test]
fn a_slow_client_is_closed_with_1013_while_another_gets_everything() {
    const MESSAGES: u32 = 400;
    let server = Server::start(&["--max-publish", "64k", "--backlog", "256k"]);
    let mut slow = Client::connect_narrow(server.port());
    slow.upgrade("/?channel=ruby");
    let mut quick = server.subscriber("/?channel=ruby");
    let mut publisher = server.client();
    let mut body = vec![b'a'; 60_000];
    let mut publish = |number: u32| {
        body[..4].copy_from_slice(&number.to_be_bytes());
        publisher.post("/publish?channel=ruby", "", &body);
        let answer = publisher.response();
        assert_eq!(answer.status, 200);
        let frame = quick.frame();
        assert!(frame.payload == body, "message {number}: {:?}", frame.close());
        let resident = server.proc_status("VmRSS");
        assert!(resident < 32 << 10, "{resident} kB: a slow client costs its channel's backlog");
        answer.text().trim().to_owned()
    };
    let mut number = 0;
    while publish(number) == "2" {
        number += 1;
        assert!(number < 400, "24 MB are more than its backlog and all that the kernel may hold");
    }
    let held = slow.held_by_the_kernel();
    assert!((1..256 << 10).contains(&held), "the kernel holds {held} bytes for a slow client");
    // Reading what is left, which has to be soon, the slow one finds whole frames and the reason.
    let mut expected = 0_u32;
    let (code, reason) = loop {
        let frame = slow.frame();
        if let Some(close) = frame.close() {
            break close;
        }
        assert_eq!(frame.payload[..4], expected.to_be_bytes(), "whole and in order up to its end");
        expected += 1;
    };
    assert_eq!(code, 1013, "{reason}");
    assert!(reason.contains("slow"), "{reason}");
    assert!(expected < number);
    for number in number + 1..MESSAGES {
        assert_eq!(publish(number), "1");
    }
}

#[test]
fn a_client_that_pauses_within_the_backlog_misses_nothing() {
    const MESSAGES: u32 = 25;
    let server = Server::start(&["--max-publish", "64k", "--backlog", "2m"]);
    let mut pausing = Client::connect_narrow(server.port());
    pausing.upgrade("/?channel=ruby");
    let mut publisher = server.client();
    for number in 0..MESSAGES {
        publisher.post("/publish?channel=ruby", "", &number.to_be_bytes().repeat(15_000));
        assert_eq!(publisher.response().status, 200);
    }
    // A frame of its own waits for a frame's end and goes out all the same.
    pausing.send_frame(0x89, b"?");
    let mut ponged = false;
    let mut number = 0;
    while number < MESSAGES || !ponged {
        let frame = pausing.frame();
        if frame == Frame::pong(b"?") {
            ponged = true;
        } else if !frame.is_ping() {
            assert!(frame.payload == number.to_be_bytes().repeat(15_000), "message {number}");
            number += 1;
        }
    }
}

#[test]
fn a_slow_client_that_is_closed_and_goes_on_reading_nothing_is_reset() {
    let server = Server::start(&["--max-publish", "64k", "--backlog", "256k"]);
    let base = server.own_descriptors() + 1;
    let mut publisher = server.client();
    let mut slow: Vec<_> = (0..5).map(|_| Client::connect_narrow(server.port())).collect();
    for client in &mut slow {
        client.upgrade("/?channel=ruby");
    }
    let body = vec![b'a'; 60_000];
    let mut receivers = slow.len();
    while receivers > 0 {
        publisher.post("/publish?channel=ruby", "", &body);
        let answer = publisher.response();
        assert_eq!(answer.status, 200);
        receivers = answer.text().trim().parse().expect("a number of receivers");
        if answer.field("Connection").is_some() {
            publisher = server.client();
        }
    }
    eventually("they are let go", CLOSE_HANDSHAKE * 2, || server.descriptors() <= base);
    assert!(server.log().contains("--backlog"), "and the log says why: {}", server.log());
    for client in &mut slow {
        let mut all = Vec::new();
        let end = client.stream.read_to_end(&mut all).map_err(|error| error.kind());
        assert_eq!(end, Err(std::io::ErrorKind::ConnectionReset), "cut off inside a frame");
    }
}

#[test]
fn echoes_that_nobody_reads_cost_kilobytes_and_disturb_nobody() {
    let server = Server::start(&[]);
    let mut bystander = server.subscriber("/?channel=ruby");
    let resident = server.proc_status("VmHWM");
    let blocked: Vec<_> = (0..5).map(|_| blocked(&server)).collect();
    for number in 0..100_u32 {
        assert_eq!(server.publish("ruby", &number.to_be_bytes()), 1);
        assert_eq!(bystander.frame().payload, number.to_be_bytes());
    }
    let grown = server.proc_status("VmHWM") - resident;
    // For each what may wait (16 KiB) and one read (128 KiB), as much again where that grew, and what
    // the heap makes of it. They had sent megabytes.
    assert!(grown < 2 << 10, "{grown} kB for {} clients that read nothing", blocked.len());
}

/// Who sends and does not read is not read from, and so has said nothing for longer and longer.
#[test]
fn a_client_that_never_reads_its_echoes_is_closed_as_idle() {
    let server = Server::start(&["--ping", "1s", "--idle-timeout", "2s"]);
    let base = server.own_descriptors();
    let mut reads_at_last = blocked(&server);
    let reads_never = support::is_long().then(|| blocked(&server));
    // Not a moment earlier: who is read from is heard again, and pinged once more.
    let idle = if reads_never.is_some() { 2.0 } else { 1.0 };
    eventually("they are idle", SOON, || {
        server.metric("barewire_closes_total{by=\"server\",code=\"1001\"}") == idle
    });
    // All that was echoed is there, whole; then the ping that was not answered, and the Close.
    let echo = Frame::binary(&[1; 60_000]);
    let mut frame = reads_at_last.frame();
    while frame == echo {
        frame = reads_at_last.frame();
    }
    assert!(frame.is_ping(), "{:#x}", frame.first);
    assert_eq!(reads_at_last.frame().close(), Some((1001, "idle".into())));
    assert_eq!(reads_at_last.orderly_rest(), b"");
    drop(reads_at_last);
    if reads_never.is_some() {
        assert!(server.descriptors() > base, "it has ten seconds to read that");
    }
    eventually("then it is reset", SOON, || server.descriptors() <= base);
}

// ---- Pings ----

#[test]
fn s5_5_3_twenty_thousand_pings_get_twenty_thousand_pongs_in_order() {
    const PINGS: u32 = 20_000;
    let server = Server::start(&[]);
    let mut client = server.subscriber("/echo");
    let mut sender = client.stream.try_clone().unwrap();
    let sending = thread::spawn(move || {
        let pings: Vec<u8> = (0..PINGS).flat_map(|n| masked(0x89, &n.to_be_bytes())).collect();
        sender.write_all(&pings).expect("taken");
    });
    for number in 0..PINGS {
        assert_eq!(client.frame(), Frame::pong(&number.to_be_bytes()));
    }
    sending.join().unwrap();
    client.send(CLOSE);
    assert_eq!(client.orderly_rest(), CLOSED, "and not one more");
}

/// So many pings of 125 bytes are 200 MB.
const FLOOD: u32 = 1_530_000;

/// A block of frames, each with its own number in it.
fn numbered(header: &[u8], from: u32, block: &mut Vec<u8>) {
    block.clear();
    for number in from..from + 1000 {
        block.extend_from_slice(header);
        block.extend_from_slice(&number.to_be_bytes());
        block.extend_from_slice(&[b'p'; 121]);
    }
}

#[test]
fn s5_5_3_two_hundred_megabytes_of_pings_from_one_that_does_not_read_wait_where_they_are() {
    let server = Server::start(&[]);
    let mut bystander = server.subscriber("/echo");
    let mut client = server.subscriber("/echo");
    let resident = server.proc_status("VmHWM");
    let mut sender = client.stream.try_clone().unwrap();
    let flood = thread::spawn(move || {
        let mut block = Vec::new();
        for from in (0..FLOOD).step_by(1000) {
            numbered(b"\x89\xfd\0\0\0\0", from, &mut block);
            sender.write_all(&block).expect("the server goes on reading once it is read from");
        }
    });
    // Before anything is read, the server must have stopped reading, and must not spin.
    eventually("the flood stands still", SOON, || {
        let before = server.cpu();
        thread::sleep(Duration::from_millis(300));
        server.cpu() - before <= Duration::from_millis(10)
    });
    assert!(!flood.is_finished(), "more pings were taken than the kernel can hold");
    bystander.fence();
    let grown = server.proc_status("VmHWM") - resident;
    assert!(grown < 1 << 10, "{grown} kB for one client that reads nothing");
    // Now it reads, and every single one is answered, in order.
    let (mut got, mut expected) = (Vec::new(), Vec::new());
    for from in (0..FLOOD).step_by(1000) {
        numbered(b"\x8a\x7d", from, &mut expected);
        got.resize(expected.len(), 0);
        client.stream.read_exact(&mut got).expect("pongs");
        assert!(got == expected, "pongs {from} to {}", from + 999);
    }
    flood.join().expect("all was taken");
    client.echoes("and it works on");
    let grown = server.proc_status("VmHWM") - resident;
    assert!(grown < 1 << 10, "{grown} kB for a flood");
}

#[test]
fn s5_5_3_a_flood_of_pongs_that_nobody_asked_for_is_answered_by_nothing() {
    let server = Server::start(&[]);
    let mut client = server.subscriber("/echo");
    let pongs = masked(0x8a, b"the same again").repeat(1000);
    let resident = server.proc_status("VmHWM");
    for _ in 0..200 {
        client.send(&pongs);
    }
    client.echoes("nothing came before this");
    let grown = server.proc_status("VmHWM") - resident;
    assert!(grown < 1 << 10, "{grown} kB");
}

// ---- Slow ones ----

/// What is legal, one byte at a time: fragments with a ping between, a message, and a Close.
#[test]
fn a_frame_that_comes_byte_by_byte_is_a_frame() {
    let (pace, ping, idle) = if support::is_long() { (1000, "3s", "4s") } else { (50, "1s", "2s") };
    let pace = Duration::from_millis(pace);
    // Each byte is a sign of life: this client is never asked for another.
    let server = Server::start(&["--ping", ping, "--idle-timeout", idle]);
    let mut client = server.subscriber("/echo");
    let sent = b"\x01\x83\0\0\0\0Hel\x89\x81\0\0\0\0?\x80\x82\0\0\0\0lo\x88\x82\0\0\0\0\x03\xe8";
    for byte in sent.chunks(1) {
        client.send(byte);
        thread::sleep(pace);
    }
    let got = client.orderly_rest();
    assert_eq!(got, b"\x8a\x01?\x81\x05Hello\x88\x02\x03\xe8", "{}", got.escape_ascii());
}

#[test]
fn a_large_message_in_segments_of_one_byte_costs_its_bytes_and_no_more() {
    let server = Server::start(&[]);
    let mut client = server.subscriber("/echo");
    let payload = [b'a'; 60_000];
    let resident = server.proc_status("VmHWM");
    for byte in masked(0x81, &payload).chunks(1) {
        client.send(byte);
    }
    assert!(client.frame() == Frame { first: 0x81, payload: payload.into() });
    let grown = server.proc_status("VmHWM") - resident;
    assert!(grown < 1 << 10, "{grown} kB for 60 kB");
    // Whoever looks at all that has come again with each byte looks at 1.8 GB.
    let used = server.cpu();
    assert!(used < Duration::from_secs(10), "{used:?}");
}

#[test]
fn a_client_that_stalls_inside_a_frame_is_idle_like_any_other() {
    let server = Server::start(&["--ping", "1s", "--idle-timeout", "2s"]);
    let parts = [b"\x81".as_slice(), b"\x81\x85\0\0\0\0Hel", b"\x01\x80\0\0\0\0", b""];
    let mut clients = parts.map(|part| {
        let mut client = server.subscriber("/echo");
        client.send(part);
        client
    });
    for (client, part) in clients.iter_mut().zip(parts) {
        assert!(client.frame().is_ping(), "{}", part.escape_ascii());
        assert_eq!(client.frame().close(), Some((1001, "idle".into())), "{}", part.escape_ascii());
        let start = Instant::now();
        assert_eq!(client.orderly_rest(), b"");
        assert!(start.elapsed() < CLOSE_HANDSHAKE / 2, "its Close is not waited for");
    }
}

// ---- Too many ----

#[test]
fn over_max_connections_a_client_gets_503_and_the_others_stay() {
    let server = Server::start(&["--max-connections", "3"]);
    let mut here: Vec<_> = (0..3).map(|_| server.subscriber("/?channel=ruby")).collect();
    let mut over = server.client();
    over.try_send(format!("GET /echo HTTP/1.1\r\nHost: a\r\n{}\r\n", Client::upgrade_fields()));
    let response = over.response();
    assert_eq!(response.status, 503, "{}", response.head);
    assert!(response.field("Retry-After").is_some(), "{}", response.head);
    assert_eq!(over.rest(), b"");
    for client in &mut here {
        client.send_frame(0x89, b"?");
        assert_eq!(client.frame(), Frame::pong(b"?"));
    }
    here.pop();
    eventually("the place of the one that left is free", SOON, || {
        let mut client = server.client();
        client.try_upgrade("/echo", "").status == 101
    });
}

/// Ten thousand come and go as fast as they can, some of them in the middle of something.
#[test]
fn a_storm_of_newcomers_leaves_nothing_behind_and_disturbs_nobody() {
    let server = Server::start(&[]);
    let mut bystander = server.subscriber("/echo");
    bystander.fence();
    let base = server.descriptors();
    let handshake = Client::handshake("/?channel=ruby");
    for number in 0..if support::is_long() { 10_000 } else { 2_000 } {
        let mut client = server.client();
        client.try_send(&handshake[..number % (handshake.len() + 1)]);
        // A reset leaves no TIME_WAIT, of which this machine has only so many.
        client.reset();
        if number % 500 == 0 {
            bystander.echoes("still served");
        }
    }
    assert_nothing_left(&server, base);
    bystander.echoes("and still");
    assert!(server.metric("barewire_connections_total") > 2_000.0);
}

#[test]
fn over_the_limit_of_channels_in_all_only_those_that_are_there_can_be_had() {
    let server = Server::start(&["--channel", "*"]);
    let names = |client: usize| {
        let names = (0..100).map(|number| format!("channel={client}.{number}"));
        format!("/?{}", names.collect::<Vec<_>>().join("&"))
    };
    let mut clients: Vec<_> = (0..1_000).map(|client| server.subscriber(&names(client))).collect();
    let refused = server.client().try_upgrade("/?channel=new", "");
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("channels"), "{}", refused.text());
    let mut beside = server.subscriber("/?channel=0.0");
    assert_eq!(server.publish("0.0", b"Hello"), 2);
    assert_eq!((beside.message(), clients[0].message()), ("Hello".into(), "Hello".into()));
    clients.pop();
    eventually("a place is free", SOON, || {
        server.client().try_upgrade("/?channel=new", "").status == 101
    });
}

#[test]
fn out_of_descriptors_accepting_pauses_without_spinning_and_goes_on_by_itself() {
    let mut server = Server::start(&[]);
    let mut first = server.subscriber("/echo");
    // As if something else had taken them all. The server knows its limit only from its start.
    server.limit_descriptors(40);
    // More than there are descriptors; the kernel completes the connections, so these all connect.
    let mut crowd: Vec<_> = (0..200).map(|_| server.client()).collect();
    first.echoes("still served");
    eventually("somebody is told, with the descriptor that is kept for it", SOON, || {
        crowd.iter_mut().any(|client| {
            let is_told = !client.has_nothing();
            if is_told {
                assert_eq!(client.response().status, 503);
            }
            is_told
        })
    });
    let before = server.cpu();
    thread::sleep(Duration::from_secs(1));
    let used = server.cpu() - before;
    assert!(used < Duration::from_millis(250), "{used:?} of a second: it spins");
    first.echoes("and still");
    // The last of them stays; when the others leave, it is its turn, without any newcomer. (Or it gets
    // that one descriptor, in the moment when there is no other.)
    let mut last = crowd.pop().expect("200");
    drop(crowd);
    assert!([200, 503].contains(&last.get("/healthz").status));
    eventually("there is room", SOON, || server.client().get("/healthz").status == 200);
    assert!(server.log().contains("WARN"), "it is said: {}", server.log());
    assert!(server.is_alive());
}

#[test]
fn with_few_descriptors_from_the_start_the_server_says_so_and_serves_fewer() {
    let server = Server::start_with_descriptors(100, &["--max-connections", "1000"]);
    server.logs("--max-connections");
    let mut first = server.subscriber("/echo");
    let crowd: Vec<_> = (0..200).map(|_| server.client()).collect();
    first.echoes("still served");
    drop(crowd);
    eventually("there is room again", SOON, || {
        let mut client = server.client();
        // Who is one too many may also find the connection closed before asking.
        client.try_send(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        client.rest().starts_with(b"HTTP/1.1 200 ")
    });
}
