//! Configurations in other formats than TOML.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use serde_json::Value as Json;
use toml::de::DeValue;

use crate::{
    Config, check,
    error::{ConfigError, ConfigErrors, Found, Problem, Report},
    layer::Statement,
    resolve,
    schema::Key,
    source::{Origin, Source},
};

impl Key {
    /// The value that a text in TOML gives to the key.
    ///
    /// # Errors
    ///
    /// All that keeps the key from taking the value, without places.
    pub fn read(&self, toml: &str) -> Result<Json, Vec<ConfigError>> {
        let mut found = Vec::new();
        let value = match DeValue::parse(toml) {
            Ok(value) => check::value(self, &value, &mut found),
            Err(error) => {
                let reason = error.message().to_owned();
                found.push(Found::new(0..0, Problem::Syntax { reason }));
                None
            }
        };
        value.ok_or_else(|| {
            let errors = found.into_iter().map(|found| ConfigError {
                source: None,
                span: None,
                problem: found.problem,
                help: found.help,
            });
            errors.collect()
        })
    }
}

/// A configuration that the caller reads from a text in a format of its own, key by key. Errors are collected and
/// [`finish`](Self::finish) reports them all at once, as [`resolve`](crate::resolve()) does for TOML.
///
/// ```
/// use config_schema::{Draft, Source, keys};
///
/// let mut draft = Draft::new(Source::new("run.ini", "training.epochs: 3"));
/// let key = keys().find(|key| key.path == "training.epochs").expect("a key");
/// draft.state(key, "3", 17..18, 1);
/// let (values, config) = draft.finish()?;
/// assert_eq!(values["training.epochs"], 3);
/// assert_eq!(config.training.epochs, 3);
/// # Ok::<(), config_schema::ConfigErrors>(())
/// ```
#[derive(Debug)]
pub struct Draft {
    source: Arc<Source>,
    statements: BTreeMap<&'static str, Statement>,
    found: Vec<Found>,
    report: Report,
}

impl Draft {
    /// A draft without statements of a text.
    pub fn new(source: Source) -> Self {
        Self {
            source: Arc::new(source),
            statements: BTreeMap::new(),
            found: Vec::new(),
            report: Report::default(),
        }
    }

    /// The text.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Whether nothing is stated and nothing was refused.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty() && self.found.is_empty()
    }

    /// Whether a key is stated.
    pub fn states(&self, key: &Key) -> bool {
        self.statements.contains_key(key.path.as_str())
    }

    /// Gives a key the value of a text in TOML; the value stands at the bytes `span`, in a line counted from 1. A value that
    /// the key does not take is an error of the draft, and the answer is whether it was taken.
    pub fn state(
        &mut self,
        key: &'static Key,
        toml: &str,
        span: Range<usize>,
        line: usize,
    ) -> bool {
        match key.read(toml) {
            Ok(value) => {
                let origin = Origin::File {
                    name: self.source.name.clone(),
                    line,
                };
                let place = (Arc::clone(&self.source), span);
                let statement = Statement {
                    key,
                    value,
                    origin,
                    place,
                };
                self.statements.insert(&key.path, statement);
                true
            }
            Err(errors) => {
                for error in errors {
                    self.refuse(ConfigError::at(span.clone(), error.problem, error.help));
                }
                // Rules on several keys would judge a value that nobody wrote.
                self.report.unknown.insert(&key.path);
                false
            }
        }
    }

    /// Adds an error of the text. Its place is a span of this text; without one it is the beginning.
    pub fn refuse(&mut self, error: ConfigError) {
        let found = Found::new(error.span.unwrap_or_default(), error.problem);
        self.found.push(found.help(error.help));
    }

    /// The values of the keys that are stated, by `section.key`, and the configuration that they make on top of the defaults.
    ///
    /// # Errors
    ///
    /// All errors of the text by place, and values that cannot work together on top of the defaults.
    pub fn finish(self) -> Result<(BTreeMap<&'static str, Json>, Config), ConfigErrors> {
        let Self {
            source,
            statements,
            found,
            mut report,
        } = self;
        report.text(&source, found);
        let values = statements
            .iter()
            .map(|(path, statement)| (*path, statement.value.clone()))
            .collect();
        let (config, _) = resolve::merge([statements.into_values().collect()], report)?;
        Ok((values, config))
    }
}
