//! Golden transcripts: whole conversations, each a lesson, played in virtual time.
//!
//! What to notice:
//! * `tests/scripts/*.txt` are in the notation of `RUST_LOG=barewire::wire=trace`. What one sees in the
//!   log of a running server, pasted there, is a test.
//! * A script is played against the machines that the loop drives: lines from clients and from the bus go
//!   in, time passes, and what must come out stands there, line by line. Only between two clients there is
//!   no order in the same moment.
//! * `UPDATE=1 cargo test --test scripts` writes down what came out. The difference is for a person to
//!   judge: `git diff tests/scripts`.
//!
//! To write one: begin with a line `# What it shows`, write what the clients send and what the bus says,
//! and let `UPDATE=1` add the answers. Lines that stand together come in one read; an empty line or a note
//! between them makes two of it. What is pasted from a log needs one line more, behind the first: the flags
//! that the server was started with, as `$ barewire --redis redis://localhost`. Bytes may stand there as they are (`< 81 85 37`, `< "GET / HT"`): what they
//! turn out to be is added behind them.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a test reads files, and panics to fail"
)]

#[path = "scripts/play.rs"]
mod play;
#[path = "scripts/stage.rs"]
mod stage;
mod support;

use std::fs;
use std::path::PathBuf;

use barewire::trace::transcript::without_prefix;
use play::{play, tell_the_same};
use rustix::process::Signal;
use support::client::masked;
use support::redis::RedisServer;
use support::{SOON, Server};

fn scripts() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut scripts: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|end| end == "txt")).collect();
    scripts.sort();
    scripts
}

/// The first line in which two texts differ, with what stands around it.
fn difference(expected: &str, actual: &str) -> String {
    let (expected, actual): (Vec<_>, Vec<_>) =
        (expected.lines().collect(), actual.lines().collect());
    let same = expected.iter().zip(&actual).take_while(|(a, b)| a == b).count();
    let before = expected[same.saturating_sub(3)..same].iter().map(|line| format!("    {line}\n"));
    let rest = |lines: &[&str], sign| {
        lines[same..].iter().take(4).map(|line| format!("  {sign} {line}\n")).collect::<String>()
    };
    let lines = before.collect::<String>() + &rest(&expected, '-') + &rest(&actual, '+');
    format!("from line {} on:\n{lines}", same + 1)
}

#[test]
fn every_script_is_played_as_it_is_written() {
    let update = std::env::var_os("UPDATE").is_some_and(|update| update == "1");
    let mut wrong = String::new();
    for path in scripts() {
        let script = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        assert!(script.starts_with("# "), "{name} begins with a line that says what it shows");
        match play(&script) {
            Ok(played) if tell_the_same(&played, &as_written(&script)) => {}
            Ok(played) if update => fs::write(&path, played).unwrap(),
            Ok(played) => wrong += &format!("{name} {}", difference(&script, &played)),
            Err(why) => wrong += &format!("{name}: {why}\n"),
        }
    }
    assert!(
        wrong.is_empty(),
        "what was played (+) is not what is written (-). If it is right, keep it: \
         UPDATE=1 cargo test --test scripts\n{wrong}"
    );
}

#[test]
fn a_script_that_is_wrong_is_not_played_as_it_is_written() {
    let echo = fs::read_to_string(
        scripts().iter().find(|path| path.ends_with("echo.txt")).expect("the first lesson"),
    )
    .unwrap();
    let wrong = echo.replace("> text 5 \"Hello\"", "> text 5 \"Jello\"");
    assert_ne!(wrong, echo);
    assert_eq!(play(&wrong), Ok(echo), "the answer is corrected, and everything else kept");
}

/// What a script says, without what a log writes before each line.
fn as_written(script: &str) -> String {
    script.lines().map(|line| without_prefix(line).to_owned() + "\n").collect()
}

