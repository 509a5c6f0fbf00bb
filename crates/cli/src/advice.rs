//! Advice after a run, as an overlay for the next one.

use std::fs;
use std::io;
use std::path::Path;

use config_schema::{
    Config, Decision, Layers, Resolved, differences, overlay_toml, presets, resolve,
};
use file_kind::quoted;
use trainer::advice::Advice;
use trainer::{ADVICE, TrainError, write_whole};

use crate::failure::Failure;
use crate::output;

/// A run writes to a folder of its own, so the next one does not take this over.
const NOT_TAKEN_OVER: &str = "logging.run_dir";

/// Says what to set otherwise next time, and writes it to the run directory, with all else that the run set on top of its
/// preset. Where there is nothing to say, an overlay of an earlier part of the run goes.
pub fn give(resolved: &Resolved, run_dir: &Path, advice: &Advice) -> Result<(), Failure> {
    if advice.measured.is_empty() {
        // What an earlier part of the run was advised stays.
        return Ok(());
    }
    let path = run_dir.join(ADVICE);
    let findings = advice.findings.join("; ");
    let done = if advice.changes.is_empty() {
        remove(&path)
    } else {
        write_whole(&path, overlay(resolved, advice).as_bytes())
    };
    if let Err(source) = done {
        return Err(TrainError::Write { path, source }.into());
    }
    if !advice.changes.is_empty() {
        let changes: Vec<_> = advice.changes.iter().map(shown).collect();
        output::note(format!(
            "advice for the next run: {}: {findings}\n  use it with `aoa train --config {}`",
            changes.join(", "),
            quoted(&path)
        ));
    }
    Ok(())
}

fn shown(change: &Decision) -> String {
    format!("{}={}", change.key, change.value)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The configuration of the run with the advice, on top of a preset of the program.
fn overlay(resolved: &Resolved, advice: &Advice) -> String {
    let (extends, base) = base_of(resolved);
    let kept = differences(&base, &resolved.config, |_| "as in this run".to_owned());
    let advised = |key: &str| advice.changes.iter().any(|change| change.key == key);
    let kept = kept
        .into_iter()
        .filter(|one| !advised(&one.key) && one.key != NOT_TAKEN_OVER);
    let decisions: Vec<_> = kept.chain(advice.changes.iter().cloned()).collect();
    let mut header =
        vec!["The settings of this run, with advice from what it measured.".to_owned()];
    header.extend(advice.findings.iter().map(|finding| capitalised(finding)));
    overlay_toml(&header.join("\n"), extends, &decisions)
}

/// The preset of the program that an overlay extends: the run's own or, where that is a file, which may change and which a
/// relative path does not name from everywhere, the one with the fewest other values.
fn base_of(resolved: &Resolved) -> (&'static str, Config) {
    let config = &resolved.config;
    let presets = presets::embedded().iter().filter_map(|preset| {
        let layers = Layers::preset(preset.name);
        let base = resolve(&layers, &presets::lookup).ok()?.config;
        Some((preset.name, base))
    });
    let other_values = |(name, base): &(&str, Config)| {
        let count = |from, to| differences(from, to, |_| String::new()).len();
        // A value that only one of the two states is seen from one side only.
        let others = count(base, config) + count(config, base);
        (*name != resolved.preset, others)
    };
    presets.min_by_key(other_values).unwrap_or_default()
}

/// A finding as a sentence of its own.
fn capitalised(finding: &str) -> String {
    let mut letters = finding.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).chain(['.']).collect()
}
