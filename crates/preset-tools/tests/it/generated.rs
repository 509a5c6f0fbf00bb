use std::{fs, path::Path};

use config_schema::presets;
use preset_tools::{GENERATE, generated_files};

#[test]
fn generated_files_are_up_to_date() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let files = generated_files().unwrap();
    assert!(files.len() >= 5);
    let stale: Vec<&str> = files
        .iter()
        .filter(|file| {
            let found = fs::read_to_string(repository.join(file.path));
            found.ok().as_ref() != Some(&file.text)
        })
        .map(|file| file.path)
        .collect();
    assert!(
        stale.is_empty(),
        "{} changed in the code or the presets; run `{GENERATE}`",
        stale.join(", ")
    );
}

#[test]
fn every_preset_names_its_schema() {
    for preset in presets::embedded() {
        let first = preset.text.lines().next();
        assert_eq!(first, Some("#:schema ./schema.json"), "{}", preset.name);
    }
}

#[test]
fn the_page_of_options_has_every_key() {
    let files = generated_files().unwrap();
    let page = files.iter().find(|file| file.path == "docs/options.md");
    let page = &page.unwrap().text;
    for key in config_schema::keys() {
        let row = format!("| `{}` | {} | ", key.name, key.kind);
        assert!(page.contains(&row), "{row}");
        assert!(page.contains(&key.doc), "{}", key.path);
    }
    for line in page.lines().filter(|line| line.starts_with('|')) {
        assert_eq!(line.matches('|').count(), 5, "a row of four cells: {line}");
    }
}
