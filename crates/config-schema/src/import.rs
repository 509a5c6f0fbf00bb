//! Presets out of the YAML that other programs of this kind are configured with.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use serde_json::Value as Json;
use toml::de::DeValue;

use crate::{
    check,
    error::{ConfigErrors, Found, MAX_ERRORS, Problem, Report, excerpt},
    layer::Statement,
    overlay::{Decision, sections_toml},
    render, resolve,
    schema::{self, Key, Kind, Section},
    source::{Origin, Source},
    suggest,
    yaml::{self, Entry, Node, Value},
};

/// What became of a YAML file.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// What became of each key, in the order of the file.
    pub keys: Vec<ImportedKey>,
    /// The preset as TOML with a comment for each key; or all that is wrong with the file.
    pub preset: Result<String, ConfigErrors>,
}

/// A key of the YAML file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportedKey {
    /// As written, with its section if it has one.
    pub name: String,
    /// Its line, counted from 1.
    pub line: usize,
    /// What became of it.
    #[serde(flatten)]
    pub became: Became,
}

/// What became of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "became", rename_all = "lowercase")]
pub enum Became {
    /// It is in the preset under the same name.
    Taken,
    /// It is in the preset under another name.
    Renamed {
        /// `section.key`.
        to: String,
    },
    /// It has no value, so that it stays as in lower layers.
    Unset,
    /// There is no such key; it was left out.
    Unknown {
        /// What may have been meant.
        help: Option<String>,
    },
    /// The key does not take its value, which is an error.
    Refused,
}

/// Sections whose keys may stand at the top level, the first that has the name.
const UNSECTIONED: [&str; 4] = ["training", "model", "memory_optimization", "data_loading"];

/// A preset has one.
const DESCRIPTION: &str = "preset.description";

/// Turns YAML into a preset: sections named as here, and keys of training and model also at the top level.
pub fn import_yaml(source: Source) -> Import {
    let source = Arc::new(source);
    let mut importer = Importer {
        source: &source,
        report: Report::default(),
        found: Vec::new(),
        statements: BTreeMap::new(),
        keys: Vec::new(),
        unknown: 0,
        counted: (0, 1),
    };
    match yaml::read(&source.text) {
        Ok(entries) => entries.iter().for_each(|entry| importer.top(entry)),
        Err(found) => importer.found.push(*found),
    }
    if importer.statements.is_empty() && importer.found.is_empty() {
        let nothing = Found::new(0..0, Problem::NothingTaken);
        importer
            .found
            .push(nothing.help(suggest::sections_there_are()));
    }
    let Importer {
        mut report,
        found,
        statements,
        keys,
        ..
    } = importer;
    report.text(&source, found);
    let stated = statements
        .values()
        .map(|(statement, _)| statement.clone())
        .collect();
    let preset = resolve::merge([stated], report).map(|_| preset_toml(&source.name, &statements));
    Import { keys, preset }
}

struct Importer<'a> {
    source: &'a Arc<Source>,
    report: Report,
    found: Vec<Found>,
    /// Statements and the comments behind them, by `section.key`.
    statements: BTreeMap<&'static str, (Statement, String)>,
    keys: Vec<ImportedKey>,
    /// How many of them do not exist.
    unknown: usize,
    /// A byte of the text, and the line that it is in.
    counted: (usize, usize),
}

