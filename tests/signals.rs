//! How the server ends: by signal, at once or after draining, and with which exit code.

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

use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::client::close;
use support::{Client, SOON, Server, eventually};

/// Time for what should happen at once, on a machine that may be busy.
const AT_ONCE: Duration = Duration::from_secs(3);

#[test]
fn sigint_says_1001_to_every_client_and_ends_at_once() {
    let mut server = Server::start(&["--drain", "60s"]);
    let mut clients: Vec<_> =
        ["/?channel=ruby", "/echo", "/"].iter().map(|target| server.subscriber(target)).collect();
    let mut plain = server.client();
    assert_eq!(plain.get("/healthz").status, 200);
    server.signal(Signal::INT);
    let start = Instant::now();
    assert_eq!(server.wait(SOON).code(), Some(0), "{}", server.log());
    // Nobody has answered the Close: a person at the prompt does not wait for that.
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    for client in &mut clients {
        assert_eq!(client.closed().0, 1001);
    }
    assert_eq!(plain.rest(), b"");
}

#[test]
fn sigterm_without_clients_ends_at_once() {
    let mut server = Server::start(&["--drain", "60s"]);
    server.signal(Signal::TERM);
    let start = Instant::now();
    assert_eq!(server.wait(SOON).code(), Some(0), "{}", server.log());
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
}

#[test]
fn sigterm_writes_what_was_queued_then_1001_and_ends_as_soon_as_all_have_gone() {
    const MESSAGES: u32 = 25;
    let mut server = Server::start(&["--drain", "30s", "--max-publish", "64k"]);
    let mut reading_late = Client::connect_narrow(server.port());
    reading_late.upgrade("/?channel=ruby");
    for number in 0..MESSAGES {
        server.publish("ruby", &number.to_be_bytes().repeat(15_000));
    }
    server.signal(Signal::TERM);
    eventually("nobody is accepted any more", SOON, || {
        TcpStream::connect(("127.0.0.1", server.port())).is_err()
    });
    assert!(server.is_alive(), "it waits for the one who still has to read");
    for number in 0..MESSAGES {
        let frame = reading_late.frame();
        assert!(
            frame.payload == number.to_be_bytes().repeat(15_000),
            "message {number}: {:?}",
            frame.close()
        );
    }
    assert_eq!(reading_late.closed().0, 1001);
    reading_late.send_frame(0x88, &close(1001, ""));
    assert_eq!(reading_late.rest(), b"");
    let start = Instant::now();
    assert_eq!(server.wait(SOON).code(), Some(0), "{}", server.log());
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
}

/// A server that drains for so long, with a client that never reads what it has for it.
fn draining(drain: &str) -> (Server, Client) {
    let server = Server::start(&["--drain", drain, "--max-publish", "64k"]);
    let mut stuck = Client::connect_narrow(server.port());
    stuck.upgrade("/?channel=ruby");
    for _ in 0..25 {
        server.publish("ruby", &[b'a'; 60_000]);
    }
    server.signal(Signal::TERM);
    eventually("it drains", SOON, || TcpStream::connect(("127.0.0.1", server.port())).is_err());
    (server, stuck)
}

#[test]
fn sigterm_waits_for_a_stuck_client_no_longer_than_drain() {
    let start = Instant::now();
    let (mut server, _stuck) = draining("1s");
    assert_eq!(server.wait(SOON).code(), Some(0), "{}", server.log());
    assert!(start.elapsed() < Duration::from_secs(1) + 2 * AT_ONCE, "{:?}", start.elapsed());
}

#[test]
fn a_second_signal_ends_the_draining() {
    for second in [Signal::TERM, Signal::INT] {
        let (mut server, _stuck) = draining("60s");
        assert!(server.is_alive());
        server.signal(second);
        let start = Instant::now();
        server.wait(SOON);
        assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    }
}

#[test]
fn an_address_in_use_is_exit_code_1_and_named() {
    let server = Server::start(&[]);
    let address = format!("127.0.0.1:{}", server.port());
    let second = support::run(&["--bind", &address]);
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.stderr.contains(&address), "{second:?}");
    assert!(second.stderr.to_lowercase().contains("in use"), "{second:?}");
}

