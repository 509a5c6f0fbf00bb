//! The guide that compares the presets for GPUs, in English and in Chinese: the words are in `words`, every value and all
//! that follows from values comes from the presets.

mod words;

use std::fmt::Write;

use config_schema::{
    ConfigErrors, Decision, Layers, Resolved, differences, presets, resolve, sections_toml,
    toml_value, value,
};
use serde_json::Value as Json;

use crate::{
    compare::{Comparison, compare},
    effects::{Language, effect},
};
use words::{EN, Words, ZH};

/// The presets that are compared, the one for more memory first.
const COMPARED: [&str; 2] = ["48gb", "24gb"];

/// The overlays of the second that are advised where it leaves memory unused, and where it runs out of it.
const ADVISED: [&str; 2] = ["24gb-headroom", "24gb-tight"];

/// Names that readers of the Chinese guide know from configurations in YAML.
const KNOWN_AS: [(&str, &str); 1] = [("aoa_layers", "AOA_layers")];

/// The guide as Markdown.
///
/// # Errors
///
/// If an embedded preset does not resolve, which a test of this crate rules out.
pub fn guide(language: Language) -> Result<String, ConfigErrors> {
    let resolved = |name: &'static str| {
        let resolved = resolve(&Layers::preset(name), &presets::lookup)?;
        Ok(Preset { name, resolved })
    };
    let [large, small] = COMPARED.map(resolved);
    let [headroom, tight] = ADVISED.map(resolved);
    let guide = Guide {
        language,
        words: match language {
            Language::En => &EN,
            Language::Zh => &ZH,
        },
        large: large?,
        small: small?,
        headroom: headroom?,
        tight: tight?,
    };
    Ok(guide.text())
}

struct Preset {
    name: &'static str,
    resolved: Resolved,
}

impl Preset {
    /// "24GB", as cards are called.
    fn card(&self) -> String {
        self.name.to_uppercase()
    }

    fn value(&self, path: &str) -> Json {
        value(&self.resolved.config, path).unwrap_or_default()
    }
}

struct Guide {
    language: Language,
    words: &'static Words,
    large: Preset,
    small: Preset,
    headroom: Preset,
    tight: Preset,
}

impl Guide {
    fn text(&self) -> String {
        let words = self.words;
        let family = &self.small.resolved.config.family;
        let facts = [
            ("large", self.large.card()),
            ("small", self.small.card()),
            ("large_preset", self.large.name.to_owned()),
            ("small_preset", self.small.name.to_owned()),
            ("headroom", self.headroom.name.to_owned()),
            ("tight", self.tight.name.to_owned()),
            ("family", family.name.clone()),
            ("effective_batch", family.effective_batch.to_string()),
            ("distance", family.max_distance.to_string()),
        ];
        let compared = [&self.large, &self.small];
        let parts = [
            words.opening.to_owned(),
            self.core(),
            words.batches.to_owned(),
            self.batches(),
            words.memory.to_owned(),
            self.blocks(compared, "memory_optimization"),
            words.training.to_owned(),
            self.table(compared, "training", words.training_effect),
            words.model.to_owned(),
            self.table(compared, "model", words.model_effect),
            words.data_loading.to_owned(),
            self.blocks(compared, "data_loading"),
            words.more_memory.to_owned(),
            self.overlay(&self.headroom),
            words.less_memory.to_owned(),
            self.overlay(&self.tight),
            words.closing.to_owned(),
        ];
        fill(
            &parts.map(|part| part.trim().to_owned()).join("\n\n"),
            &facts,
        ) + "\n"
    }

    /// The differences that matter most, in words.
    fn core(&self) -> String {
        let words = self.words;
        let [large, small] = [&self.large, &self.small].map(Preset::card);
        let mut text = header(&[
            words.item,
            &format!("{large} GPU"),
            &format!("{small} GPU"),
            words.note,
        ]);
        for row in &words.core {
            let [from, to] = [&self.large, &self.small].map(|preset| preset.value(row.key));
            let note = match (number(&from), number(&to)) {
                (from, to) if to < from => row.less,
                (from, to) if to > from => row.more,
                _ => words.same,
            };
            let change = (number(&to) / number(&from) - 1.0).abs() * 100.0;
            let note = fill(
                note,
                &[
                    ("percent", format!("{change:.0}")),
                    ("small", small.clone()),
                ],
            );
            let shown = |value: &Json| match value {
                Json::Bool(on) => words.switch[usize::from(*on)].to_owned(),
                value => fill(
                    row.unit,
                    &[
                        ("n", plain(value)),
                        ("percent", format!("{:.0}", number(value) * 100.0)),
                    ],
                ),
            };
            let _ = writeln!(
                text,
                "| **{}** | {} | {} | {note} |",
                row.name,
                shown(&from),
                shown(&to)
            );
        }
        text
    }

