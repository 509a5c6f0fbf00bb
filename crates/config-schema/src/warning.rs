//! Values that are accepted but do not do what they seem to.

use std::{collections::BTreeMap, fmt};

use crate::{
    config::Config,
    render,
    source::{Origin, StatedKey},
};

/// Values that are accepted but do not do what they seem to.
#[derive(Debug, Clone, PartialEq)]
pub struct Warning {
    /// The keys concerned, the one that asks for the effect first.
    pub keys: Vec<StatedKey>,
    /// What is the matter with them, as in "they are at odds".
    pub verdict: &'static str,
    /// What happens instead.
    pub reason: &'static str,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, key) in self.keys.iter().enumerate() {
            let joint = if index == 0 { "" } else { " and " };
            write!(f, "{joint}{key}")?;
        }
        let verb = if self.keys.len() == 1 { "is" } else { "are" };
        write!(f, " {verb} {}: {}", self.verdict, self.reason)
    }
}

const WEIGHTS: &str = "xvlm.weights";

const FROZEN_AT_RANDOM: &str = "image encoder and coarse branch, where the model has them, keep their random initial \
    weights";

pub(crate) fn warnings(config: &Config, origins: &BTreeMap<String, Origin>) -> Vec<Warning> {
    let stated = |path: &&str| {
        Some(StatedKey {
            key: (*path).to_owned(),
            value: render::value_toml(config, path)?,
            origin: origins.get(*path)?.clone(),
        })
    };
    let warning = |keys: &[&str], verdict, reason| Warning {
        keys: keys.iter().filter_map(stated).collect(),
        verdict,
        reason,
    };
    let frozen = config
        .freezing_key()
        .filter(|_| config.xvlm.weights.is_empty())
        .map(|key| warning(&[key, WEIGHTS], "at odds", FROZEN_AT_RANDOM));
    frozen.into_iter().collect()
}
