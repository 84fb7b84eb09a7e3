//! Never deaf, and nothing lost in silence: what happens between the server and Redis, done to both.
//!
//! Other servers of this kind went deaf here (rails#27659, anycable-go#25, centrifugo#1189, nchan#371,
//! python-socketio#1581) or lost messages without a word (django/channels#1717).
//!
//! What to notice:
//! * Every message has a number, and what a client sees is judged by these alone: no number twice, none
//!   out of order, and none missing but where a gap was said.
//! * Redis is real, and so are its deaths. Only what a network does is made up, by a proxy between
//!   the two that takes bytes and does not give them back.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::as_conversions,
    reason = "a test stands on the other side of the socket, and panics to fail"
)]

mod support;

use std::thread;
use std::time::{Duration, Instant};

use support::fault::{Fault, FaultProxy};
use support::redis::{RedisServer, publish, subscribers};
use support::{Client, SOON, Server, eventually, is_soak};

/// An interval between two PINGs, the deadline of an answer, and two seconds for a machine that is busy.
const NOTICED: Duration = Duration::from_secs(5 + 5 + 2);

fn ready(server: &Server) -> bool {
    server.client().get("/readyz").status == 200
}

fn server(redis_url: &str, on_gap: &str) -> Server {
    let server = Server::start(&["--redis", redis_url, "--on-gap", on_gap]);
    eventually("it is ready", SOON, || ready(&server));
    assert_eq!(server.metric("barewire_redis_up"), 1.0);
    server
}

/// Publishes so many numbers, from `next` on.
fn number_on(redis: &RedisServer, next: &mut u32, count: u32) {
    let mut connection = redis.connection();
    for _ in 0..count {
        assert_eq!(publish(&mut connection, "ruby", next.to_string()), 1, "to one server");
        *next += 1;
    }
}

fn numbers(client: &mut Client, expected: std::ops::Range<u32>) {
    for number in expected {
        assert_eq!(client.message(), number.to_string());
    }
}

/// The link is dead and nobody says so. It is noticed, said, and replaced; the gap is counted; and who
/// was there is told, while who comes afterwards has missed nothing.
fn dies_in_silence(fault: Fault) {
    let Some(redis) = RedisServer::start(&[]) else { return };
    let proxy = FaultProxy::start(redis.port());
    let server = server(&proxy.url(), "close");
    let mut client = server.subscriber("/?channel=ruby");
    let mut next = 0;
    number_on(&redis, &mut next, 100);
    numbers(&mut client, 0..100);

    proxy.set(fault);
    let start = Instant::now();
    eventually("it is noticed", NOTICED, || !ready(&server));
    let response = server.client().get("/readyz");
    assert_eq!(response.status, 503);
    assert!(response.text().contains("Redis"), "{}", response.text());
    assert_eq!(server.client().get("/healthz").status, 200, "the loop turns");
    assert_eq!(server.metric("barewire_redis_up"), 0.0);
    assert_eq!(server.client().try_upgrade("/?channel=ruby", "").status, 503);
    client.is_answered();

    proxy.set(Fault::None);
    eventually("it is replaced", SOON, || ready(&server));
    let lasted = start.elapsed();
    assert_eq!(client.closed(), (1012, "redis gap".to_owned()));
    assert_eq!(server.metric("barewire_redis_up"), 1.0);
    assert_eq!(server.metric("barewire_redis_reconnects_total"), 1.0);
    assert_eq!(server.metric("barewire_gaps_total"), 1.0);
    let seconds = server.metric("barewire_gap_seconds_total");
    assert!(seconds > 0.0 && seconds <= lasted.as_secs_f64(), "{seconds} of {lasted:?}");
    assert_eq!(server.metric("barewire_closes_total{by=\"server\",code=\"1012\"}"), 1.0);
    let mut client = server.subscriber("/?channel=ruby");
    eventually("the old link is gone", SOON, || redis.subscribers("ruby") == 1);
    number_on(&redis, &mut next, 100);
    numbers(&mut client, 100..200);
}

