//! The sheets and the tests are held together: what is promised is there, and what is there is told of.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names of the files in a folder with this ending, without it.
fn names(folder: &str, ending: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(Path::new(ROOT).join(folder)).expect("the folder is there");
    let names = entries.map(|entry| entry.expect("readable").file_name().into_string().unwrap());
    names.filter_map(|name| name.strip_suffix(ending).map(str::to_owned)).collect()
}

/// The exercises of README.md, each with its text: `### name: what it is`.
fn exercises() -> Vec<(String, String)> {
    let sheet = read("tests/exercises/README.md");
    let sections = sheet.split("\n### ").skip(1);
    let sections = sections.map(|section| section.split("\n## ").next().unwrap());
    let named = sections.map(|section| {
        let (name, _) = section.split_once(':').unwrap_or_else(|| panic!("no name: {section}"));
        (name.to_owned(), section.to_owned())
    });
    named.collect()
}

#[test]
fn every_exercise_has_its_tests_and_every_test_its_exercise() {
    let exercises = exercises();
    let root = read("tests/exercises.rs");
    let mut told: BTreeSet<String> = BTreeSet::new();
    for (name, text) in &exercises {
        assert!(told.insert(name.clone()), "{name} stands in README.md twice");
        if name == "find_the_bug" {
            continue; // its tests are those of the whole project
        }
        let command = format!("cargo test --test exercises -- --ignored {name}::");
        assert!(text.contains(&command), "README.md does not say how {name} is checked: {command}");
        let tests = read(&format!("tests/exercises/{name}.rs"));
        let compiled = format!("#[path = \"exercises/{name}.rs\"]\nmod {name};");
        assert!(root.contains(&compiled), "tests/exercises.rs does not compile {name}");
        let ignored = tests.matches(&format!("#[ignore = \"exercise: {name}\"]")).count();
        assert!(ignored > 0, "{name} has no test");
        assert_eq!(ignored, tests.matches("#[test]\n").count(), "{name}: each test is ignored");
        assert_eq!(ignored, tests.matches("#[ignore").count(), "{name}: and by its name");
    }
    told.remove("find_the_bug");
    let mut there = names("tests/exercises", ".rs");
    there.remove("sheet");
    assert_eq!(there, told, "the tests that are there, and the exercises of README.md");
    for name in names("tests/exercises/yours", ".rs") {
        assert!(told.contains(&name), "yours/{name}.rs belongs to no exercise");
    }
}

#[test]
fn every_path_in_the_sheets_is_there() {
    for sheet in ["README.md", "find_the_bug.md"] {
        let text = read(&format!("tests/exercises/{sheet}"));
        let words = text.split('`').skip(1).step_by(2).filter_map(|code| code.split(' ').next());
        let is_path = |word: &&str| {
            ["src/", "tests/", "fuzz/", "benches/"].iter().any(|folder| word.starts_with(folder))
        };
        for path in words.filter(is_path) {
            assert!(Path::new(ROOT).join(path).exists(), "{sheet}: there is no {path}");
        }
    }
}

/// Find the bug: each patch has a row with a hint, and what it gives away is checked against the patch.
#[test]
fn every_bug_has_its_row_and_every_row_its_bug() {
    let sheet = read("tests/exercises/find_the_bug.md");
    let mut told = BTreeSet::new();
    for row in sheet.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, _, part, target] = cells[..] else { panic!("four cells: {row}") };
        let name = name.trim_matches('`');
        assert!(told.insert(name.to_owned()), "{name} stands there twice");
        let patch = read(&format!("fuzz/bugs/{name}.patch"));
        let target = target.trim_matches('`');
        let targets = patch.lines().find_map(|line| line.strip_prefix("Target: "));
        let is_one = targets.is_some_and(|all| all.split(' ').any(|one| one == target));
        assert!(is_one, "{name}: {target} is none of {targets:?}");
        let part = part.trim_matches('`');
        let changed = format!("\n+++ b/{part}");
        assert!(patch.contains(&changed), "{name}: the patch does not touch {part}");
    }
    assert_eq!(told, names("fuzz/bugs", ".patch"), "the rows, and the patches");
}
