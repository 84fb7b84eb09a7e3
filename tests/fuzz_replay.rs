//! Every input that the fuzz targets keep, through the same bodies, on stable Rust.
//!
//! What to notice:
//! * A seed is replayed with each of its prefixes, and where it is a stream, with each of its cuts
//!   and byte by byte. So every seed is a test of many cases, and a target cannot rot unbuilt.
//! * `fuzz/minimised` is what fuzzing has found worth keeping, as few inputs as reach all that was
//!   reached. `fuzz/crashes` is what once crashed, each named after what it was: it must not again.
//! * One at a time: some bodies hold the memory of the whole process against a limit.

#![cfg(feature = "deflate")]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "a test reads files, and its bodies panic to fail"
)]

#[path = "../fuzz/bodies/mod.rs"]
mod bodies;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bodies::script::Script;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// What a target is given.
enum Body {
    /// Any bytes.
    Bytes(fn(&[u8])),
    /// A stream, and how it arrives.
    Stream(fn(&Script<'_>)),
}

/// The kept inputs of one kind, each with its name.
fn inputs(kind: &str, target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(kind).join(target);
    let files = fs::read_dir(folder).into_iter().flatten().map(|file| file.unwrap().path());
    files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Says which input it was, for a body that panics says only what it found.
fn run(path: &Path, how: &str, body: impl FnOnce() + std::panic::UnwindSafe) {
    if let Err(panic) = std::panic::catch_unwind(body) {
        eprintln!("the input was {}, {how}", path.display());
        std::panic::resume_unwind(panic);
    }
}

fn replay(target: &str, body: Body) {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let seeds = inputs("seeds", target);
    assert!(!seeds.is_empty(), "{target} has no seeds");
    for (path, input) in &seeds {
        match body {
            Body::Bytes(fuzz) => {
                for end in 0..=input.len() {
                    run(path, &format!("its first {end} bytes"), || fuzz(&input[..end]));
                }
            }
            Body::Stream(fuzz) => {
                run(path, "as it is", || fuzz(&Script::of(input)));
                let stream = Script::of(input).stream;
                run(path, "byte by byte", || fuzz(&Script::even(stream, 1)));
                for at in 0..=stream.len() {
                    run(path, &format!("cut at {at}"), || fuzz(&Script::cut(stream, at)));
                    let prefix = Script::even(&stream[..at], 0);
                    run(path, &format!("its first {at} bytes"), || fuzz(&prefix));
                }
            }
        }
    }
    for (path, input) in [inputs("minimised", target), inputs("crashes", target)].concat() {
        run(&path, "as it is", || match body {
            Body::Bytes(fuzz) => fuzz(&input),
            Body::Stream(fuzz) => fuzz(&Script::of(&input)),
        });
    }
}

#[test]
fn against_tungstenite() {
    replay("against_tungstenite", Body::Stream(bodies::against_tungstenite::fuzz));
}

#[test]
fn deflate() {
    replay("deflate", Body::Stream(bodies::deflate::fuzz));
}

#[test]
fn frame() {
    replay("frame", Body::Bytes(bodies::frame::fuzz));
}

#[test]
fn request_head() {
    replay("request_head", Body::Stream(bodies::request_head::fuzz));
}

#[test]
fn target() {
    replay("target", Body::Bytes(bodies::target::fuzz));
}

#[test]
fn handshake() {
    replay("handshake", Body::Bytes(bodies::handshake::fuzz));
}

#[test]
fn against_httparse() {
    replay("against_httparse", Body::Bytes(bodies::against_httparse::fuzz));
}

#[test]
fn utf8() {
    replay("utf8", Body::Stream(bodies::utf8::fuzz));
}

#[test]
fn message() {
    replay("message", Body::Stream(bodies::message::fuzz));
}

#[test]
fn connection() {
    replay("connection", Body::Stream(bodies::connection::fuzz));
}

#[test]
fn redis_link() {
    replay("redis_link", Body::Stream(bodies::redis_link::fuzz));
}

#[test]
fn redis_publisher() {
    replay("redis_publisher", Body::Stream(bodies::redis_publisher::fuzz));
}

#[test]
fn redis_url() {
    replay("redis_url", Body::Bytes(bodies::redis_url::fuzz));
}

#[test]
fn broadcast() {
    replay("broadcast", Body::Bytes(bodies::broadcast::fuzz));
}

#[test]
fn whole_server() {
    replay("whole_server", Body::Bytes(bodies::whole_server::fuzz));
}

#[test]
fn explain() {
    replay("explain", Body::Bytes(bodies::explain::fuzz));
}

#[test]
fn every_target_is_replayed() {
    let manifest = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/Cargo.toml"));
    let this = include_str!("fuzz_replay.rs");
    for line in manifest.unwrap().lines() {
        let Some(path) = line.strip_prefix("path = \"targets/") else { continue };
        let target = path.strip_suffix(".rs\"").unwrap();
        assert!(this.contains(&format!("replay(\"{target}\", ")), "{target} is not replayed");
    }
}

/// What `fuzz/bugs/run` plants goes out of fashion with every change beside it.
#[test]
fn every_replanted_bug_still_fits() {
    let root = env!("CARGO_MANIFEST_DIR");
    let folder = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/bugs")).unwrap();
    let patches = folder.map(|entry| entry.unwrap().path());
    let patches: Vec<_> =
        patches.filter(|path| path.extension().is_some_and(|e| e == "patch")).collect();
    assert!(patches.len() >= 17, "{patches:?}");
    for patch in patches {
        let mut git = std::process::Command::new("git");
        let output = git.args(["apply", "--check"]).arg(&patch).current_dir(root).output();
        let Ok(output) = output else {
            return eprintln!("*** SKIPPED: git is missing, with which patches are applied ***");
        };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", patch.display());
    }
}

/// The steps of net's turn that the driver of `whole_server` leaves out.
const NOT_DRIVEN: [(&str, &str); 4] = [
    ("say_awake", "its site says nothing by itself"),
    ("drain", "no signal ends it, so it always serves"),
    ("tell_of_gaps", "its site keeps those who may have missed something"),
    ("time_turn", "its time is virtual"),
];

/// What `whole_server` finds, it finds in the driver's turn: it means something only as long as that is
/// net's.
#[test]
fn the_driver_of_whole_server_makes_the_turn_of_net() {
    let ours = turn(include_str!("../fuzz/bodies/whole_server/driver.rs"));
    let mut nets = turn(include_str!("../src/net/mod.rs"));
    for (step, why) in NOT_DRIVEN {
        assert!(nets.contains(&step), "{step} is no step any more, of which it is said: {why}");
    }
    nets.retain(|step| NOT_DRIVEN.iter().all(|(name, _)| name != step));
    assert!(nets.contains(&"listen_to_bus") && nets.last() == Some(&"reap"), "{nets:?}");
    assert_eq!(ours, nets, "the driver's turn, and net's");
}

/// The steps of a file's `fn turn`: each line of it that is `self.step(now);`, or without the time.
fn turn(source: &str) -> Vec<&str> {
    let (_, body) = source.split_once(" fn turn(").unwrap();
    let (body, _) = body.split_once("\n    }\n").unwrap();
    let steps = body.lines().filter_map(|line| {
        let (step, arguments) = line.trim().strip_prefix("self.")?.split_once('(')?;
        ["now);", ");"].contains(&arguments).then_some(step)
    });
    steps.collect()
}
