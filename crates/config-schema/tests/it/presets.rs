use std::{collections::BTreeSet, path::Path};

use config_schema::{Config, Layers, Preload, preset_summaries, presets};

use crate::resolved;

fn embedded(name: &str) -> Config {
    resolved(&Layers::preset(name)).config
}

#[test]
fn every_file_is_embedded_and_every_embedded_preset_resolves() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.insert(path.file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
    let names: BTreeSet<String> = presets::embedded()
        .iter()
        .map(|preset| preset.name.to_owned())
        .collect();
    assert_eq!(files, names);
    for preset in presets::embedded() {
        let resolved = resolved(&Layers::preset(preset.name));
        assert_eq!(resolved.preset, preset.name);
        assert!(
            !resolved.config.preset.description.is_empty(),
            "{}",
            preset.name
        );
    }
}

#[test]
fn the_table_of_the_design() {
    /// A row of the table: a key, its reading, and its value in 48gb, 24gb, 24gb-headroom, 24gb-tight.
    fn check(key: &str, read: impl Fn(&Config) -> String, expected: [&str; 4]) {
        let found =
            ["48gb", "24gb", "24gb-headroom", "24gb-tight"].map(|name| read(&embedded(name)));
        assert_eq!(found, expected, "{key}");
    }
    let no = "false";
    let yes = "true";
    check(
        "batch_size",
        |c| c.training.batch_size.to_string(),
        ["16", "8", "10", "6"],
    );
    check(
        "update_freq",
        |c| format!("{:?}", c.training.update_freq),
        ["Some(2)", "Some(4)", "Some(3)", "Some(5)"],
    );
    check(
        "gradient_accumulation_steps",
        |c| format!("{:?}", c.memory_optimization.gradient_accumulation_steps),
        ["Some(2)", "Some(4)", "Some(3)", "Some(5)"],
    );
    check(
        "dynamic_batch_size",
        |c| c.memory_optimization.dynamic_batch_size.to_string(),
        [no, yes, yes, yes],
    );
    check(
        "max_memory_usage",
        |c| c.memory_optimization.max_memory_usage.to_string(),
        ["0.95", "0.85", "0.85", "0.8"],
    );
    check(
        "memory_efficient_attention",
        |c| c.memory_optimization.memory_efficient_attention.to_string(),
        [no, yes, yes, yes],
    );
    check(
        "gradient_checkpointing",
        |c| c.memory_optimization.gradient_checkpointing.to_string(),
        [no, yes, yes, yes],
    );
    check(
        "num_workers",
        |c| c.memory_optimization.num_workers.to_string(),
        ["16", "8", "10", "8"],
    );
    check(
        "prefetch_factor",
        |c| c.memory_optimization.prefetch_factor.to_string(),
        ["4", "2", "2", "2"],
    );
    check(
        "lr",
        |c| c.training.lr.to_string(),
        ["0.00032", "0.00025", "0.00025", "0.00025"],
    );
    check(
        "xvlm_lr",
        |c| c.training.xvlm_lr.to_string(),
        ["0.00006", "0.00005", "0.00005", "0.00005"],
    );
    check(
        "aoa_layers",
        |c| c.model.aoa_layers.to_string(),
        ["6", "4", "4", "4"],
    );
    check(
        "num_hid",
        |c| c.model.num_hid.to_string(),
        ["1024", "768", "768", "768"],
    );
    check(
        "dropout",
        |c| c.model.dropout.to_string(),
        ["0.45", "0.4", "0.4", "0.4"],
    );
    check(
        "preload_data",
        |c| (c.data_loading.preload_data == Preload::On).to_string(),
        [yes, no, no, no],
    );
    check(
        "use_compression",
        |c| c.data_loading.use_compression.to_string(),
        [no, yes, yes, yes],
    );
    check(
        "shuffle_buffer_size",
        |c| c.data_loading.shuffle_buffer_size.to_string(),
        ["5000", "2000", "2000", "2000"],
    );
}

#[test]
fn summaries() {
    let summaries = preset_summaries().unwrap();
    let found: Vec<(&str, Option<u64>)> = summaries
        .iter()
        .map(|summary| (summary.name.as_str(), summary.min_device_memory))
        .collect();
    let expected = [
        ("48gb", Some(44 << 30)),
        ("24gb", Some(22 << 30)),
        ("24gb-headroom", Some(22 << 30)),
        ("24gb-tight", Some(22 << 30)),
        ("cpu", None),
        ("cpu-both", None),
    ];
    assert_eq!(found, expected);
    let descriptions: BTreeSet<&str> = summaries
        .iter()
        .map(|summary| summary.description.as_str())
        .collect();
    assert_eq!(
        descriptions.len(),
        summaries.len(),
        "an overlay has its own description"
    );
}
