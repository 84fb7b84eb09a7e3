//! "Minimal" in figures: what the README promises, counted.
//!
//! What to notice:
//! * A promise that no test holds is worth nothing after the third feature.
//! * Who wants to break one of these has to change a number here, and to say why.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "this reads the project's own sources and process, and panics to fail"
)]

mod sources;
mod support;

use sources::sources;
use support::{Server, run};

/// Lines of code: neither blank, nor comments alone, nor tests. The first sketch promised 6,000 and
/// 3,500; strict HTTP, and a Redis link that says what went wrong, have cost the rest, and what could
/// be left out of them without leaving out an answer has been. permessage-deflate took 450 more, what
/// readers and fuzzers then found wrong 50, and that every rule names its section 80. Beside the spine,
/// what is there to be studied: a log that can be read back and played took 500, and `barewire explain`,
/// which has no parser of its own but something to say of everything, 850.
const SOURCE_LINES: usize = 10_550;
const SPINE_LINES: usize = 7_500;
const DEPENDENCIES: usize = 15;
const FLAGS: usize = 18;
const RESIDENT_KB: u64 = 6 << 10;
const BINARY_BYTES: u64 = 2_000_000;

/// What one need not read to know how a WebSocket server works.
const BESIDE_THE_SPINE: [&str; 8] =
    ["site", "page", "trace", "metrics", "options", "publish", "tour", "explain"];

fn manifest() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    std::fs::read_to_string(path).expect("Cargo.toml")
}

/// The names in one section of Cargo.toml.
fn names_in(section: &str) -> Vec<String> {
    let manifest = manifest();
    let lines = manifest.lines().skip_while(|line| line.trim() != section).skip(1);
    let entries = lines.take_while(|line| !line.starts_with('['));
    let entries = entries.filter(|line| line.starts_with(|c: char| c.is_ascii_alphabetic()));
    entries
        .map(|line| line.split(['=', '.']).next().unwrap_or_default().trim().to_owned())
        .collect()
}

#[test]
fn the_source_is_short_and_its_spine_is_an_afternoon() {
    let mut all = 0;
    let mut spine = 0;
    for source in sources() {
        let lines = source.code().iter().filter(|(_, line)| !line.trim().is_empty()).count();
        all += lines;
        if !BESIDE_THE_SPINE.contains(&source.module()) {
            spine += lines;
        }
    }
    println!("{all} lines of code, {spine} of them the spine");
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
    let readme = readme.expect("README.md");
    let thousands = |lines: usize| format!("{},{:03}", lines / 1000, lines % 1000);
    for (lines, most) in [(all, SOURCE_LINES), (spine, SPINE_LINES)] {
        let row = format!("| {} | {} | the test |", thousands(lines), thousands(most));
        assert!(readme.contains(&row), "README's table of promises has other figures than {row}");
    }
    assert!(all <= SOURCE_LINES, "{all} lines of code; at most {SOURCE_LINES}");
    assert!(spine <= SPINE_LINES, "the spine has {spine} lines of code; at most {SPINE_LINES}");
}

#[test]
fn there_are_few_dependencies_and_one_feature() {
    let dependencies = names_in("[dependencies]");
    assert!(!dependencies.is_empty());
    assert!(
        !manifest().contains("[dependencies."),
        "one table, so that it can be read and counted"
    );
    assert!(dependencies.len() <= DEPENDENCIES, "{}: {dependencies:?}", dependencies.len());
    let mut features = names_in("[features]");
    features.retain(|name| name != "default");
    assert!(features.len() <= 1, "{features:?}");
}

#[test]
fn unsafe_is_forbidden() {
    assert!(manifest().contains("unsafe_code = \"forbid\""));
}

#[test]
fn there_are_few_flags() {
    let help = run(&["--help"]).stdout;
    let is_flag = |line: &&str| {
        let line = line.trim_start();
        let line = line
            .strip_prefix('-')
            .map_or(line, |rest| rest.split_once(", -").map_or(rest, |(_, long)| long));
        line.starts_with('-') && !line.starts_with("-help") && !line.starts_with("-version")
    };
    let flags: Vec<_> = help.lines().filter(is_flag).map(str::trim).collect();
    assert!(!flags.is_empty(), "{help}");
    assert!(flags.len() <= FLAGS, "{}: {flags:#?}", flags.len());
}

#[test]
fn at_rest_there_is_one_thread_and_little_memory() {
    let server = Server::start(&[]);
    let resident = server.proc_status("VmRSS");
    assert_eq!(server.client().get("/healthz").status, 200);
    assert_eq!(server.proc_status("Threads"), 1);
    println!("{resident} kB resident");
    if !support::is_release() {
        println!("not held to {RESIDENT_KB} kB: this is no release build");
    } else {
        assert!(resident <= RESIDENT_KB, "{resident} kB resident at start; at most {RESIDENT_KB}");
    }
}

#[test]
fn the_binary_is_small() {
    let bytes = std::fs::metadata(support::binary()).expect("it was built").len();
    println!("{bytes} bytes");
    if !support::is_release() {
        println!("not held to {BINARY_BYTES} bytes: this is no release build");
    } else {
        assert!(bytes <= BINARY_BYTES, "{bytes} bytes; at most {BINARY_BYTES}");
    }
}
