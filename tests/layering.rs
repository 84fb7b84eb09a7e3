//! The layers, held by reading the sources: which module may name which, and what only `net` may do.
//!
//! What to notice:
//! * The compiler cannot refuse an arrow that points up; this table can, and it is the shortest true
//!   description of the architecture.
//! * It works on the text, so it sees a path in a function's body as well as one in a `use`.
//! * Tests inside the sources are exempt: they may stand above what they test.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "this reads the project's own sources, and panics to fail"
)]

mod sources;

use std::collections::BTreeSet;

use sources::{Source, sources};

/// What anybody may use: plain values that know nothing of any layer.
const VALUES: [&str; 5] = ["channel", "limits", "now", "quiet", "secret"];

/// From the top down: a module, and the modules it may name. A module that is missing here is not
/// part of the picture yet: add it, at the lowest place that will do.
const ARROWS: [(&str, &[&str]); 24] = [
    ("main", &["explain", "net", "options", "publish"]),
    // The only folder with sockets and a clock drives all the machines, and none of them knows it.
    (
        "net",
        &[
            "broadcast",
            "conn",
            "http",
            "hub",
            "metrics",
            "options",
            "origin",
            "page",
            "redis",
            "site",
            "timers",
            "trace",
            "upgrade",
            "websocket",
        ],
    ),
    // The other program in this binary: `barewire publish`, a client of our own protocols.
    ("publish", &["http", "net", "options", "redis"]),
    // One client. It never knows another, nor who is subscribed to what.
    ("conn", &["http", "metrics", "site", "trace", "upgrade", "websocket"]),
    ("site", &["http", "metrics", "origin", "upgrade", "websocket"]),
    ("page", &["http", "site"]),
    ("quiet", &[]),
    // The bridge: the only one that knows both protocols.
    ("upgrade", &["http", "websocket"]),
    // Encoded bytes, once for everybody; it writes frames, and knows clients by the hub's ids.
    ("broadcast", &["hub", "websocket"]),
    // Names and ids; never bytes or sockets.
    ("hub", &[]),
    ("origin", &["http"]),
    ("options", &["http", "origin", "redis"]),
    // The third: `barewire explain`, which reads with the parsers and keeps nothing.
    ("explain", &["http", "trace", "upgrade", "websocket"]),
    ("trace", &["http", "upgrade", "websocket"]),
    // Neither of these three knows either of the others, nor any client.
    ("http", &[]),
    ("websocket", &[]),
    ("redis", &[]),
    ("metrics", &[]),
    ("timers", &[]),
    ("channel", &[]),
    ("limits", &["http"]),
    ("now", &[]),
    ("secret", &[]),
    // Documentation alone: its links and examples name everybody, its code nobody.
    ("tour", &[]),
];

#[test]
fn no_arrow_points_up() {
    let mut wrong = BTreeSet::new();
    for source in sources() {
        let module = source.module();
        if module == "lib" {
            continue; // the map itself
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == module) else {
            wrong.insert(format!("{module} has no row in the table of tests/layering.rs"));
            continue;
        };
        for named in modules_named(&source) {
            if named != module && !allowed.contains(&&*named) && !VALUES.contains(&&*named) {
                wrong.insert(format!("{}: {module} must not know {named}", source.path));
            }
        }
    }
    let wrong: Vec<_> = wrong.into_iter().collect();
    assert!(
        wrong.is_empty(),
        "an arrow points where none may. A layer that knows what stands above it can no longer be \
         tested, fuzzed or read alone:\n  {}",
        wrong.join("\n  ")
    );
}

#[test]
fn the_table_has_no_circle() {
    // Removing, again and again, what names nothing that is left must remove everything.
    let mut left: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    while let Some(bottom) = ARROWS.iter().find(|(name, allowed)| {
        left.contains(name) && !allowed.iter().any(|one| left.contains(one))
    }) {
        left.remove(bottom.0);
    }
    assert!(left.is_empty(), "these lead in circles: {left:?}");
}

