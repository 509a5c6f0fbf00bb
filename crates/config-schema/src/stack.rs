//! The values of all keys while layers are merged.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::{
    accumulation::{ACCUMULATION, derive_accumulation},
    config::Config,
    error::Report,
    layer::Statement,
    schema,
    source::{Layered, Origin, Place},
};

/// Where a value is stated.
#[derive(Debug, Clone, PartialEq)]
pub struct Stated {
    /// The layer, counted from 1 for the lowest: each file of a chain of presets is one, as are the environment and the flags.
    pub layer: usize,
    /// The value in the text of that layer.
    pub place: Place,
}

/// A key's value so far.
#[derive(Debug)]
pub(crate) struct Value {
    json: Json,
    pub(crate) origin: Origin,
    pub(crate) stated: Option<Stated>,
    /// What it took the place of, the nearest last.
    overridden: Vec<Layered>,
}

/// The values of all keys, layer upon layer.
#[derive(Debug)]
pub(crate) struct Values {
    by_key: BTreeMap<&'static str, Value>,
    layers: usize,
}

impl Default for Values {
    fn default() -> Self {
        let default = |key: &'static schema::Key| {
            let value = Value {
                json: key.default.clone(),
                origin: Origin::Default,
                stated: None,
                overridden: Vec::new(),
            };
            (key.path.as_str(), value)
        };
        let mut by_key: BTreeMap<_, _> = schema::keys().map(default).collect();
        // One micro-batch a step where nobody says otherwise.
        for path in ACCUMULATION {
            if let Some(value) = by_key.get_mut(path) {
                value.json = Json::from(1);
            }
        }
        Self { by_key, layers: 0 }
    }
}

impl Values {
    pub(crate) fn get(&self, path: &str) -> Option<&Value> {
        self.by_key.get(path)
    }

    pub(crate) fn apply(&mut self, statements: Vec<Statement>, report: &mut Report) {
        self.layers += 1;
        // The last statement of a key counts: `--set` may be given twice.
        let mut last: BTreeMap<&'static str, Statement> = BTreeMap::new();
        for statement in statements {
            if let Some(earlier) = last.insert(&statement.key.path, statement) {
                self.set(earlier);
            }
        }
        let derived = derive_accumulation(&last, report);
        for statement in last.into_values().chain(derived) {
            self.set(statement);
        }
    }

    fn set(&mut self, statement: Statement) {
        let below = self.by_key.remove(statement.key.path.as_str());
        let overridden = below.map_or_else(Vec::new, |below| {
            let mut overridden = below.overridden;
            overridden.push(Layered {
                value: below.json,
                origin: below.origin,
            });
            overridden
        });
        let value = Value {
            json: statement.value,
            origin: statement.origin,
            stated: Some(Stated {
                layer: self.layers,
                place: statement.place,
            }),
            overridden,
        };
        self.by_key.insert(&statement.key.path, value);
    }

    /// Who decided each key, and what that overrode, the nearest first.
    pub(crate) fn provenance(&self) -> (BTreeMap<String, Origin>, BTreeMap<String, Vec<Layered>>) {
        let of = |(path, value): (&&str, &Value)| {
            let overridden = value.overridden.iter().rev().cloned().collect();
            let path = (*path).to_owned();
            ((path.clone(), value.origin.clone()), (path, overridden))
        };
        self.by_key.iter().map(of).unzip()
    }

    /// Where each key that any layer states is stated, by `section.key`.
    pub(crate) fn into_stated(self) -> BTreeMap<&'static str, Stated> {
        let stated = |(path, value): (_, Value)| Some((path, value.stated?));
        self.by_key.into_iter().filter_map(stated).collect()
    }

    pub(crate) fn config(&self) -> serde_json::Result<Config> {
        let mut sections = Map::new();
        for key in schema::keys() {
            let section = sections
                .entry(key.section())
                .or_insert_with(|| Json::Object(Map::new()));
            if let (Some(section), Some(value)) = (section.as_object_mut(), self.get(&key.path)) {
                section.insert(key.name.clone(), value.json.clone());
            }
        }
        serde_json::from_value(Json::Object(sections))
    }
}
