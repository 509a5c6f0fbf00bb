//! Less memory never means more of what takes memory.

use std::collections::BTreeMap;

use bytesize::ByteSize;
use config_schema::{Config, Preload};

use super::{
    Fault, Rule,
    fault::MemberValue,
    findings::Findings,
    members::{Member, Presets},
};

const MEMORY: &str = "preset.min_device_memory";

/// Something that a preset for less memory has no more of.
struct Measure {
    rule: Rule,
    key: &'static str,
    /// What is the case where it has more.
    what: &'static str,
    amount: fn(&Config) -> f64,
}

/// 1 where a saving is not made.
fn unsaved(saving: bool) -> f64 {
    f64::from(u8::from(!saving))
}

static MEASURES: &[Measure] = &[
    Measure {
        rule: Rule::MonotoneBatch,
        key: "training.batch_size",
        what: "its micro-batch is larger",
        amount: |config| config.training.batch_size as f64,
    },
    Measure {
        rule: Rule::MonotoneLayers,
        key: "model.aoa_layers",
        what: "it has more layers",
        amount: |config| config.model.aoa_layers as f64,
    },
    Measure {
        rule: Rule::MonotoneLayers,
        key: "xvlm.depths",
        what: "it has more layers",
        amount: |config| config.xvlm.depths.iter().sum::<usize>() as f64,
    },
    Measure {
        rule: Rule::MonotoneLayers,
        key: "xvlm.text_layers",
        what: "it has more layers",
        amount: |config| config.xvlm.text_layers as f64,
    },
    Measure {
        rule: Rule::MonotoneLayers,
        key: "xvlm.decoder_layers",
        what: "it has more layers",
        amount: |config| config.xvlm.decoder_layers as f64,
    },
    Measure {
        rule: Rule::MonotoneWidth,
        key: "model.num_hid",
        what: "its model is wider",
        amount: |config| config.model.num_hid as f64,
    },
    Measure {
        rule: Rule::MonotoneWidth,
        key: "xvlm.embed_dim",
        what: "its model is wider",
        amount: |config| config.xvlm.embed_dim as f64,
    },
    Measure {
        rule: Rule::MonotoneWidth,
        key: "xvlm.text_hidden",
        what: "its model is wider",
        amount: |config| config.xvlm.text_hidden as f64,
    },
    Measure {
        rule: Rule::MonotoneWidth,
        key: "xvlm.text_intermediate",
        what: "its model is wider",
        amount: |config| config.xvlm.text_intermediate as f64,
    },
    Measure {
        rule: Rule::MonotoneWorkers,
        key: "memory_optimization.num_workers",
        what: "it has more workers",
        amount: |config| config.memory_optimization.num_workers as f64,
    },
    Measure {
        rule: Rule::MonotonePrefetch,
        key: "memory_optimization.prefetch_factor",
        what: "its workers read further ahead",
        amount: |config| config.memory_optimization.prefetch_factor as f64,
    },
    Measure {
        rule: Rule::MonotoneShuffleBuffer,
        key: "data_loading.shuffle_buffer_size",
        what: "its shuffle buffer is larger",
        amount: |config| config.data_loading.shuffle_buffer_size as f64,
    },
    Measure {
        rule: Rule::MonotoneMemoryUse,
        key: "memory_optimization.max_memory_usage",
        what: "it uses a larger fraction of its memory",
        amount: |config| config.memory_optimization.max_memory_usage,
    },
    Measure {
        rule: Rule::MonotoneSavings,
        key: "memory_optimization.dynamic_batch_size",
        what: "it saves less",
        amount: |config| unsaved(config.memory_optimization.dynamic_batch_size),
    },
    Measure {
        rule: Rule::MonotoneSavings,
        key: "memory_optimization.memory_efficient_attention",
        what: "it saves less",
        amount: |config| unsaved(config.memory_optimization.memory_efficient_attention),
    },
    Measure {
        rule: Rule::MonotoneSavings,
        key: "memory_optimization.gradient_checkpointing",
        what: "it saves less",
        amount: |config| unsaved(config.memory_optimization.gradient_checkpointing),
    },
    Measure {
        rule: Rule::MonotoneSavings,
        key: "data_loading.use_compression",
        what: "it saves less",
        amount: |config| unsaved(config.data_loading.use_compression),
    },
    Measure {
        rule: Rule::MonotoneSavings,
        key: "data_loading.preload_data",
        what: "it saves less",
        // "auto" keeps what fits, whatever the memory.
        amount: |config| unsaved(config.data_loading.preload_data != Preload::On),
    },
];

/// Compares members with those of the next larger memory. Those of equal memory are alternatives: they have no order among
/// them, and what one of them has, a preset for less memory may have. Presets that are not for a GPU are left out.
pub(super) fn check(members: &[&Member], presets: &Presets, findings: &mut Findings) {
    let memory = |member: &Member| member.config.preset.min_device_memory.bytes();
    for measure in MEASURES {
        let amount = |member: &Member| (measure.amount)(&member.config);
        let value = |member: &Member| MemberValue {
            preset: member.name.clone(),
            memory: ByteSize(memory(member).unwrap_or_default()),
            key: member.key(measure.key),
        };
        for (less, more) in exceeding(members, memory, amount) {
            let fault = Fault::MoreWithLess {
                rule: measure.rule,
                what: measure.what,
                less: value(less),
                more: value(more),
            };
            let values = [
                (less, measure.key),
                (more, measure.key),
                (less, MEMORY),
                (more, MEMORY),
            ];
            let (_, name) = measure.key.split_once('.').unwrap_or_default();
            let room = match measure.rule {
                Rule::MonotoneSavings => "",
                Rule::MonotoneBatch => " or less, with an `update_freq` that makes up for it,",
                _ => " or less",
            };
            let help = format!(
                "set `{name} = {}`{room} in `{}`; presets that are not to be compared have another `family.name`",
                more.key(measure.key).value,
                less.name
            );
            findings.at(presets.place(&values), fault, help);
        }
    }
}

/// The members that have more of an amount than every one of the next larger size has, each with the one of those that
/// has most. Members without a size are left out.
///
/// What holds for neighbours holds for all: if no group has more than the next one, none has more than any later one.
pub(super) fn exceeding<'a>(
    members: &[&'a Member],
    size: impl Fn(&Member) -> Option<u64>,
    amount: impl Fn(&Member) -> f64,
) -> Vec<(&'a Member, &'a Member)> {
    let mut by_size: BTreeMap<u64, Vec<&Member>> = BTreeMap::new();
    for member in members {
        if let Some(size) = size(member) {
            by_size.entry(size).or_default().push(member);
        }
    }
    let groups: Vec<Vec<&Member>> = by_size.into_values().collect();
    let mut pairs = Vec::new();
    for pair in groups.windows(2) {
        let most = pair[1]
            .iter()
            .max_by(|a, b| amount(a).total_cmp(&amount(b)));
        if let Some(more) = most {
            let exceeds = pair[0].iter().filter(|less| amount(less) > amount(more));
            pairs.extend(exceeds.map(|less| (*less, *more)));
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use config_schema::keys;

    use super::*;

    #[test]
    fn what_is_ordered_by_memory_is_marked_in_the_table_of_keys() {
        for measure in MEASURES {
            let key = keys().find(|key| key.path == measure.key);
            let key = key.unwrap_or_else(|| panic!("{}", measure.key));
            assert!(
                key.takes_memory || !key.decides_the_result(),
                "{}",
                key.path
            );
        }
    }
}
