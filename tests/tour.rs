//! The tour, held to what it says: `cargo test --doc` runs its examples, and this reads its prose.
//!
//! What to notice:
//! * A chapter names functions and tests by name and file. Whoever renames one is told here where it is named.
//! * Each chapter has the same parts in the same order, so that a reader finds them without looking.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this reads the project's own sources, and panics to fail"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// One chapter: the name of its module, and its text without the marks of comments.
struct Chapter {
    name: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).into()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|why| panic!("{path}: {why}"))
}

fn without_marks(source: &str) -> String {
    let lines = source.lines().filter_map(|line| line.strip_prefix("//!"));
    lines.map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned() + "\n").collect()
}

/// All of them, in their order.
fn chapters() -> Vec<Chapter> {
    let files = fs::read_dir(root().join("src/tour")).expect("src/tour");
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name != "mod.rs").collect();
    names.sort();
    assert!(names.len() > 10, "{names:?}");
    let chapter = |file: &String| Chapter {
        name: file.strip_suffix(".rs").expect("a source").to_owned(),
        text: without_marks(&read(&format!("src/tour/{file}"))),
    };
    names.iter().map(chapter).collect()
}

/// What stands outside of blocks of code, in one line.
fn prose(text: &str) -> String {
    let outside = text.split("```").step_by(2).collect::<String>();
    outside.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What stands between backticks, and what stands behind it up to the next.
fn quoted(prose: &str) -> Vec<(&str, &str)> {
    let parts: Vec<_> = prose.split('`').skip(1).collect();
    parts.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}

/// Each `name` in `file`, as the chapters write it, also `two` and `names` in one `file`.
fn names_in_files(prose: &str) -> Vec<(&str, &str)> {
    let (mut found, mut waiting) = (Vec::new(), Vec::new());
    for (piece, behind) in quoted(prose) {
        if is_path(piece) {
            found.extend(waiting.drain(..).map(|name| (name, piece)));
        } else {
            waiting.push(piece);
        }
        // Anything else between the two is no "in".
        if !matches!(behind, " in " | " and " | ", ") {
            waiting.clear();
        }
    }
    found
}

fn is_path(piece: &str) -> bool {
    ["src/", "tests/", "fuzz/", "benches/"].iter().any(|folder| piece.starts_with(folder))
        && !piece.contains(' ')
}

fn defines(source: &str, name: &str) -> bool {
    let is_field = source.contains(&format!("\n    {name}: "));
    is_field
        || ["fn ", "struct ", "enum ", "const ", "function "].iter().any(|kind| {
            source.match_indices(&format!("{kind}{name}")).any(|(at, found)| {
                !source[at + found.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
            })
        })
}

#[test]
fn what_a_chapter_names_is_there() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for Chapter { name, text } in &chapters() {
        let prose = prose(text);
        for (path, _) in quoted(&prose).into_iter().filter(|(piece, _)| is_path(piece)) {
            if !root().join(path).exists() {
                wrong.push(format!("{name}: there is no {path}"));
            }
        }
        for (item, path) in names_in_files(&prose) {
            seen += 1;
            if !defines(&read(path), item) {
                wrong.push(format!("{name}: {path} has no {item}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 50, "only {seen} were found: does this still read what is written?");
}

#[test]
fn every_trap_has_a_test_that_is_there() {
    let chapters = chapters();
    let traps = chapters.iter().find(|one| one.name.contains("what_can_go_wrong")).expect("it");
    let (mut rows, mut wrong) = (0, Vec::new());
    for trap in traps.text.split("\n* ").skip(1) {
        let trap = trap.split("\n\n").next().unwrap_or_default();
        let trap = prose(trap);
        let guards = names_in_files(&trap);
        rows += 1;
        if guards.is_empty() {
            wrong.push(format!("no test is named: {trap}"));
        }
        for (test, path) in guards {
            let source = read(path);
            let before = source.split_once(&format!("fn {test}(")).map(|(before, _)| before);
            // Another attribute may stand between.
            let attributes = before.map(|before| before.lines().rev().take(3).collect::<String>());
            if !attributes.is_some_and(|attributes| attributes.contains("#[test]")) {
                wrong.push(format!("{path} has no test {test}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(rows > 20, "{rows}");
}

#[test]
fn every_chapter_has_its_parts_in_their_order_and_fits_a_page() {
    let chapters = chapters();
    for (number, Chapter { name, text }) in chapters.iter().enumerate() {
        assert!(name.starts_with(&format!("_{number:02}_")), "{name} is chapter {number}");
        let first = text.split("\n\n").next().unwrap_or_default().trim_end();
        assert!(first.starts_with(&format!("Chapter {number}: ")), "{name}: {first}");
        assert!(first.ends_with('?'), "{name} begins with its question: {first}");
        let lines = text.lines().count();
        // The one that lists traps is longer.
        let most = if name.contains("what_can_go_wrong") { 120 } else { 75 };
        assert!((40..=most).contains(&lines), "{name} has {lines} lines");
        let mut links = vec!["**Predict**".to_owned(), "```\nuse ".to_owned()];
        links.push("\n**Where to look**: ".to_owned());
        links.push("\nBack: ".to_owned());
        links.extend(number.checked_sub(1).map(|back| format!("(super::{})", chapters[back].name)));
        links.extend(chapters.get(number + 1).map(|next| format!("(super::{})", next.name)));
        let mut rest = text.as_str();
        for link in links {
            // The first line of an example may be hidden.
            let link =
                if link.starts_with("```") && !rest.contains(&link) { "```\n# " } else { &link };
            let (_, behind) =
                rest.split_once(link).unwrap_or_else(|| panic!("{name}: no {link:?}"));
            rest = behind;
        }
    }
}

#[test]
fn the_table_of_chapters_has_them_all() {
    let contents = without_marks(&read("src/tour/mod.rs"));
    let rows = contents.lines().filter(|line| line.starts_with('|') && line.contains("](_"));
    let listed: Vec<_> = rows.map(|row| row.split(['(', ')']).nth(1).unwrap_or_default()).collect();
    let chapters = chapters();
    let names: Vec<_> = chapters.iter().map(|chapter| chapter.name.as_str()).collect();
    assert_eq!(listed, names);
}