#[test]
fn a_link_whose_peer_is_gone_without_a_word_is_noticed_and_replaced() {
    dies_in_silence(Fault::HalfOpen);
}

#[test]
fn a_link_into_a_black_hole_is_noticed_and_replaced() {
    dies_in_silence(Fault::BlackHole);
}

#[test]
fn a_slow_or_late_network_loses_nothing_and_is_no_gap() {
    let Some(redis) = RedisServer::start(&[]) else { return };
    let proxy = FaultProxy::start(redis.port());
    let server = server(&proxy.url(), "close");
    let mut client = server.subscriber("/?channel=ruby");
    let mut next = 0;
    for fault in [Fault::Delay(Duration::from_millis(700)), Fault::Throttle(100), Fault::None] {
        proxy.set(fault);
        let before = next;
        number_on(&redis, &mut next, 200);
        numbers(&mut client, before..next);
        assert!(ready(&server), "{fault:?}");
    }
    assert_eq!(server.metric("barewire_gaps_total"), 0.0);
}

/// Half a message before an end is no message; whole ones before it are. With `--on-gap keep` nobody is
/// told, and everything else goes on.
#[test]
fn a_link_that_is_cut_at_any_byte_delivers_whole_messages_only() {
    let Some(redis) = RedisServer::start(&[]) else { return };
    let proxy = FaultProxy::start(redis.port());
    let server = server(&proxy.url(), "keep");
    let mut client = server.subscriber("/?channel=ruby");
    // *3 $7 message $4 ruby, and a number: 40 bytes or so.
    let cuts: Vec<usize> = if is_soak() { (1..100).collect() } else { vec![1, 33, 39, 40, 41, 77] };
    let mut next = 0_u32;
    let reconnects = || server.metric("barewire_redis_reconnects_total");
    for cut in cuts {
        let before = reconnects();
        proxy.set(Fault::CutAfter(cut));
        let mut connection = redis.connection();
        for _ in 0..3 {
            publish(&mut connection, "ruby", next.to_string());
            next += 1;
        }
        // Not before that: until the proxy has read what it is to cut, nothing is cut.
        eventually("the link has ended", SOON, || reconnects() > before || !ready(&server));
        proxy.set(Fault::None);
        eventually("it is back", SOON, || reconnects() > before && ready(&server));
        eventually("subscribed", SOON, || subscribers(&mut connection, "ruby") == 1);
        publish(&mut connection, "ruby", format!("behind {cut}"));
        // Of the three, the first few, and then what came after the gap.
        let mut expected = next - 3;
        loop {
            let message = client.message();
            if message == format!("behind {cut}") {
                break;
            }
            assert_eq!(message, expected.to_string(), "cut after {cut} bytes");
            expected += 1;
        }
    }
    assert!(server.metric("barewire_gaps_total") >= 6.0);
    client.is_answered();
}

/// Publishes numbers from `next` on until Redis is gone, and returns the first that it did not take.
fn number_until_the_end(redis: &RedisServer, mut next: u32) -> thread::JoinHandle<u32> {
    let mut connection = redis.connection();
    thread::spawn(move || {
        let mut publish =
            |number: u32| redis::cmd("PUBLISH").arg("ruby").arg(number).exec(&mut connection);
        while publish(next).is_ok() {
            next += 1;
        }
        next
    })
}

