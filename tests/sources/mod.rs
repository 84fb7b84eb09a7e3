//! The sources under `src/`, for the tests that read them.

#![allow(dead_code, reason = "each test file is a program of its own and uses its part of this")]

use std::fs;
use std::path::Path;

/// One file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Below `src/`, with `/` on every system.
    pub(crate) path: String,
    text: String,
}

/// Every Rust file under `src/` that is not a file of tests.
pub(crate) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("src is there") {
            let path = entry.expect("readable").path();
            let below =
                path.strip_prefix(&root).expect("below src").to_string_lossy().replace('\\', "/");
            if path.is_dir() {
                folders.push(path);
            } else if below.ends_with(".rs")
                && !below.split('/').any(|part| part.starts_with("tests"))
            {
                let text = fs::read_to_string(&path).expect("UTF-8");
                found.push(Source { path: below, text });
            }
        }
    }
    assert!(found.len() > 10, "only {} files found", found.len());
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

impl Source {
    /// The top-level module that the file belongs to.
    pub(crate) fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// How many `super::` lead from here to the root.
    pub(crate) fn depth(&self) -> usize {
        let parts = self.path.split('/').count();
        match self.path.as_str() {
            "lib.rs" | "main.rs" => 0,
            path if path.ends_with("/mod.rs") => parts - 1,
            _ => parts,
        }
    }

    /// The comment that the file begins with, line by line.
    pub(crate) fn head(&self) -> Vec<&str> {
        self.text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim_end).collect()
    }

    /// The lines before the tests, which stand at the bottom of a file.
    fn before_tests(&self) -> impl Iterator<Item = &str> {
        self.text.lines().take_while(|line| *line != "#[cfg(test)]")
    }

    pub(crate) fn lines_before_tests(&self) -> usize {
        self.before_tests().count()
    }

    /// The lines before the tests without their comments, each with its number.
    pub(crate) fn code(&self) -> Vec<(usize, String)> {
        let without_comment = |line: &str| {
            // The `//` of a URL is not a comment.
            let comment = line.match_indices("//").find(|(at, _)| !line[..*at].ends_with(':'));
            line[..comment.map_or(line.len(), |(at, _)| at)].to_owned()
        };
        self.before_tests().enumerate().map(|(at, line)| (at + 1, without_comment(line))).collect()
    }
}
