//! Where values come from, and what they took the place of.

use serde::Serialize;
use serde_json::Value as Json;

use crate::{Resolved, render, schema, source::Origin};

/// A value that a layer gives to a key.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Layered {
    /// The value.
    pub value: Json,
    /// The layer.
    pub origin: Origin,
}

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
        let values = render::values(&self.config);
        let of = |key: &schema::Key| {
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
