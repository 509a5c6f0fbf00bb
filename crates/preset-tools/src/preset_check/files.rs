//! From files to presets with names.

use std::{path::Path, sync::Arc};

use config_schema::{Source, excerpt, presets, suggest};

use super::{Fault, findings::Findings};

/// The file beside presets that is none: their schema, which their first line names for editors.
const SCHEMA: &str = "schema.json";

/// A file that was found where presets are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresetFile {
    /// Its path, as findings show it.
    pub path: String,
    /// Its bytes, or why it cannot be read.
    pub content: Result<Vec<u8>, String>,
}

/// A file that can be read, under the name by which `extends` and `--preset` call it.
#[derive(Debug, Clone)]
pub(super) struct NamedText {
    pub(super) name: String,
    pub(super) source: Arc<Source>,
}

/// The presets among the files. `own` says that the files are those that the program was built from.
pub(super) fn named(files: &[PresetFile], own: bool, findings: &mut Findings) -> Vec<NamedText> {
    let mut presets: Vec<NamedText> = Vec::new();
    for file in files {
        let path = Path::new(&file.path);
        if path.file_name().is_some_and(|name| name == SCHEMA) {
            continue;
        }
        let nothing = || (Arc::new(Source::new(&file.path, "")), None);
        let bytes = match &file.content {
            Ok(bytes) => bytes,
            Err(reason) => {
                let reason = reason.clone();
                let help = "a preset is a regular file of text that may be read";
                findings.add(nothing(), Fault::Unreadable { reason }, help);
                continue;
            }
        };
        if path.extension().is_none_or(|extension| extension != "toml") {
            let help = "every file in a folder of presets is one: move this one elsewhere, or rename it if it is TOML";
            findings.add(nothing(), Fault::NotToml, help);
            continue;
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let source = Arc::new(Source::new(&file.path, String::from_utf8_lossy(bytes)));
        if let Err(error) = std::str::from_utf8(bytes) {
            // What comes before is the same text after all.
            let at = error.valid_up_to();
            findings.add((source, Some(at..at)), Fault::NotUtf8, "save it as UTF-8");
            continue;
        }
        reachable(&name, &source, own, &presets, findings);
        if !presets.iter().any(|preset| preset.name == name) {
            presets.push(NamedText {
                name: name.into_owned(),
                source,
            });
        }
    }
    presets
}

/// Whether `--preset` with the name of a file leads to that file.
fn reachable(
    name: &str,
    source: &Arc<Source>,
    own: bool,
    before: &[NamedText],
    findings: &mut Findings,
) {
    let place = (Arc::clone(source), Some(0..0));
    let shown = excerpt(name);
    if let Some(other) = before.iter().find(|preset| preset.name == name) {
        let other = other.source.name.clone();
        let fault = Fault::NameTwice { name: shown, other };
        findings.add(place, fault, "give one of the files another name");
    } else if Path::new(name)
        .extension()
        .is_some_and(|ending| ending == "toml")
    {
        let help = "end the file's name in one \".toml\"";
        findings.add(place, Fault::NameIsPath { name: shown }, help);
    } else if own && !presets::embedded().iter().any(|preset| preset.name == name) {
        let help = "name it in `EMBEDDED` in crates/config-schema/src/presets.rs, or check a folder of your own with \
                    `--dir`";
        findings.add(place, Fault::NotEmbedded { name: shown }, help);
    }
}

/// The cure of an `extends` in the file `of` that names no preset: the nearest other name, and all there are.
pub(super) fn known_names(wanted: &str, of: &NamedText, presets: &[NamedText]) -> String {
    let here = presets.iter().map(|preset| preset.name.as_str());
    let here = here.filter(|name| *name != of.name);
    let program = presets::embedded().iter().map(|preset| preset.name);
    let program = program.filter(|name| here.clone().all(|other| other != *name));
    suggest::for_choice(wanted, here.clone().chain(program))
}