#[test]
fn wrong_usage_is_exit_code_2_and_says_what_to_write_instead() {
    // What is unknown is told by its place: it may be a secret whose flag was forgotten.
    for (args, names) in [
        (["--no-such-option"].as_slice(), "argument 1"),
        (&["--max-message", "64q"], "--max-message"),
        (&["--max-message", "-1"], "argument 2"),
        (&["--max-message=-1"], "--max-message"),
        (&["--max-message"], "--max-message"),
        (&["--ping", "soon"], "--ping"),
        (&["--bind", "nonsense"], "--bind"),
        (&["--bind", "127.0.0.1:65536"], "--bind"),
        (&["--channel", ""], "--channel"),
        (&["--origin", "example.org/path"], "--origin"),
        (&["--redis", "rediss://127.0.0.1:1"], "--redis"),
        (&["--redis", "http://127.0.0.1:1"], "--redis"),
        (&["--backlog", "1k"], "--backlog"),
        (&["publish"], "publish"),
        (&["publish", "ruby", "hi", "--to", "nonsense"], "--to"),
        (&["no-such-command"], "argument 1"),
    ] {
        let ended = support::run(args);
        assert_eq!(ended.code, Some(2), "{args:?}: {ended:?}");
        assert!(ended.stderr.contains(names), "{args:?}: {ended:?}");
        assert_eq!(ended.stdout, "", "{args:?}");
        assert!(!ended.stderr.contains("panicked"), "{args:?}: {ended:?}");
    }
}

#[test]
fn a_wrong_environment_is_wrong_usage_too() {
    for (name, value) in [("PORT", "many"), ("REDIS_URL", "rediss://a"), ("BAREWIRE_PING", "soon")]
    {
        let ended = support::finish(support::barewire().env(name, value));
        assert_eq!(ended.code, Some(2), "{name}={value}: {ended:?}");
        assert!(ended.stderr.contains(name), "{name}: {ended:?}");
    }
}

#[test]
fn a_secret_in_a_wrong_option_is_not_printed() {
    for args in [
        ["--redis", "rediss://user:hunter2@127.0.0.1:1"],
        ["--redis", "redis://user:hunter2@127.0.0.1:port"],
        ["--redis", "hunter2"],
    ] {
        let ended = support::run(&args);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let said = ended.stdout + &ended.stderr;
        assert!(!said.contains(":hunter2"), "{said}");
    }
}

#[test]
fn help_fits_a_screen_and_version_is_one_line() {
    let help = support::run(&["-h"]);
    assert_eq!(help.code, Some(0), "{help:?}");
    assert!(help.stdout.lines().count() <= 50, "{}", help.stdout);
    assert!(help.stdout.lines().all(|line| line.chars().count() <= 100), "{}", help.stdout);
    let version = support::run(&["--version"]);
    assert_eq!(version.code, Some(0), "{version:?}");
    assert_eq!(version.stdout.trim(), format!("barewire {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn port_alone_means_every_address_and_the_start_line_says_so() {
    let port = support::redis::quiet_port();
    let mut command = support::barewire();
    // The start line names 0.0.0.0, so this one is watched through its port.
    command.env("PORT", port.to_string()).stderr(std::process::Stdio::null());
    let _server = support::Running(command.spawn().unwrap());
    eventually("it listens", SOON, || TcpStream::connect(("127.0.0.1", port)).is_ok());
    assert_eq!(Client::connect(port).get("/healthz").status, 200);
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let port = support::redis::quiet_port();
    let mut command = support::barewire();
    // Its stderr is a pipe that stays unread and is full after 64 KiB.
    command.args(["--bind", &format!("127.0.0.1:{port}")]).env("RUST_LOG", "trace");
    let _server = support::Running(command.spawn().unwrap());
    eventually("it listens", SOON, || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let mut client = Client::connect(port);
    for _ in 0..900 {
        assert_eq!(client.get("/healthz?with=a&long=query&that=fills&the=log").status, 200);
    }
}

#[test]
fn a_process_that_was_stopped_closes_nobody_for_its_own_silence() {
    let server = Server::start(&["--ping", "300ms", "--idle-timeout", "1s", "--awake", "off"]);
    let mut clients: Vec<_> = (0..20).map(|_| server.subscriber("/")).collect();
    server.signal(Signal::STOP);
    std::thread::sleep(Duration::from_millis(1500)); // what is tested is that time passes
    server.signal(Signal::CONT);
    for client in &mut clients {
        let frame = client.frame();
        assert!(frame.is_ping(), "{frame:?}");
        client.send_frame(0x8a, &frame.payload);
    }
    server.publish("ruby", b"still here");
    for client in &mut clients {
        assert_eq!(client.message(), "still here");
    }
}

#[test]
fn while_draining_nothing_is_published_and_nobody_is_told_that_it_was() {
    let (server, _stuck) = {
        let server = Server::start(&["--drain", "60s", "--max-publish", "64k"]);
        let mut stuck = Client::connect_narrow(server.port());
        stuck.upgrade("/?channel=ruby");
        for _ in 0..25 {
            server.publish("ruby", &[b'a'; 60_000]);
        }
        (server, stuck)
    };
    // A head that is begun keeps its connection; the rest of it comes while draining.
    let mut late = server.client();
    late.send("POST /publish?channel=ruby HTTP/1.1\r\nHost: localhost\r\n");
    let mut idle = server.client();
    assert_eq!(idle.get("/readyz").status, 200);
    server.signal(Signal::TERM);
    assert_eq!(late.response().status, 503);
    assert_eq!(idle.rest(), b"", "who is between two requests gets the end");
}
