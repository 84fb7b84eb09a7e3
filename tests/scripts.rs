//! Golden transcripts: whole conversations, each a lesson, played in virtual time.
//!
//! What to notice:
//! * `tests/scripts/*.txt` are in the notation of `RUST_LOG=barewire::wire=trace`. What one sees in the
//!   log of a running server, pasted there, is a test.
//! * A script is played against the machines that the loop drives: lines from clients and from the bus go
//!   in, time passes, and what must come out stands there, line by line.
//! * `UPDATE=1 cargo test --test scripts` writes down what came out. The difference is for a person to
//!   judge: `git diff tests/scripts`.
//!
//! To write one: begin with a line `# What it shows`, write what the clients send and what the bus says,
//! and let `UPDATE=1` add the answers. Lines that stand together come in one read; an empty line or a note
//! between them makes two of it. Bytes may stand there as they are (`< 81 85 37`, `< "GET / HT"`): what they
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
use std::time::{Duration, Instant};

use play::play;
use support::Server;
use support::client::masked;

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
            Ok(played) if played == script => {}
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

/// The wire's lines of a log.
fn wire_lines(log: &str) -> String {
    let lines = log.lines().filter_map(|line| line.split_once("barewire::wire: "));
    lines.map(|(_, line)| format!("{line}\n")).collect()
}

#[test]
fn what_a_running_server_logs_is_a_script() {
    let flags = ["--ping", "2s", "--idle-timeout", "30s", "--awake", "off"];
    let server = Server::start_logging("info,barewire::wire=trace", &flags);
    let mut ruby = server.subscriber("/?channel=ruby");
    assert_eq!(server.publish("ruby", b"[1] I love ruby\n"), 1);
    assert_eq!(ruby.message(), "[1] I love ruby\n");
    ruby.send(masked(0x88, b"\x03\xe8"));
    ruby.closed();
    drop(ruby);
    let mut echo = server.client();
    echo.upgrade("/echo");
    echo.echoes("Hello");
    echo.send([masked(0x01, b"Hel"), masked(0x80, b"lo, \xc3\xa9t\xc3\xa9")].concat());
    assert_eq!(echo.message(), "Hello, été");
    assert!(echo.frame().is_ping(), "after two seconds");
    echo.send(b"\x81\x05Hello");
    assert_eq!(echo.closed().0, 1002);
    drop(echo);

    let start = Instant::now();
    while wire_lines(&server.log()).matches("> gone").count() < 3 {
        assert!(start.elapsed() < Duration::from_secs(10), "{}", server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    let seen = format!(
        "# As it was logged.\n$ barewire {}\n{}",
        flags.join(" "),
        wire_lines(&server.log())
    );
    let played = play(&seen).unwrap_or_else(|why| panic!("{why}\n{seen}"));
    assert!(played == seen, "{}\n\nthe whole log:\n{seen}", difference(&seen, &played));
}
