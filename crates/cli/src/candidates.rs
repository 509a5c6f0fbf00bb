//! What a shell offers for the word that is being typed.

use std::ffi::OsStr;

use clap_complete::engine::{CompletionCandidate, PathCompleter, ValueCompleter};
use config_schema::{Key, Kind, keys, presets};
use data_import::{FeatureFormat, Format, Recipe};
use data_pipeline::metric::Metric;

/// Names of presets, and files.
pub fn preset(typed: &OsStr) -> Vec<CompletionCandidate> {
    let names = presets::embedded().iter().map(|preset| preset.name);
    let mut candidates = beginning_with(typed, names.map(str::to_owned));
    candidates.extend(PathCompleter::file().complete(typed));
    candidates
}

/// Names of data sets.
pub fn dataset(typed: &OsStr) -> Vec<CompletionCandidate> {
    let key = keys().find(|key| key.path == "dataset.name");
    beginning_with(typed, key.into_iter().flat_map(values))
}

/// Layouts of official files.
pub fn layout(typed: &OsStr) -> Vec<CompletionCandidate> {
    let names = Format::ALL.into_iter().map(Format::name);
    beginning_with(typed, names.map(str::to_owned))
}

/// Published mixes of data sets.
pub fn recipe(typed: &OsStr) -> Vec<CompletionCandidate> {
    let names = Recipe::ALL.into_iter().map(Recipe::name);
    beginning_with(typed, names.map(str::to_owned))
}

/// Layouts of files of region features.
pub fn feature_format(typed: &OsStr) -> Vec<CompletionCandidate> {
    let names = FeatureFormat::ALL.into_iter().map(FeatureFormat::name);
    beginning_with(typed, names.map(str::to_owned))
}

/// Metrics.
pub fn metric(typed: &OsStr) -> Vec<CompletionCandidate> {
    let names = Metric::ALL.into_iter().map(Metric::name);
    beginning_with(typed, names.map(str::to_owned))
}

/// Keys as `section.key=`, and after that the values that a key has by name.
pub fn assignment(typed: &OsStr) -> Vec<CompletionCandidate> {
    let Some(text) = typed.to_str() else {
        return Vec::new();
    };
    if let Some((path, _)) = text.split_once('=') {
        let key = keys().find(|key| key.path == path);
        let values = key.into_iter().flat_map(values);
        return beginning_with(typed, values.map(|value| format!("{path}={value}")));
    }
    let keys = keys().filter(|key| key.path.starts_with(text));
    let candidate = |key: &Key| {
        let help = key.summary().to_owned().into();
        CompletionCandidate::new(format!("{}=", key.path)).help(Some(help))
    };
    keys.map(candidate).collect()
}

/// The values that a key has by name.
fn values(key: &Key) -> Vec<String> {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    match &key.kind {
        Kind::Boolean => names(&["true", "false"]),
        Kind::Switch(words) => [names(&["true", "false"]), words.clone()].concat(),
        Kind::Choice(choices) => choices.clone(),
        Kind::Text { .. } if key.path == "hardware.device" => {
            names(&["auto", "cpu", "cuda", "cuda:0", "wgpu"])
        }
        _ => Vec::new(),
    }
}

fn beginning_with(
    typed: &OsStr,
    candidates: impl Iterator<Item = String>,
) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let fitting = candidates.filter(|candidate| candidate.starts_with(&*typed));
    fitting.map(CompletionCandidate::new).collect()
}
