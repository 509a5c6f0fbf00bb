//! Presets derived for cards of every size, with the plans of the real model.

use std::collections::HashMap;

use aoa_model::Vqa;
use config_schema::{Config, Layers, Preload, Source, presets, resolve, value};
use data_pipeline::Encoder;
use preset_tools::preset_check::{Demand, Finding, PresetCheck, PresetFile};
use serde_json::Value;
use trainer::derive::{Card, Derived, HostDemand, derive};
use trainer::host::{Data, HostNeeds};
use trainer::memory::budget;
use trainer::plan::{WorstCase, plan};
use trainer::{Dataset, training_encoder};

use crate::COUNT;

/// Cards by the size they are sold as, in GB.
const SIZES: [u64; 12] = [8, 10, 12, 16, 20, 24, 32, 40, 48, 80, 96, 141];

/// Plans peaks, each but once: neither what a preset is for nor its budget is a matter of the plan.
struct Planner {
    dataset: Dataset,
    peaks: HashMap<String, u64>,
}

impl Planner {
    fn new() -> Self {
        let preset = resolve(&Layers::preset("24gb"), &presets::lookup).expect("a preset");
        Self {
            dataset: Dataset::open(&preset.config).expect("a data set"),
            peaks: HashMap::new(),
        }
    }

    fn peak(&mut self, config: &Config) -> u64 {
        let mut planned = config.clone();
        planned.preset = Config::default().preset;
        planned.memory_optimization.max_memory_usage = 1.0;
        let key = config_schema::to_toml(&planned);
        if let Some(bytes) = self.peaks.get(&key) {
            return *bytes;
        }
        let worst = WorstCase::of(&self.encoder(config), self.dataset.train.samples());
        let bytes = plan::<Vqa>(config, &worst).expect("a model").peak_bytes;
        self.peaks.insert(key, bytes);
        bytes
    }

    fn encoder(&self, config: &Config) -> Encoder {
        training_encoder::<Vqa>(config, self.dataset.train.as_ref()).expect("words")
    }

    /// What the check of presets asks for.
    fn demand(&mut self, config: &Config) -> Demand {
        let data = Data {
            dataset: self.dataset.clone(),
            encoder: self.encoder(config),
            bytes: 0,
        };
        let host = HostNeeds::of(config, &data).plan(None);
        let preloads = config.data_loading.preload_data == Preload::On;
        Demand {
            peak_bytes: Some(self.peak(config)),
            budget_bytes: budget(config, config.preset.min_device_memory.bytes()),
            preload_bytes: preloads.then_some(host.preloaded_bytes),
            queue_bytes: Some(host.total_bytes - host.preloaded_bytes),
            ..Demand::default()
        }
    }
}

fn resolved(derived: &Derived) -> Config {
    let text = derived.toml();
    let lookup = |name: &str| match name {
        "derived" => Some(Source::new("derived.toml", text.clone())),
        other => presets::lookup(other),
    };
    match resolve(&Layers::preset("derived"), &lookup) {
        Ok(resolved) => resolved.config,
        Err(errors) => panic!("{errors}\n{text}"),
    }
}

/// Keys that scale with the memory; `false` for those that fall as it grows.
const MONOTONE: [(&str, bool); 16] = [
    ("training.batch_size", true),
    ("training.lr", true),
    ("training.xvlm_lr", true),
    ("training.tune_xvlm", true),
    ("model.aoa_layers", true),
    ("model.num_hid", true),
    ("dataset.image_size", true),
    ("memory_optimization.max_memory_usage", true),
    ("memory_optimization.num_workers", true),
    ("memory_optimization.prefetch_factor", true),
    ("data_loading.preload_data", true),
    ("data_loading.shuffle_buffer_size", true),
    ("memory_optimization.dynamic_batch_size", false),
    ("memory_optimization.memory_efficient_attention", false),
    ("memory_optimization.gradient_checkpointing", false),
    ("data_loading.use_compression", false),
];

fn number(config: &Config, key: &str) -> f64 {
    match value(config, key) {
        Some(Value::Bool(on)) => f64::from(u8::from(on)),
        Some(other) => other.as_f64().unwrap_or_else(|| panic!("{key} = {other}")),
        None => panic!("no {key}"),
    }
}

#[test]
fn every_size_of_card_gets_a_preset_that_fits() {
    let _count = COUNT.lock();
    let mut planner = Planner::new();
    let mut before: Option<(u64, Config)> = None;
    let mut files = Vec::new();
    for gigabytes in SIZES {
        let card = Card {
            memory_bytes: gigabytes * 1_000_000_000,
            host_bytes: None,
            data: HostDemand::default(),
        };
        let derived = derive(&card, &[], &mut |config| Ok(planner.peak(config)));
        let derived = derived.unwrap_or_else(|error| panic!("{gigabytes}: {error}"));
        let config = resolved(&derived);
        #[expect(clippy::print_stdout, reason = "the table is what the test shows")]
        {
            println!(
                "{gigabytes:>3} GB  {:.2} of {:.2} GiB  {}",
                derived.peak_bytes as f64 / f64::from(1 << 30),
                derived.budget_bytes as f64 / f64::from(1 << 30),
                derived.what
            );
        }
        assert_eq!(config, derived.config, "{gigabytes}: the text says it all");
        assert_eq!(config.effective_batch(), 32, "{gigabytes}");
        let budget = budget(&config, Some(card.memory_bytes)).expect("a budget");
        assert_eq!(derived.budget_bytes, budget, "{gigabytes}");
        assert!(
            derived.fits && planner.peak(&config) <= budget,
            "{gigabytes}"
        );
        for decision in &derived.decisions {
            let explained = !decision.reason.is_empty() || decision.key == "preset.description";
            assert!(explained, "{gigabytes}: {decision:?}");
        }
        if let Some((smaller, less)) = &before {
            for (key, grows) in MONOTONE {
                let [less, more] = [number(less, key), number(&config, key)];
                let right = if grows { less <= more } else { less >= more };
                assert!(
                    right,
                    "{key}: {less} at {smaller} GB, {more} at {gigabytes} GB"
                );
            }
        }
        if let 24 | 48 = gigabytes {
            let own = resolve(&Layers::preset(format!("{gigabytes}gb")), &presets::lookup);
            let mut own = own.expect("a preset").config;
            own.preset
                .description
                .clone_from(&config.preset.description);
            assert_eq!(own, config, "{gigabytes}: as the preset");
            let keys = derived.decisions.iter().map(|one| one.key.as_str());
            assert_eq!(keys.collect::<Vec<_>>(), ["preset.description"]);
        }
        files.push(PresetFile {
            path: format!("derived/{gigabytes}.toml"),
            content: Ok(derived.toml().into_bytes()),
        });
        before = Some((gigabytes, config));
    }
    let check = PresetCheck {
        folder: "derived",
        files: &files,
        own: false,
        elsewhere: &presets::lookup,
        left_out: &[],
    };
    let verdict = check.run(&mut |_, config| planner.demand(config));
    let findings = verdict.findings.iter().map(Finding::message);
    assert_eq!(findings.collect::<Vec<_>>(), [""; 0]);
    assert_eq!(verdict.presets.len(), SIZES.len());
}
