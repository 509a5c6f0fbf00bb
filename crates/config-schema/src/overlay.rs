//! Overlays as TOML text.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{
    accumulation::ACCUMULATION,
    config::Config,
    render::{comment, one_line, toml_value},
    schema,
};

/// Lines longer than this do not move the comments behind the other lines of their section.
const WIDEST: usize = 40;

/// A value for a key, and why it is that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// `section.key`
    pub key: String,
    /// The value, of the type that the key takes.
    pub value: Json,
    /// Why, in a few words; empty where the value speaks for itself.
    pub reason: String,
}

impl Decision {
    /// A decision from its parts.
    pub fn new(key: &str, value: impl Into<Json>, reason: impl Into<String>) -> Self {
        Self {
            key: key.to_owned(),
            value: value.into(),
            reason: reason.into(),
        }
    }
}

/// The value of a key, `None` for a key that does not exist.
pub fn value(config: &Config, path: &str) -> Option<Json> {
    let (section, name) = path.split_once('.')?;
    let values = serde_json::to_value(config).ok()?;
    values.get(section)?.get(name).cloned()
}

/// What is to be said on top of `base` so that it becomes `config`, with the reason that `reason` gives for a key.
///
/// A key that may be left out and is not stated in `config` cannot be said to be so, and is left out. Of the two spellings of
/// accumulation one is enough.
pub fn differences(
    base: &Config,
    config: &Config,
    reason: impl Fn(&str) -> String,
) -> Vec<Decision> {
    let differs = schema::keys().filter_map(|key| {
        let value = value(config, &key.path)?;
        let same = self::value(base, &key.path).as_ref() == Some(&value);
        let stated = !value.is_null() && key.path != ACCUMULATION[1];
        (!same && stated).then(|| Decision::new(&key.path, value, reason(&key.path)))
    });
    differs.collect()
}

/// A preset or file that extends the preset `extends`: `header` as a comment, a paragraph a line of it, then every decision
/// on a line of its own with its reason behind it. The sections are in the order of the configuration.
///
/// The text is well-formed whatever is in the strings. A decision whose value is `null` or a map, which no key takes, is left
/// out.
pub fn overlay_toml(header: &str, extends: &str, decisions: &[Decision]) -> String {
    let mut text = comments(header);
    let extends = toml_value(&Json::from(extends)).unwrap_or_default();
    text.extend(["extends = ", &extends, "\n"]);
    text + &sections_toml(decisions)
}

/// As [`overlay_toml`], for a preset that extends none.
pub fn preset_toml(header: &str, decisions: &[Decision]) -> String {
    comments(header) + &sections_toml(decisions)
}

fn comments(header: &str) -> String {
    let mut text = String::new();
    for line in header.lines() {
        comment(&mut text, &one_line(line));
    }
    text
}

/// The sections of [`overlay_toml`] alone, an empty line in front of each.
pub fn sections_toml(decisions: &[Decision]) -> String {
    let mut text = String::new();
    for section in schema::sections() {
        let own = decisions.iter().filter_map(|decision| {
            let (of, name) = decision.key.split_once('.')?;
            let line = format!("{name} = {}", toml_value(&decision.value)?);
            (of == section.name).then_some((line, decision.reason.as_str()))
        });
        let own: Vec<_> = own.collect();
        if own.is_empty() {
            continue;
        }
        text.extend(["\n[", &section.name, "]\n"]);
        let widths = own.iter().map(|(line, _)| line.chars().count());
        let width = widths.filter(|width| *width <= WIDEST).max().unwrap_or(0);
        for (line, reason) in own {
            if reason.is_empty() {
                text.extend([&line, "\n"]);
            } else {
                let line = format!("{line:<width$}");
                text.extend([&line, "  # ", &one_line(reason), "\n"]);
            }
        }
    }
    text
}
