//! Values that are accepted but do not do what they seem to.

use std::{collections::BTreeMap, fmt};

use crate::{
    config::Config,
    render,
    sections::PrecisionMode,
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

impl Warning {
    /// Whether the value has no effect yet. Other warnings are about values that are followed.
    pub fn is_without_effect(&self) -> bool {
        self.verdict == NOT_YET_IN_EFFECT
    }
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

/// The verdict on a value that is accepted and not followed.
const NOT_YET_IN_EFFECT: &str = "not yet in effect";

struct Pending {
    keys: &'static [&'static str],
    asked_for: fn(&Config) -> bool,
    reason: &'static str,
}

const WEIGHTS: &str = "xvlm.weights";

const FROZEN_AT_RANDOM: &str = "what the model has of image encoder and coarse branch keeps the random weights that it \
    begins with";

static PENDING: &[Pending] = &[Pending {
    keys: &["precision.mode"],
    asked_for: |config| config.precision.mode != PrecisionMode::F32,
    reason: "training runs in f32",
}];

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
    let pending = PENDING
        .iter()
        .filter(|pending| (pending.asked_for)(config))
        .map(|pending| warning(pending.keys, NOT_YET_IN_EFFECT, pending.reason));
    let frozen = config
        .freezing_key()
        .filter(|_| config.xvlm.weights.is_empty())
        .map(|key| warning(&[key, WEIGHTS], "at odds", FROZEN_AT_RANDOM));
    pending.chain(frozen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    #[test]
    fn the_table_names_keys_that_exist() {
        for path in PENDING.iter().flat_map(|pending| pending.keys) {
            assert!(schema::keys().any(|key| key.path == *path), "{path}");
        }
    }
}
