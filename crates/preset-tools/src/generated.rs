//! The files of the repository that are made from the structs, the presets and the rules of presets.

use std::fmt::Write;

use config_schema::{ConfigErrors, schema_text, sections, toml_value};

use crate::{effects::Language, guide::guide, preset_check::rules_page};

/// The command that writes the files.
pub const GENERATE: &str = "cargo xtask docs";

/// A file of the repository that is made from the code and the presets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedFile {
    /// Its path in the repository.
    pub path: &'static str,
    /// What must stand in it.
    pub text: String,
}

/// All files of the repository that are made from the code and the presets.
///
/// # Errors
///
/// If an embedded preset does not resolve, which a test of this crate rules out.
pub fn generated_files() -> Result<Vec<GeneratedFile>, ConfigErrors> {
    let file = |path, text| GeneratedFile { path, text };
    Ok(vec![
        file("configs/schema.json", schema_text()),
        file("docs/options.md", options_page()),
        file("docs/preset-rules.md", rules_page()),
        file("docs/guide.md", guide(Language::En)?),
        file("docs/guide.zh-CN.md", guide(Language::Zh)?),
    ])
}

/// The reference of all keys, as Markdown.
fn options_page() -> String {
    let mut text = format!(
        "# Options\n\nEvery key of a configuration, written by `{GENERATE}` from the structs that read it. A file states \
         `extends = \"NAME\"` to start from a preset and then only differences. `configs/schema.json` says the same to \
         editors: the line `#:schema ./schema.json` in a preset gives completion and checks as you type.\n"
    );
    for section in sections() {
        let _ = write!(
            text,
            "\n## `[{}]`\n\n{}\n\n| key | takes | default | |\n|---|---|---|---|\n",
            section.name, section.doc
        );
        for key in &section.keys {
            let default = toml_value(&key.default);
            let default =
                default.map_or_else(|| "not stated".to_owned(), |value| format!("`{value}`"));
            let row = format!(
                "| `{}` | {} | {default} | {} |",
                key.name, key.kind, key.doc
            );
            let _ = writeln!(text, "{row}");
        }
    }
    text
}
