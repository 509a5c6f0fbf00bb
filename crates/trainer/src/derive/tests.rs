//! Presets for all sizes of cards, with a model whose memory is known.

use std::collections::BTreeMap;

use config_schema::{Config, Preload, value};
use serde_json::{Value, json};

use super::{Card, DeriveError, Derived, HostDemand, derive};
use crate::memory::{Bytes, budget};

const GIB: u64 = 1 << 30;
/// Cards by the size they are sold as.
const SIZES: [u64; 12] = [8, 10, 12, 16, 20, 24, 32, 40, 48, 80, 96, 141];

/// A model that takes this many MiB whatever it does, and for a sample.
#[derive(Clone, Copy)]
struct Model {
    fixed: u64,
    sample: u64,
}

/// About what the model of the presets takes.
const USUAL: Model = Model {
    fixed: 5120,
    sample: 1024,
};

impl Model {
    /// Training takes four times the weights, a large model a fifth more, and each saving takes a part of a sample's memory.
    fn peak(self, config: &Config) -> u64 {
        let memory = &config.memory_optimization;
        let mut sample = self.sample;
        if memory.gradient_checkpointing {
            sample /= 5;
        }
        if memory.memory_efficient_attention {
            sample -= sample / 10;
        }
        let mut fixed = self.fixed;
        if config.model.num_hid > 768 {
            fixed += fixed / 5;
        }
        if !config.training.tune_xvlm {
            fixed /= 4;
        }
        (fixed + sample * config.training.batch_size as u64) << 20
    }

    fn derive(self, memory_bytes: u64) -> Result<Derived, DeriveError> {
        let card = Card {
            memory_bytes,
            host_bytes: None,
            data: HostDemand::default(),
        };
        derive(&card, &[], &mut |config| Ok(self.peak(config)))
    }
}

#[track_caller]
fn derived(model: Model, memory_bytes: u64) -> Derived {
    let derived = model.derive(memory_bytes);
    derived.unwrap_or_else(|error| panic!("{memory_bytes}: {error}"))
}

fn keys(derived: &Derived) -> Vec<&str> {
    let keys = derived.decisions.iter().map(|one| one.key.as_str());
    keys.collect()
}

fn number(config: &Config, key: &str) -> f64 {
    let value = value(config, key).unwrap_or_else(|| panic!("no {key}"));
    match value {
        Value::Bool(on) => f64::from(u8::from(on)),
        other => other.as_f64().unwrap_or_else(|| panic!("{key} = {other}")),
    }
}

/// Keys that may grow with the memory, and those that may fall.
const GROWS: [&str; 13] = [
    "training.batch_size",
    "training.lr",
    "training.xvlm_lr",
    "training.tune_xvlm",
    "model.aoa_layers",
    "model.num_hid",
    "model.dropout",
    "memory_optimization.max_memory_usage",
    "memory_optimization.num_workers",
    "memory_optimization.prefetch_factor",
    "memory_optimization.checkpoint_segment",
    "data_loading.preload_data",
    "data_loading.shuffle_buffer_size",
];
const FALLS: [&str; 5] = [
    "training.update_freq",
    "memory_optimization.dynamic_batch_size",
    "memory_optimization.memory_efficient_attention",
    "memory_optimization.gradient_checkpointing",
    "data_loading.use_compression",
];

#[test]
fn less_memory_never_means_more_of_anything() {
    for sample in [64, 256, 1024, 3072, 8192] {
        for fixed in [1024, 5120, 12_288] {
            let model = Model { fixed, sample };
            let mut before: Option<Derived> = None;
            for memory in (2..=160).map(|gib| gib * GIB) {
                let now = match (model.derive(memory), &before) {
                    (Ok(now), _) => now,
                    (Err(DeriveError::DoesNotFit { .. }), None) => continue,
                    (Err(error), _) => panic!("{error} after a smaller card had a preset"),
                };
                let config = &now.config;
                assert_eq!(config.effective_batch(), 32, "{}", now.what);
                assert!(now.fits && now.peak_bytes <= now.budget_bytes);
                assert_eq!(budget(config, Some(memory)), Some(now.budget_bytes));
                if let Some(before) = &before {
                    let what = format!("{} and {}", before.what, now.what);
                    for key in GROWS {
                        let [less, more] = [&before.config, config].map(|one| number(one, key));
                        assert!(less <= more, "{key}: {less} and {more} of {what}");
                    }
                    for key in FALLS {
                        let [less, more] = [&before.config, config].map(|one| number(one, key));
                        assert!(less >= more, "{key}: {less} and {more} of {what}");
                    }
                }
                before = Some(now);
            }
            assert!(before.is_some(), "160 GiB are enough");
        }
    }
}

#[test]
fn the_cards_of_the_presets_get_them_as_they_are() {
    for (memory, preset) in [
        (22 * GIB, "24gb"),
        (24_000_000_000, "24gb"),
        (24 * GIB, "24gb"),
        (44 * GIB, "48gb"),
        (48_000_000_000, "48gb"),
        (48 * GIB, "48gb"),
    ] {
        let derived = derived(USUAL, memory);
        assert_eq!(derived.extends, preset, "{memory}");
        assert_eq!(keys(&derived), ["preset.description"], "{memory}");
    }
}

