//! Files that read in one go: a long one says in its head why it is one file.

use std::fs;
use std::path::{Path, PathBuf};

/// A file of more lines is split by subject, or says why it is not.
const MOST_LINES: usize = 400;

/// How the reason begins, in the comment at the head of the file.
const REASON: &str = "//! One file because ";

/// Shorter reasons say nothing.
const SHORTEST_REASON: usize = 20;

/// Folders of the workspace with sources and tests. What a generator writes lies in none of them.
const ROOTS: [&str; 3] = ["crates", "xtask", "tests"];

/// Lines of a file that is too long and does not say why.
fn unexplained(text: &str) -> Option<usize> {
    let lines = text.lines().count();
    let mut head = text.lines().take_while(|line| line.starts_with("//!"));
    let reason = head.find_map(|line| line.strip_prefix(REASON));
    let explained = reason.is_some_and(|reason| reason.trim().len() >= SHORTEST_REASON);
    (lines > MOST_LINES && !explained).then_some(lines)
}

/// All Rust files in a folder and in those within it, but for what cargo builds.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn long_files_say_why_they_are_one() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for root in ROOTS {
        sources(&workspace.join(root), &mut files);
    }
    assert!(files.len() > 500, "the sources are found: {}", files.len());
    let long = files.iter().filter_map(|file| {
        let lines = unexplained(&fs::read_to_string(file).expect("a source file"))?;
        let path = file.strip_prefix(&workspace).expect("below the workspace");
        Some(format!("{} has {lines} lines", path.display()))
    });
    let mut long: Vec<_> = long.collect();
    long.sort();
    assert!(
        long.is_empty(),
        "{}\nsplit a file of more than {MOST_LINES} lines by subject, or give the reason in its head: `{REASON}..`",
        long.join("\n")
    );
}

#[test]
fn a_long_file_without_a_reason_is_found() {
    let lines = |count: usize| "let x = 1;\n".repeat(count);
    let reason = format!("{REASON}it is read beside the published code.\n");
    for (text, expected) in [
        (lines(MOST_LINES), None),
        (lines(MOST_LINES + 1), Some(MOST_LINES + 1)),
        (format!("//! A model.\n{reason}{}", lines(MOST_LINES)), None),
        // A reason that stands further down, or that says nothing, is none.
        (
            format!("//! A model.\n\n{reason}{}", lines(MOST_LINES)),
            Some(MOST_LINES + 3),
        ),
        (
            format!("{REASON}yes\n{}", lines(MOST_LINES)),
            Some(MOST_LINES + 1),
        ),
    ] {
        assert_eq!(unexplained(&text), expected);
    }
}
