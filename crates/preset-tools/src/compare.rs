//! Configurations side by side.

use config_schema::{Key, Origin, Resolved, keys, toml_value, values};
use serde::Serialize;
use serde_json::Value as Json;

use crate::effects::{Language, effect};

/// A key in several configurations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// `section.key`.
    pub key: String,
    /// What the key does.
    pub doc: String,
    /// Whether it has the same value in all of them.
    pub same: bool,
    /// Its value in each.
    pub columns: Vec<Column>,
}

/// A key in one of several configurations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Column {
    /// Name of the configuration.
    pub name: String,
    /// The value.
    pub value: Json,
    /// Who decided it.
    pub origin: Origin,
    /// What comes of the value being another than in the first configuration, where that can be said in general.
    pub effect: Option<String>,
}

/// Every key in all of the named configurations, in the order of declaration.
pub fn compare(configurations: &[(&str, &Resolved)]) -> Vec<Comparison> {
    let values: Vec<(&str, &Resolved, Json)> = configurations
        .iter()
        .map(|(name, resolved)| (*name, *resolved, values(&resolved.config)))
        .collect();
    let row = |key: &Key| {
        let of = |values: &Json| values[key.section()][&key.name].clone();
        let first = values.first().map(|(_, _, values)| of(values))?;
        let column = |(name, resolved, values): &(&str, &Resolved, Json)| {
            let value = of(values);
            Column {
                name: (*name).to_owned(),
                origin: resolved
                    .origins
                    .get(&key.path)
                    .cloned()
                    .unwrap_or(Origin::Default),
                effect: effect(&key.path, &first, &value, Language::En).map(str::to_owned),
                value,
            }
        };
        let columns: Vec<Column> = values.iter().map(column).collect();
        Some(Comparison {
            key: key.path.clone(),
            doc: key.doc.clone(),
            same: columns.iter().all(|column| column.value == first),
            columns,
        })
    };
    keys().filter_map(row).collect()
}

impl Column {
    /// The value as TOML.
    pub fn toml(&self) -> String {
        toml_value(&self.value).unwrap_or_default()
    }
}