#[test]
fn plans_decide_between_them() {
    let batches = |model: Model| -> BTreeMap<u64, (String, usize)> {
        let batch = |size: u64| {
            let derived = derived(model, size * 1_000_000_000);
            (derived.extends, derived.config.training.batch_size)
        };
        SIZES.map(|size| (size, batch(size))).into()
    };
    let usual = batches(USUAL);
    let expected = [2, 8, 8, 8, 8, 8, 16, 16, 16, 32, 32, 32];
    let found: Vec<_> = usual.values().map(|(_, batch)| *batch).collect();
    assert_eq!(found, expected);
    // One that takes three times as much for a sample.
    let heavy = batches(Model {
        sample: 3 * USUAL.sample,
        ..USUAL
    });
    assert_eq!(heavy[&10].1, 2);
    assert_eq!(heavy[&32], ("48gb".to_owned(), 16));
    assert_eq!(heavy[&48], ("48gb".to_owned(), 16));
    assert_eq!(heavy[&80].1, 16);
    assert_eq!(heavy[&141].1, 32);
}

#[test]
fn what_is_given_up_last_is_said_in_words() {
    let derived = derived(USUAL, 4 * GIB);
    assert!(!derived.config.training.tune_xvlm);
    assert_eq!(derived.config.training.batch_size, 1);
    let text = derived.toml();
    assert!(text.contains("tune_xvlm = false  # "), "{text}");
    let words = text.lines().filter_map(|line| line.strip_prefix("# "));
    let words = words.collect::<Vec<_>>().join(" ");
    assert!(words.contains("results do not compare"), "{text}");
    let at_random = "frozen at random weights, unless `xvlm.weights` names published weights";
    assert!(words.contains(at_random), "{text}");
    assert!(
        words.contains("for plan error: `24gb` (6.44 GiB), `24gb` in micro-batches of 4 samples"),
        "{text}"
    );
    assert_eq!(derived.config.dataset.image_size, 480);
}

#[test]
fn a_card_that_nothing_fits_is_told_what_would() {
    let Err(error) = USUAL.derive(GIB) else {
        panic!("nothing fits");
    };
    let DeriveError::DoesNotFit { needed_bytes, .. } = error else {
        panic!("{error}");
    };
    assert!(error.to_string().contains("needs a card of"), "{error}");
    assert!(USUAL.derive(needed_bytes).is_ok());
    // What is said is what is enough, and not rounded to less.
    let said = error.to_string();
    let (_, said) = said.rsplit_once("a card of ").expect("a size");
    let gibibytes: f64 = said.trim_end_matches(" GiB").parse().expect("a number");
    let said = (gibibytes * GIB as f64).ceil() as u64;
    assert!(
        said >= needed_bytes && USUAL.derive(said).is_ok(),
        "{error}"
    );
    for fixed in (4096..5120).step_by(37) {
        let model = Model { fixed, ..USUAL };
        let Err(DeriveError::DoesNotFit { needed_bytes, .. }) = model.derive(GIB) else {
            panic!("nothing fits");
        };
        let shown = Bytes(needed_bytes).to_string();
        let shown: f64 = shown.trim_end_matches(" GiB").parse().expect("a number");
        let shown = (shown * GIB as f64).ceil() as u64;
        assert!(model.derive(shown).is_ok(), "{fixed}: {needed_bytes}");
    }
    // Sizes are shown to a hundredth of a GiB.
    assert!(USUAL.derive(needed_bytes - GIB / 64).is_err());
}

#[test]
fn a_host_without_the_memory_preloads_nothing() {
    let card = |host_bytes| Card {
        memory_bytes: 48 * GIB,
        host_bytes,
        data: HostDemand {
            preload_bytes: 8 * GIB,
            ..HostDemand::default()
        },
    };
    let derive = |card: Card| derive(&card, &[], &mut |_| Ok(GIB)).expect("it fits");
    let ample = derive(card(Some(16 * GIB)));
    assert_eq!(ample.config.data_loading.preload_data, Preload::On);
    assert_eq!(keys(&derive(card(None))), ["preset.description"]);
    let unknown = derive(card(None)).config;
    assert_eq!(unknown.data_loading.preload_data, Preload::On);
    let scant = derive(card(Some(15 * GIB)));
    assert_eq!(scant.config.data_loading.preload_data, Preload::Off);
    let own = ["preset.description", "preset.min_host_memory"];
    assert_eq!(keys(&scant)[..2], own);
    let decision = scant.decisions.last().expect("decisions");
    assert_eq!(decision.key, "data_loading.preload_data");
    let words = "decoded images would take 8.00 GiB of the host's 15.00 GiB";
    assert_eq!(
        (&decision.value, decision.reason.as_str()),
        (&json!(false), words)
    );
}

#[test]
fn a_small_host_has_fewer_samples_waiting_and_then_fewer_workers() {
    let derive = |host_bytes: u64| {
        let card = Card {
            memory_bytes: 48 * GIB,
            host_bytes: Some(host_bytes),
            data: HostDemand {
                text_bytes: GIB / 64,
                preload_bytes: 8 * GIB,
                sample_bytes: GIB / 1024,
            },
        };
        derive(&card, &[], &mut |_| Ok(GIB))
    };
    // 64 samples of batches, and 16 workers with four micro-batches of 16 each.
    let sizes = |host_bytes: u64| {
        let config = derive(host_bytes).expect("it fits").config;
        let keys = &config.memory_optimization;
        (keys.num_workers, keys.prefetch_factor)
    };
    assert_eq!(sizes(4 * GIB), (16, 4));
    assert_eq!(sizes(2 * GIB), (16, 3));
    assert_eq!(sizes(GIB), (16, 1));
    let (workers, prefetch) = sizes(GIB / 2);
    assert!(workers < 16 && workers > 1 && prefetch == 1, "{workers}");
    let Err(error) = derive(GIB / 16) else {
        panic!("64 samples alone are more");
    };
    let DeriveError::HostTooSmall { needed_bytes, .. } = error else {
        panic!("{error}");
    };
    assert!(derive(needed_bytes).is_ok());
    assert!(derive(needed_bytes - GIB / 1024).is_err());
}
