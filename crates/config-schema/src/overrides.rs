//! Single keys stated outside files: environment variables and `--set`.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use serde_json::Value as Json;
use toml::de::DeValue;

use crate::{
    check,
    error::{Found, Problem, Report, excerpt},
    layer::{Statement, too_much},
    schema::{self, Key, Kind},
    source::{Origin, Source},
    suggest,
};

/// Begins the name of every variable that is read.
const PREFIX: &str = "AOA_";

/// The variables that look as if they were read, and are not: they begin with `AOA_` and name no key.
pub fn unread_variables(variables: &[(String, String)]) -> Vec<&str> {
    let names = variables.iter().map(|(name, _)| name.as_str());
    let own = names.filter(|name| {
        let rest = name.strip_prefix(PREFIX);
        rest.is_some_and(|rest| !rest.contains("__"))
    });
    own.collect()
}

/// Reads variables named `AOA_SECTION__KEY`. One that misses that name by little is an error; all others are none of the
/// configuration's business.
pub(crate) fn read_environment(
    variables: &[(String, String)],
    report: &mut Report,
) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut seen = BTreeSet::new();
    for (variable, value) in variables {
        let Some(rest) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        let origin = Origin::Environment {
            variable: variable.clone(),
        };
        let mut reader =
            Override::new("environment", format!("{variable}={value}"), origin, report);
        let (name_span, value_span) = (
            0..variable.len(),
            variable.len() + 1..reader.source.text.len(),
        );
        let Some((section, name)) = rest.split_once("__") else {
            if let Some(key) = suggest::for_variable(rest) {
                let (section, name) = (key.section().to_uppercase(), key.name.to_uppercase());
                let help = format!("did you mean {PREFIX}{section}__{name}? {}", key.doc);
                let problem = Problem::UnknownKey {
                    key: excerpt(variable),
                };
                reader.found.push(Found::new(name_span, problem).help(help));
            }
            reader.finish();
            continue;
        };
        let key = reader.key(
            &section.to_lowercase(),
            &name.to_lowercase(),
            name_span.clone(),
        );
        if let Some(key) = key {
            if !seen.insert(&key.path) {
                let key = key.path.clone();
                reader
                    .found
                    .push(Found::new(name_span, Problem::DuplicateKey { key }));
            }
            statements.extend(reader.statement(key, value_span));
        }
        reader.finish();
    }
    statements
}

/// Reads the arguments of `--set`, `section.key=value`. A later argument wins over an earlier one of the same key.
pub(crate) fn read_sets(sets: &[String], report: &mut Report) -> Vec<Statement> {
    let mut statements = Vec::new();
    for text in sets {
        let origin = Origin::Flag { text: text.clone() };
        let mut reader = Override::new("--set", text.clone(), origin, report);
        if let Some((path, _)) = text.split_once('=') {
            let value_span = path.len() + 1..text.len();
            let key = reader.path(path);
            statements.extend(key.and_then(|key| reader.statement(key, value_span)));
        } else {
            let problem = Problem::NotAnAssignment {
                text: excerpt(text),
            };
            let help = "for example --set training.batch_size=8".to_owned();
            reader
                .found
                .push(Found::new(0..text.len(), problem).help(help));
        }
        reader.finish();
    }
    statements
}

/// One override being read, shown in errors as a text of one line.
struct Override<'a> {
    source: Arc<Source>,
    origin: Origin,
    found: Vec<Found>,
    report: &'a mut Report,
}

impl<'a> Override<'a> {
    fn new(name: &str, text: String, origin: Origin, report: &'a mut Report) -> Self {
        Self {
            source: Arc::new(Source::new(name, text)),
            origin,
            found: Vec::new(),
            report,
        }
    }

    fn finish(self) {
        self.report.text(&self.source, self.found);
    }

    /// The key at `section.name`.
    fn path(&mut self, path: &str) -> Option<&'static Key> {
        let span = 0..path.len();
        match path.trim().split_once('.') {
            Some((section, name)) => self.key(section.trim(), name.trim(), span),
            None if path.trim() == "extends" => {
                let help = "choose the preset with --preset".to_owned();
                self.found
                    .push(Found::new(span, Problem::ExtendsOutsideFile).help(help));
                None
            }
            None => {
                let name = path.trim();
                let problem = Problem::UnknownKey { key: excerpt(name) };
                let help =
                    suggest::for_section_alone(name).or_else(|| suggest::for_key(None, name));
                self.found.push(Found::new(span, problem).help(help));
                None
            }
        }
    }

    fn key(&mut self, section: &str, name: &str, span: Range<usize>) -> Option<&'static Key> {
        let key = schema::find(section, name);
        if key.is_none() {
            let known = schema::sections()
                .iter()
                .any(|candidate| candidate.name == section);
            let found = if known {
                let key = excerpt(&format!("{section}.{name}"));
                Found::new(span, Problem::UnknownKey { key })
                    .help(suggest::for_key(Some(section), name))
            } else {
                let section_name = excerpt(section);
                let help = suggest::for_section(section).or_else(|| suggest::for_key(None, name));
                Found::new(
                    span,
                    Problem::UnknownSection {
                        section: section_name,
                    },
                )
                .help(help)
            };
            self.found.push(found);
        }
        key
    }

    fn statement(&mut self, key: &'static Key, span: Range<usize>) -> Option<Statement> {
        let Some(value) = self.value(key, span.clone()) else {
            self.report.unknown.insert(&key.path);
            return None;
        };
        Some(Statement {
            key,
            value,
            origin: self.origin.clone(),
            place: (Arc::clone(&self.source), span),
        })
    }

    /// A TOML value; for a key that takes strings, the text as it stands unless it is quoted.
    fn value(&mut self, key: &Key, span: Range<usize>) -> Option<Json> {
        let source = Arc::clone(&self.source);
        let text = &source.text[span.clone()];
        let takes_strings = match &key.kind {
            Kind::Text { .. } | Kind::Choice(_) => true,
            // Booleans are TOML, and so is a word in quotes.
            Kind::Switch(_) => text.trim().parse::<bool>().is_err(),
            _ => false,
        };
        if let Some(error) = too_much(text) {
            self.found.push(error.shifted(span.start));
            None
        } else if takes_strings && !text.trim_start().starts_with(['"', '\'']) {
            check::bare_word(key, text, span, &mut self.found)
        } else {
            let start = span.start + text.len() - text.trim_start().len();
            self.toml_value(key, text.trim(), start)
        }
    }

    /// A TOML value that starts at a byte of the source.
    fn toml_value(&mut self, key: &Key, text: &str, start: usize) -> Option<Json> {
        let mut found = Vec::new();
        let value = if let Ok(value) = DeValue::parse(text) {
            check::value(key, &value, &mut found)
        } else {
            let problem = Problem::WrongType {
                key: key.path.clone(),
                expected: key.kind.type_name().to_owned(),
                got: format!("`{}`", excerpt(text)),
            };
            let help = format!("`{}` is {}. {}", key.name, key.kind, key.doc);
            found.push(Found::new(0..text.len(), problem).help(help));
            None
        };
        self.found
            .extend(found.into_iter().map(|found| found.shifted(start)));
        value
    }
}
