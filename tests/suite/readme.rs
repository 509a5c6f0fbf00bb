//! The pages for users: README and `docs/`, in English and Chinese.

use std::fs;
use std::path::{Path, PathBuf};

/// Pages of `docs/` that commands write. Those that have two languages are kept alike by what writes them.
const GENERATED: [&str; 5] = [
    "guide.md",
    "guide.zh-CN.md",
    "memory-plan.md",
    "options.md",
    "preset-rules.md",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(page: &Path) -> String {
    fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

fn name(page: &Path) -> &str {
    let name = page.file_name().and_then(|name| name.to_str());
    name.expect("a name")
}

/// All pages, in either language.
fn pages() -> Vec<PathBuf> {
    let mut pages = ["README.md", "README.zh-CN.md"]
        .map(|name| root().join(name))
        .to_vec();
    for entry in fs::read_dir(root().join("docs")).expect("docs/") {
        pages.push(entry.expect("an entry").path());
    }
    pages.retain(|page| page.extension().is_some_and(|end| end == "md"));
    pages
}

/// What a reader may copy, which no language changes: lines of code without their comments, and of each row of a table
/// what is marked as code in its first cell.
fn code(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut code = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
            code.push(line.to_owned());
        } else if fenced {
            code.push(
                line.split(" # ")
                    .next()
                    .unwrap_or_default()
                    .trim_end()
                    .to_owned(),
            );
        } else if let Some(row) = line.strip_prefix('|') {
            let first = row.split('|').next().unwrap_or_default();
            let marked = first.split('`').skip(1).step_by(2);
            code.push(marked.collect::<Vec<_>>().join(" "));
        }
    }
    code
}

/// Where the links of a page lead, as `[text](target)` has it.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let behind = text.split("](").skip(1);
    behind.filter_map(|rest| rest.split(')').next())
}

#[test]
fn both_languages_show_the_same_commands_and_files() {
    let mut shown = 0;
    for page in pages() {
        let english = name(&page);
        if english.ends_with(".zh-CN.md") || GENERATED.contains(&english) {
            continue;
        }
        let chinese = english.replace(".md", ".zh-CN.md");
        let [text, translation] = [read(&page), read(&page.with_file_name(&chinese))];
        let [commands, translated] = [&text, &translation].map(|text| code(text));
        let missing: Vec<_> = commands
            .iter()
            .filter(|line| !translated.contains(line))
            .collect();
        assert!(missing.is_empty(), "{chinese} lacks {missing:#?}");
        assert_eq!(translated, commands, "{chinese}");
        for (text, other) in [(&text, &*chinese), (&translation, english)] {
            let mut links = links(text);
            assert!(links.any(|link| link == other), "no link to {other}");
        }
        shown += commands.len();
    }
    assert!(shown > 200, "the pages were read: {shown}");
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let lower = heading.trim().to_lowercase().replace(' ', "-");
    lower
        .chars()
        .filter(|char| char.is_alphanumeric() || matches!(char, '-' | '_'))
        .collect()
}

/// The anchors of a page, without lines of code, where a comment looks like a heading.
fn anchors(text: &str) -> Vec<String> {
    let prose = text.split("```").step_by(2);
    let headings = prose
        .flat_map(str::lines)
        .filter(|line| line.starts_with('#'));
    headings
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect()
}

#[test]
fn every_link_within_the_repository_leads_to_a_file_and_a_heading() {
    let mut pages = pages();
    pages.extend(
        [
            "ARCHITECTURE.md",
            "CONTRIBUTING.md",
            "SECURITY.md",
            "CHANGELOG.md",
        ]
        .map(|name| root().join(name)),
    );
    let (mut files, mut headings) = (0, 0);
    for page in pages {
        let text = read(&page);
        for link in links(&text).filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                file => page.with_file_name(file),
            };
            assert!(target.exists(), "{}: {link}", page.display());
            files += 1;
            if !heading.is_empty() {
                let known = anchors(&read(&target));
                assert!(
                    known.iter().any(|known| known == heading),
                    "{}: {link}, not one of {known:?}",
                    page.display()
                );
                headings += 1;
            }
        }
    }
    assert!(files > 40 && headings > 10, "{files} {headings}");
}

/// The table of places in ARCHITECTURE.md names files of `crates/`.
#[test]
fn places_to_change_exist() {
    let text = read(&root().join("ARCHITECTURE.md"));
    let section = text
        .split("\n## ")
        .find(|section| section.starts_with("Where to change what"));
    let mut named = 0;
    for place in section.expect("the table").split('`').skip(1).step_by(2) {
        let Some(krate) = place.split_once('/').map(|(first, _)| first) else {
            continue;
        };
        let crates = root().join("crates");
        if crates.join(krate).is_dir() {
            assert!(crates.join(place).exists(), "{place}");
            named += 1;
        }
    }
    assert!(named > 10, "{named}");
}

#[test]
fn the_readme_is_short() {
    for name in ["README.md", "README.zh-CN.md"] {
        let lines = read(&root().join(name)).lines().count();
        assert!(lines <= 100, "{name} has {lines} lines");
    }
}

/// The table of plans is a part of the one that `cargo xtask bench memory-plan` writes.
#[test]
fn planned_peaks_are_those_of_the_memory_plan() {
    let whole = read(&root().join("docs/memory-plan.md"));
    for name in ["README.md", "README.zh-CN.md"] {
        let text = read(&root().join(name));
        let rows = text.lines().filter(|line| line.ends_with(" % |"));
        let figures: Vec<_> = rows.filter_map(|row| row.splitn(4, '|').nth(3)).collect();
        assert!(!figures.is_empty(), "{name} has the table");
        for row in figures {
            assert!(whole.contains(row), "{name}: {row}");
        }
    }
}