/// Plays what a server has logged that is about to end, as it was logged.
fn play_log(mut server: Server, flags: &[&str]) {
    server.wait(SOON);
    let log = server.log();
    let script = format!("# As it was logged.\n$ barewire {}\n{log}", flags.join(" "));
    let played = play(&script).unwrap_or_else(|why| panic!("{why}\n{script}"));
    let written = as_written(&script);
    let is_same = tell_the_same(&played, &written);
    assert!(is_same, "{}\n\nthe whole log:\n{script}", difference(&written, &played));
    assert!(log.contains("! SIGTERM") && log.contains("> gone"), "{log}");
}

const LOG: &str = "info,barewire::wire=trace";

#[test]
fn what_a_running_server_logs_is_a_script() {
    let flags = ["--ping", "4s", "--idle-timeout", "30s", "--awake", "off"];
    let server = Server::start_logging(LOG, &flags);
    let mut ruby = server.subscriber("/?channel=ruby");
    let mut other = server.subscriber("/?channel=ruby&token=SECRET");
    assert_eq!(server.publish("ruby", b"[1] I love ruby\n"), 2);
    assert_eq!(server.publish("ruby", "é".repeat(200).as_bytes()), 2);
    assert_eq!(server.publish("ruby", &[0xff; 300]), 2);
    for client in [&mut ruby, &mut other] {
        assert_eq!(client.message(), "[1] I love ruby\n");
        assert_eq!(client.message(), "é".repeat(200));
        client.frame();
    }
    ruby.send(masked(0x88, b"\x03\xe8"));
    assert_eq!(ruby.closed().0, 1000);
    drop(ruby);
    other.reset();
    let mut echo = server.client();
    echo.upgrade("/echo");
    echo.echoes("Hello");
    echo.send([masked(0x01, b"Hel"), masked(0x80, b"lo, \xc3\xa9t\xc3\xa9")].concat());
    assert_eq!(echo.message(), "Hello, été");
    echo.echoes(&format!("{}{}", "a".repeat(124), "🌍".repeat(1_000)));
    assert!(echo.frame().is_ping(), "after four seconds");
    echo.send(b"\x81\x05Hello");
    assert_eq!(echo.closed().0, 1002);
    drop(echo);
    let mut wrong = server.client();
    wrong.send(
        "GET /?token=SECRET HTTP/1.1\r\nHost: a\r\nCookie: SECRET\r\nBad Field: SECRET\r\n\r\n",
    );
    assert_eq!(wrong.response().status, 400);
    drop(wrong);
    let mut last = server.subscriber("/");
    server.eventually("all have gone", SOON, || server.log().matches("> gone").count() >= 6);
    let log = server.log();
    assert!(!log.contains("SECRET"), "{log}");
    server.signal(Signal::TERM);
    assert_eq!(last.closed().0, 1001);
    last.send(masked(0x88, b"\x03\xe9"));
    drop(last);
    play_log(server, &flags);
}

#[test]
fn what_a_server_with_redis_logs_is_a_script() {
    let Some(mut redis) = RedisServer::start(&[]) else { return };
    let url = redis.url();
    let flags = ["--redis", url.as_str(), "--channel", "ruby", "--channel", "a \"b"];
    let server = Server::start_logging(LOG, &flags);
    server.eventually("it is ready", SOON, || server.client().get("/readyz").status == 200);
    let mut ruby = server.subscriber("/?channel=ruby");
    let mut quoted = server.subscriber("/?channel=a%20%22b");
    redis.publish("ruby", "x".repeat(1_000));
    redis.publish("a \"b", "Hello");
    assert_eq!(ruby.message().len(), 1_000);
    assert_eq!(quoted.message(), "Hello");
    redis.kill();
    server.eventually("it is noticed", SOON, || server.log().contains("! redis is gone"));
    redis.resume_or_start();
    assert_eq!(ruby.closed(), (1012, "redis gap".to_owned()));
    assert_eq!(quoted.closed(), (1012, "redis gap".to_owned()));
    ruby.send(masked(0x88, b"\x03\xf4"));
    quoted.send(masked(0x88, b"\x03\xf4"));
    drop((ruby, quoted));
    server.eventually("both have gone", SOON, || server.log().matches("> gone").count() >= 3);
    server.signal(Signal::TERM);
    play_log(server, &["--redis", &url, "--channel", "ruby", "--channel", "'a \"b'"]);
}