impl Importer<'_> {
    fn top(&mut self, entry: &Entry) {
        let section = schema::sections()
            .iter()
            .find(|section| suggest::normal(&entry.name) == section.name);
        let key = UNSECTIONED.iter().find_map(|name| {
            let mut sections = schema::sections().iter();
            find(sections.find(|section| section.name == *name)?, &entry.name)
        });
        let dotted = entry.name.split_once('.').and_then(|(section, name)| {
            let mut sections = schema::sections().iter();
            Some((
                sections.find(|one| one.name == suggest::normal(section))?,
                name,
            ))
        });
        match (section, &entry.value.value) {
            (Some(section), Value::Map(keys)) => {
                for entry in keys {
                    let name = format!("{}.{}", section.name, entry.name);
                    self.key(&name, find(section, &entry.name), Some(section), entry);
                }
            }
            (Some(_), _) if is_null(&entry.value) => {
                self.became(&entry.name, entry, Became::Unset);
            }
            (None, Value::Map(keys)) if key.is_none() && !keys.is_empty() => {
                for inner in keys {
                    let name = format!("{}.{}", entry.name, inner.name);
                    self.unknown(&name, inner, || {
                        let section = suggest::for_section(&entry.name);
                        section.or_else(|| suggest::for_key(None, &inner.name))
                    });
                }
            }
            _ => match dotted {
                Some((section, name)) => {
                    self.key(&entry.name, find(section, name), Some(section), entry);
                }
                None => self.key(&entry.name, key, None, entry),
            },
        }
    }

    fn key(
        &mut self,
        name: &str,
        key: Option<&'static Key>,
        section: Option<&Section>,
        entry: &Entry,
    ) {
        let Some(key) = key else {
            let section = section.map(|section| section.name.as_str());
            let last = name.split_once('.').map_or(name, |(_, last)| last);
            return self.unknown(name, entry, || suggest::for_key(section, last));
        };
        if is_null(&entry.value) {
            return self.became(name, entry, Became::Unset);
        }
        let Some(value) = self.value(key, &entry.value) else {
            self.report.unknown.insert(&key.path);
            return self.became(name, entry, Became::Refused);
        };
        let line = self.line(entry);
        let statement = Statement {
            key,
            value,
            origin: Origin::File {
                name: self.source.name.clone(),
                line,
            },
            place: (Arc::clone(self.source), entry.value.span.clone()),
        };
        let comment = self.comment(&entry.value, key);
        if self
            .statements
            .insert(&key.path, (statement, comment))
            .is_some()
        {
            let key = key.path.clone();
            let found = Found::new(entry.span.clone(), Problem::DuplicateKey { key });
            self.found
                .push(found.help("keep one of the two".to_owned()));
            return self.became(name, entry, Became::Refused);
        }
        let became = if name == key.path {
            Became::Taken
        } else {
            Became::Renamed {
                to: key.path.clone(),
            }
        };
        self.became(name, entry, became);
    }

    /// A key that does not exist. What was meant is only looked for where a person will read it.
    fn unknown(&mut self, name: &str, entry: &Entry, help: impl FnOnce() -> Option<String>) {
        let help = (self.unknown < MAX_ERRORS).then(help).flatten();
        self.unknown += 1;
        self.became(name, entry, Became::Unknown { help });
    }

    fn became(&mut self, name: &str, entry: &Entry, became: Became) {
        let line = self.line(entry);
        let name = excerpt(name);
        self.keys.push(ImportedKey { name, line, became });
    }

    /// The line of a key, counted on from that of the one before: a text may have a key in each of very many lines.
    fn line(&mut self, entry: &Entry) -> usize {
        let at = entry.span.start;
        let (from, line) = self.counted;
        let between = self.source.text.get(from..at).unwrap_or_default();
        self.counted = (at, line + between.matches('\n').count());
        self.counted.1
    }

    /// The value as the key takes it.
    fn value(&mut self, key: &Key, node: &Node) -> Option<Json> {
        let takes_words = matches!(key.kind, Kind::Text { .. } | Kind::Choice(_));
        if let (true, Value::Scalar { text, .. }) = (takes_words, &node.value) {
            return check::bare_word(key, text, node.span.clone(), &mut self.found);
        }
        let text = as_toml(node);
        let mut found = Vec::new();
        let value = DeValue::parse(&text).ok();
        let value = value.and_then(|value| check::value(key, &value, &mut found));
        // The places are those in the TOML text.
        self.found.extend(found.into_iter().map(|found| Found {
            span: node.span.clone(),
            ..found
        }));
        value
    }

    /// The comment behind a value, or else what its key does.
    fn comment(&self, node: &Node, key: &Key) -> String {
        let rest = self.source.text.get(node.span.end..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        match line.trim_start().strip_prefix('#') {
            Some(comment) => comment.trim().to_owned(),
            None => key.summary().to_owned(),
        }
    }
}

/// The key of a section by a name whose letters may be large, and whose dashes stand for underscores.
fn find(section: &'static Section, name: &str) -> Option<&'static Key> {
    let name = suggest::normal(name);
    section.keys.iter().find(|key| key.name == name)
}

fn is_null(node: &Node) -> bool {
    let Value::Scalar { text, plain: true } = &node.value else {
        return false;
    };
    matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
}

/// A YAML value as TOML. Its depth is bounded by [`yaml::read`].
fn as_toml(node: &Node) -> String {
    match &node.value {
        Value::Scalar { text, plain: true } => plain_as_toml(text),
        Value::Scalar { text, .. } => quoted(text),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(as_toml).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(_) => "{}".to_owned(),
    }
}

/// A word without quotes, as YAML 1.2 reads it, and 1.1 where that knows more words.
fn plain_as_toml(text: &str) -> String {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "on" => return "true".to_owned(),
        "false" | "no" | "off" => return "false".to_owned(),
        ".inf" | "+.inf" => return "inf".to_owned(),
        "-.inf" => return "-inf".to_owned(),
        ".nan" => return "nan".to_owned(),
        _ => {}
    }
    if let Ok(integer) = text.parse::<i128>() {
        return integer.to_string();
    }
    if ["0x", "0o"].iter().any(|prefix| text.starts_with(prefix)) && DeValue::parse(text).is_ok() {
        return text.to_owned();
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => format!("{number:?}"),
        _ => quoted(text),
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn preset_toml(name: &str, statements: &BTreeMap<&'static str, (Statement, String)>) -> String {
    let mut decisions = Vec::new();
    if !statements.contains_key(DESCRIPTION) {
        decisions.push(Decision::new(
            DESCRIPTION,
            format!("Imported from {name}"),
            "",
        ));
    }
    let stated = schema::keys().filter_map(|key| {
        let (statement, comment) = statements.get(key.path.as_str())?;
        Some(Decision::new(&key.path, statement.value.clone(), comment))
    });
    decisions.extend(stated);
    let name = render::one_line(name);
    format!("# Imported from {name}.\n{}", sections_toml(&decisions))
}