/// A text that may stand only in some places: the text, the files or folders, and why.
const BANS: [(&str, &[&str], &str); 16] = [
    ("std::io", &["net", "main.rs", "redis/replies.rs"], IO),
    ("io::", &["net", "main.rs", "redis/replies.rs"], IO),
    ("std::net", &["net", "main.rs", "options", "options.rs"], IO),
    ("std::os", &["net", "options"], IO),
    ("mio::", &["net"], IO),
    ("socket2::", &["net"], IO),
    ("rustix::", &["net", "main.rs"], IO),
    ("std::fs", &["net/measure.rs"], "no file is read: what is needed is embedded, but for /proc"),
    ("Instant", &["net"], "time comes in as Now, so that virtual time can drive every machine"),
    ("SystemTime", &["net", "main.rs"], "time comes in as Now; only a log line has its own"),
    (
        "std::thread",
        &["net/resolve.rs", "net/publish.rs"],
        "one thread; only a name borrows another",
    ),
    ("std::sync", &["net/resolve.rs"], "one thread has nothing to lock"),
    (
        "std::env",
        &["main.rs", "options", "options.rs"],
        "only options reads what it was started with",
    ),
    ("println!", &["main.rs"], "only main prints"),
    ("eprintln!", &["main.rs"], "only main prints; the others log"),
    ("unsafe", &[], "no line of this project needs it"),
];

const IO: &str = "bytes and Now come in, events and bytes go out: only net touches the system";

#[test]
fn sockets_clocks_and_the_system_stay_in_net() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (text, places, why) in BANS {
            let allowed = places.iter().any(|place| {
                source.path == *place || source.path.starts_with(&format!("{place}/"))
            });
            if allowed {
                continue;
            }
            for (number, line) in source.code() {
                if has_word(&line, text) {
                    wrong.push(format!("{}:{number}: {text}: {why}", source.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "what only some places may hold:\n  {}", wrong.join("\n  "));
}

#[test]
fn a_file_is_one_idea() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|source| (source.lines_before_tests(), source.path))
        .filter(|(lines, _)| *lines > 400)
        .collect();
    assert!(long.is_empty(), "over 400 lines before their tests, so more than one idea: {long:?}");
}

/// What a file is for, and the three things that a reader would not see by himself. A fourth is one
/// that nobody remembers.
#[test]
fn every_file_says_what_it_is_and_three_things_to_notice() {
    let mut wrong = Vec::new();
    for source in sources() {
        // The map, and the chapters of the tour, are such a head and nothing else.
        if source.path == "lib.rs" || source.path.starts_with("tour") {
            continue;
        }
        let head = source.head();
        if head.first().is_none_or(|line| line.trim().is_empty()) {
            wrong.push(format!("{} does not begin with what it is", source.path));
        }
        let notice = head.iter().skip_while(|line| **line != " What to notice:").skip(1);
        let notice = notice.take_while(|line| line.starts_with(" * ") || line.starts_with("   "));
        let bullets = notice.filter(|line| line.starts_with(" * ")).count();
        if bullets != 3 {
            wrong.push(format!("{} has {bullets} things to notice, not 3", source.path));
        }
    }
    assert!(wrong.is_empty(), "what a reader needs first:\n  {}", wrong.join("\n  "));
}

/// The top-level modules that a source names: behind `crate::`, behind enough `super::`, and in
/// `main`, which is a crate of its own, behind `barewire::`.
fn modules_named(source: &Source) -> BTreeSet<String> {
    let code: String = source.code().into_iter().map(|(_, line)| line + "\n").collect();
    let up = "super::".repeat(source.depth());
    let mut roots = vec!["crate::", &up];
    if source.path == "main.rs" {
        roots.push("barewire::");
    }
    let mut named = BTreeSet::new();
    for root in roots.into_iter().filter(|root| !root.is_empty()) {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back().unwrap_or(' ');
            if !before.is_alphanumeric() && !['_', ':', '$'].contains(&before) {
                named.extend(first_names(&code[at + root.len()..]));
            }
        }
    }
    named
}

/// The first name of a path, or of each path in braces: `a::b` is a, `{a::b, c}` are a and c.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(group) = path.strip_prefix('{') else {
        return vec![name(path)];
    };
    let mut names = vec![name(group)];
    let mut depth = 1;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(name(&group[at + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Whether a text stands in a line and no longer word ends in it or goes on behind it.
fn has_word(line: &str, text: &str) -> bool {
    line.match_indices(text).any(|(at, _)| {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        let open_before = !line[..at].chars().next_back().is_some_and(part);
        let behind = line[at + text.len()..].chars().next();
        let open_behind = text.ends_with([':', '!']) || !behind.is_some_and(part);
        open_before && open_behind
    })
}

#[test]
fn the_readers_of_this_file_read_what_they_should() {
    assert_eq!(first_names("hub::Hub;"), ["hub"]);
    assert_eq!(first_names("{hub::{A, B}, now::Now};"), ["hub", "now"]);
    assert_eq!(first_names("{\n    hub::A,\n};"), ["hub"]);
    assert!(has_word("use std::io;", "std::io"));
    assert!(has_word("    io::Error", "io::"));
    assert!(!has_word("mio::Poll", "io::"));
    assert!(!has_word("unsafe_code", "unsafe"));
}
