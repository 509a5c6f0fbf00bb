//! Where values come from, and what they took the place of: as data, and as comments of TOML.

use serde::Serialize;
use serde_json::Value as Json;

use crate::{
    render::{rows, toml_value, values},
    resolve::Resolved,
    schema::{self, Key},
    source::{Layered, Origin},
};

/// A key's value, who set it, and what that overrode.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Provenance {
    /// `section.key`.
    pub key: String,
    /// The value that counts.
    pub value: Json,
    /// Who set it.
    pub origin: Origin,
    /// What lower layers gave to the key, the nearest first and the default last.
    pub overrides: Vec<Layered>,
}

impl Resolved {
    /// Where the value of every key comes from, in the order of declaration.
    pub fn provenance(&self) -> Vec<Provenance> {
        let values = values(&self.config);
        let of = |key: &Key| {
            Some(Provenance {
                key: key.path.clone(),
                value: values[key.section()][&key.name].clone(),
                origin: self.origins.get(&key.path)?.clone(),
                overrides: self.overridden.get(&key.path)?.clone(),
            })
        };
        schema::keys().filter_map(of).collect()
    }
}

impl Resolved {
    /// Every key at its value with its origin as a comment, and the preset as `extends`. Read back as a user file, the
    /// text gives the same configuration.
    pub fn annotated_toml(&self) -> String {
        self.with_extends(|key| self.origin_note(key).into_iter().collect())
    }

    /// [`annotated_toml`](Self::annotated_toml) with, below each key, what its value overrode: a comment for each lower
    /// layer that stated the key, the nearest first and the default last.
    pub fn provenance_toml(&self) -> String {
        self.with_extends(|key| {
            let below = self.overridden.get(&key.path).into_iter().flatten();
            let below = below.filter_map(|layered| {
                let value = toml_value(&layered.value)?;
                Some(format!("  overrides {value} ({})", layered.origin))
            });
            self.origin_note(key).into_iter().chain(below).collect()
        })
    }

    fn origin_note(&self, key: &Key) -> Option<String> {
        self.origins.get(&key.path).map(ToString::to_string)
    }

    fn with_extends(&self, notes: impl Fn(&Key) -> Vec<String>) -> String {
        let extends = toml_value(&Json::from(self.preset.as_str())).unwrap_or_default();
        format!("extends = {extends}\n\n{}", rows(&self.config, notes))
    }
}
