//! The Chinese README has what the English one has.

use std::fs;
use std::path::Path;

fn readme(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    fs::read_to_string(path).expect("a README")
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

#[test]
fn both_languages_show_the_same_commands_and_files() {
    let [english, chinese] = ["README.md", "README.zh-CN.md"].map(readme);
    let [commands, translated] = [&english, &chinese].map(|text| code(text));
    assert!(commands.len() > 40, "the README was read: {commands:?}");
    let missing: Vec<_> = commands
        .iter()
        .filter(|line| !translated.contains(line))
        .collect();
    assert!(missing.is_empty(), "README.zh-CN.md lacks {missing:#?}");
    assert_eq!(translated, commands);
    for (text, other) in [(english, "(README.zh-CN.md)"), (chinese, "(README.md)")] {
        assert!(text.contains(other), "no link to {other}");
    }
}