    /// What the members of the family make of its effective batch.
    fn batches(&self) -> String {
        let mut text = header(&self.words.batch_columns);
        for preset in [&self.large, &self.small, &self.headroom, &self.tight] {
            let config = &preset.resolved.config;
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} |",
                preset.name,
                config.training.batch_size,
                config.accumulation_steps(),
                config.effective_batch(),
            );
        }
        text
    }

    /// The keys of a section in which presets differ, a table.
    fn table(&self, presets: [&Preset; 2], section: &str, effect: &str) -> String {
        let [large, small] = presets.map(Preset::card);
        let mut text = header(&[self.words.parameter, &large, &small, effect]);
        for row in changed(presets, section) {
            let [from, to] = [0, 1].map(|column: usize| &row.columns[column].value);
            let name = self.name(&row.key);
            let effect = self.effect(&row.key, from, to);
            let _ = writeln!(
                text,
                "| `{name}` | {} | {} | {effect} |",
                plain(from),
                plain(to)
            );
        }
        text
    }

    /// The keys of a section in which presets differ, as each states them.
    fn blocks(&self, presets: [&Preset; 2], section: &str) -> String {
        let rows = changed(presets, section);
        let block = |index: usize| {
            let decision = |row: &Comparison| {
                let [this, other] = [index, 1 - index].map(|column| &row.columns[column].value);
                Decision::new(&row.key, this.clone(), self.effect(&row.key, other, this))
            };
            let toml = sections_toml(&rows.iter().map(decision).collect::<Vec<_>>());
            format!("**{} GPU**\n\n```toml{toml}```", presets[index].card())
        };
        [block(0), block(1)].join("\n\n")
    }

    /// What an overlay changes, as it would be written.
    fn overlay(&self, overlay: &Preset) -> String {
        let [below, above] = [&self.small, overlay].map(|preset| &preset.resolved.config);
        let mut decisions = differences(below, above, |_| String::new());
        decisions.retain(|decision| !decision.key.starts_with("preset."));
        for decision in &mut decisions {
            let (from, to) = (self.small.value(&decision.key), &decision.value);
            let words = self.words;
            let change = if number(to) > number(&from) {
                words.up
            } else {
                words.down
            };
            let change = fill(change, &[("from", plain(&from)), ("to", plain(to))]);
            let effect = self.effect(&decision.key, &from, to);
            decision.reason = format!("{change}{}{effect}", words.comma);
        }
        let toml = sections_toml(&decisions);
        format!("```toml\nextends = \"{}\"\n{toml}```", self.small.name)
    }

    fn effect(&self, key: &str, from: &Json, to: &Json) -> &'static str {
        effect(key, from, to, self.language).unwrap_or_default()
    }

    fn name<'a>(&self, key: &'a str) -> &'a str {
        let name = last(key);
        let known = KNOWN_AS.iter().find(|(ours, _)| *ours == name);
        match (self.language, known) {
            (Language::Zh, Some((_, known))) => known,
            _ => name,
        }
    }
}

/// The keys of a section in which two presets differ.
fn changed(presets: [&Preset; 2], section: &str) -> Vec<Comparison> {
    let columns = presets.map(|preset| (preset.name, &preset.resolved));
    let mut rows = compare(&columns);
    rows.retain(|row| !row.same && row.key.split('.').next() == Some(section));
    rows
}

fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or_default()
}

fn header(columns: &[&str]) -> String {
    let rule = vec!["---"; columns.len()].join("|");
    format!("| {} |\n|{rule}|\n", columns.join(" | "))
}

/// Small numbers with an exponent, as people write learning rates.
fn plain(value: &Json) -> String {
    match value.as_f64().filter(|_| value.is_f64()) {
        Some(number) if number != 0.0 && number.abs() < 1e-3 => format!("{number:e}"),
        _ => toml_value(value).unwrap_or_default(),
    }
}

/// A value on an axis, for comparison; off lies below on.
fn number(value: &Json) -> f64 {
    match value {
        Json::Bool(on) => f64::from(*on),
        value => value.as_f64().unwrap_or(f64::NAN),
    }
}

/// Puts facts in the place of `{name}`.
fn fill(template: &str, facts: &[(&str, String)]) -> String {
    let mut text = template.to_owned();
    for (name, fact) in facts {
        text = text.replace(&format!("{{{name}}}"), fact);
    }
    text
}