#[test]
fn a_redis_that_is_killed_again_and_again_is_live_again_each_time() {
    let rounds = if is_soak() { 100 } else { 10 };
    let Some(mut redis) = RedisServer::start(&[]) else { return };
    let server = server(&redis.url(), "keep");
    let mut client = server.subscriber("/?channel=ruby");
    let (mut next, mut times) = (0_u32, Vec::new());
    for round in 0..rounds {
        // Killed while messages are on their way, at another moment each time.
        let first = next;
        let publishing = number_until_the_end(&redis, first);
        thread::sleep(Duration::from_millis((round * 37) % 100));
        redis.kill();
        next = publishing.join().unwrap() + 1;
        thread::sleep(Duration::from_millis((round * 53) % 200));
        redis.resume_or_start();
        let start = Instant::now();
        let mut connection = redis.connection();
        server.eventually("live again", SOON, || subscribers(&mut connection, "ruby") == 1);
        times.push(start.elapsed());
        publish(&mut connection, "ruby", format!("round {round}"));
        // Only what Redis had taken and not yet sent on when it died may be missing.
        let mut expected = first;
        loop {
            let message = client.message();
            if message == format!("round {round}") {
                break;
            }
            assert_eq!(message, expected.to_string(), "from {first} to {next}");
            expected += 1;
        }
        assert!(expected <= next, "{expected} was never published");
    }
    // After so short an outage the back-off is short, where the machine has time for all this.
    times.sort_unstable();
    eprintln!("live again after {times:?}");
    assert!(times[times.len() / 2] < Duration::from_secs(1), "{times:?}");
    assert!(times[times.len() - 1] < Duration::from_secs(4), "{times:?}");
    eventually("ready", SOON, || ready(&server));
    assert_eq!(server.metric("barewire_gaps_total"), rounds as f64);
    assert_eq!(server.metric("barewire_redis_reconnects_total"), rounds as f64);
    client.is_answered();
}

#[test]
fn who_redis_throws_out_comes_back_and_says_that_there_was_a_gap() {
    let Some(redis) = RedisServer::start(&["--client-output-buffer-limit", "pubsub 4mb 4mb 1"])
    else {
        return;
    };
    let server = Server::start(&["--redis", &redis.url(), "--backlog", "64m"]);
    eventually("it is ready", SOON, || ready(&server));
    let mut connection = redis.connection();

    let mut client = server.subscriber("/?channel=ruby");
    redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub").exec(&mut connection).unwrap();
    assert_eq!(client.closed(), (1012, "redis gap".to_owned()));

    // A stalled loop: Redis gives up on whoever does not take what it is sent.
    eventually("ready", SOON, || ready(&server));
    let mut client = server.subscriber("/?channel=ruby");
    server.meanwhile(|| {
        // Who is inside a frame and misses more than 64 KiB of it is reset, and is told nothing.
        for _ in 0..350 {
            publish(&mut connection, "ruby", vec![b'x'; 60_000]);
        }
        eventually("thrown out", SOON, || subscribers(&mut connection, "ruby") == 0);
    });
    assert_eq!(client.closed(), (1012, "redis gap".to_owned()));
    eventually("ready", SOON, || ready(&server));
    assert_eq!(server.metric("barewire_gaps_total"), 2.0);

    // A message that is too large costs its channel a gap, and nobody the link.
    let mut client = server.subscriber("/?channel=ruby");
    publish(&mut connection, "ruby", vec![b'x'; (1 << 20) + 1]);
    assert_eq!(client.closed(), (1012, "redis gap".to_owned()));
    assert_eq!(server.metric("barewire_too_large_total"), 1.0);
    assert_eq!(server.metric("barewire_redis_reconnects_total"), 2.0);
    assert_eq!(server.metric("barewire_gaps_total"), 3.0);
}

/// Redis' own default: it lets go of a subscriber that has 32 MB to get.
#[test]
fn a_message_that_redis_itself_does_not_hold_ends_the_link_and_is_a_gap() {
    let Some(redis) = RedisServer::start(&[]) else { return };
    let server = server(&redis.url(), "close");
    let mut client = server.subscriber("/?channel=ruby");
    redis.publish("ruby", vec![b'x'; 33 << 20]);
    assert_eq!(client.closed(), (1012, "redis gap".to_owned()));
    eventually("ready", SOON, || ready(&server));
    let mut client = server.subscriber("/?channel=ruby");
    redis.publish("ruby", "Hello");
    assert_eq!(client.message(), "Hello");
    assert_eq!(server.metric("barewire_gaps_total"), 1.0);
    assert_eq!(server.metric("barewire_redis_reconnects_total"), 1.0);
}

