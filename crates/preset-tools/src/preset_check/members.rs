//! The presets that resolve, and what they ask for.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use config_schema::{Config, Origin, Place, Source, Stated, StatedKey, value_toml};

/// What training with a preset asks for, as far as the caller knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Demand {
    /// Peak of device memory by plan, in bytes; `None` where there is no plan.
    pub peak_bytes: Option<u64>,
    /// The budget to compare it with, in bytes; `None` where the preset names no memory.
    pub budget_bytes: Option<u64>,
    /// Host memory that preloaded images take, in bytes; `None` where none are, where only as many are as fit, or where it
    /// is not known.
    pub preload_bytes: Option<u64>,
    /// Host memory that a run keeps beside preloaded images, in bytes: the data set, and the samples that wait in the
    /// prefetch queue or are on their way; `None` where it is not known.
    pub queue_bytes: Option<u64>,
    /// Whether the device is the CPU, so that it and the host are one memory.
    pub one_memory: bool,
    /// Why the settings do not describe a model, where they do not.
    pub unbuildable: Option<String>,
    /// Why there is no plan for another reason.
    pub unplanned: Option<String>,
}

impl Demand {
    /// Bytes that a run keeps in host memory.
    pub fn host_bytes(&self) -> u64 {
        let [preload, queue] =
            [self.preload_bytes, self.queue_bytes].map(Option::unwrap_or_default);
        preload.saturating_add(queue)
    }

    /// Bytes to compare with the budget: the planned peak, and on the CPU what the run keeps beside it.
    pub fn needed_bytes(&self) -> Option<u64> {
        let beside = if self.one_memory {
            self.host_bytes()
        } else {
            0
        };
        self.peak_bytes.map(|peak| peak.saturating_add(beside))
    }
}

/// A preset that resolves.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    /// Where its file says what it extends, else the file's beginning.
    pub(super) home: Place,
    pub(super) config: Config,
    pub(super) origins: BTreeMap<String, Origin>,
    pub(super) stated: BTreeMap<&'static str, Stated>,
}

impl Member {
    /// A key with its value and who decided it.
    pub(super) fn key(&self, path: &str) -> StatedKey {
        StatedKey {
            key: path.to_owned(),
            value: value_toml(&self.config, path).unwrap_or_default(),
            origin: self.origins.get(path).cloned().unwrap_or(Origin::Default),
        }
    }

    /// Where a key is stated.
    pub(super) fn stated(&self, path: &str) -> Option<&Stated> {
        self.stated.get(path)
    }
}

/// The presets that resolve.
#[derive(Debug)]
pub(super) struct Presets {
    pub(super) members: Vec<Member>,
    /// Names of the files that are checked. The others are there to be compared with.
    pub(super) given: BTreeSet<String>,
}

impl Presets {
    pub(super) fn is_given(&self, member: &Member) -> bool {
        self.given.contains(&member.home.0.name)
    }

    /// Whether every file that is checked is among the members.
    pub(super) fn all_resolve(&self) -> bool {
        let members = self.members.iter();
        members.filter(|member| self.is_given(member)).count() == self.given.len()
    }

    /// The place to show for values of presets, the one most at fault first: a statement in a file that is checked, else
    /// what such a file extends.
    pub(super) fn place(&self, values: &[(&Member, &str)]) -> Place {
        let stated = values
            .iter()
            .filter_map(|(member, path)| member.stated(path))
            .map(|stated| &stated.place)
            .find(|(source, _)| self.given.contains(&source.name));
        let home = || {
            let members = || values.iter().map(|(member, _)| member);
            let given = members().find(|member| self.is_given(member));
            given.or(members().next()).map(|member| &member.home)
        };
        let nowhere = || (Arc::new(Source::new("", "")), 0..0);
        stated.or_else(home).cloned().unwrap_or_else(nowhere)
    }
}