/// A thousand in a second are told, not all at once: they all come back.
#[test]
fn those_who_have_missed_something_are_told_a_thousand_in_a_second() {
    let Some(mut redis) = RedisServer::start(&[]) else { return };
    let server = server(&redis.url(), "close");
    let mut clients: Vec<_> = (0..300).map(|_| server.subscriber("/?channel=ruby")).collect();
    redis.kill();
    // A hundred, a tenth of a second, a hundred, a tenth of a second, a hundred. They count from a request
    // that was answered in an earlier turn than that of the first hundred: the next one on its connection
    // was answered too, and still nobody had been told.
    redis.resume_or_start();
    let (mut onlooker, mut asked) = (server.client(), [Instant::now(); 2]);
    eventually("all are told", SOON, || {
        // A connection has a thousand requests.
        thread::sleep(Duration::from_millis(15));
        let now = Instant::now();
        let told = onlooker.metric("barewire_closes_total{by=\"server\",code=\"1012\"}");
        if told == 0.0 {
            asked = [asked[1], now];
        }
        let tenths = asked[0].elapsed().as_millis() / 100;
        assert!(told <= 100.0 * (tenths as f64 + 1.0), "{told} within {tenths} tenths of a second");
        told == 300.0
    });
    for client in &mut clients {
        assert_eq!(client.closed(), (1012, "redis gap".to_owned()));
    }
    assert_eq!(server.metric("barewire_gaps_total"), 1.0);
}

/// `DEBUG SLEEP` is a Redis that computes something for long: shorter than the deadline of an answer it
/// is no outage, and longer it is one.
#[test]
fn a_redis_that_is_busy_for_a_while_is_waited_for_and_one_that_stays_so_is_not() {
    let Some(redis) = RedisServer::start(&["--enable-debug-command", "yes"]) else { return };
    let server = server(&redis.url(), "close");
    let mut client = server.subscriber("/?channel=ruby");
    let mut connection = redis.connection();
    let mut sleep = |seconds: &str| {
        redis::cmd("DEBUG").arg("SLEEP").arg(seconds).exec(&mut connection).unwrap();
    };
    sleep("3");
    redis.publish("ruby", "Hello");
    assert_eq!(client.message(), "Hello");
    assert!(ready(&server));
    sleep("12");
    assert_eq!(client.closed(), (1012, "redis gap".to_owned()));
    eventually("ready", SOON, || ready(&server));
    assert_eq!(server.metric("barewire_gaps_total"), 1.0);
}

/// A server may be given a replica: Redis passes on there what is published at its master. When it is
/// made the master, nothing is lost, and no link.
#[test]
fn a_replica_that_becomes_the_master_goes_on_delivering() {
    let Some(master) = RedisServer::start(&[]) else { return };
    let of = master.port().to_string();
    let Some(replica) = RedisServer::start(&["--replicaof", "127.0.0.1", &of]) else { return };
    let server = server(&replica.url(), "close");
    let mut client = server.subscriber("/?channel=ruby");
    let mut connection = replica.connection();
    eventually("it is a replica", SOON, || {
        let said: String = redis::cmd("INFO").arg("replication").query(&mut connection).unwrap();
        said.contains("master_link_status:up")
    });
    master.publish("ruby", "at the master");
    assert_eq!(client.message(), "at the master");
    redis::cmd("REPLICAOF").arg("NO").arg("ONE").exec(&mut connection).unwrap();
    publish(&mut connection, "ruby", "at the new master");
    assert_eq!(client.message(), "at the new master");
    assert_eq!(server.metric("barewire_gaps_total"), 0.0);
}
