//! YAML becomes a preset.

use config_schema::{Layers, Preload, Resolved, Source, resolve};
use preset_tools::{Became, Import, import_yaml};

pub fn import(text: &str) -> Import {
    import_yaml(Source::new("theirs.yaml", text))
}

/// The imported preset, on top of the defaults alone.
#[track_caller]
pub fn imported(text: &str) -> Resolved {
    let preset = import(text)
        .preset
        .unwrap_or_else(|errors| panic!("{errors}"));
    let lookup = |_: &str| Some(Source::new("imported.toml", preset.clone()));
    resolve(&Layers::preset("imported"), &lookup)
        .unwrap_or_else(|errors| panic!("{errors}\n{preset}"))
}

/// The only problem of a text that cannot be imported, with its line.
#[track_caller]
fn check(text: &str, line: usize, expected: &str) {
    let errors = import(text).preset.expect_err("it is refused").errors;
    let [error] = &errors[..] else {
        panic!("{errors:?}")
    };
    let (source, span) = (error.source.as_ref().unwrap(), error.span.clone().unwrap());
    let message = format!("{}: {}", source.line_column(span.start).0, error.message());
    assert!(
        message.starts_with(&format!("{line}: {expected}")),
        "{message}"
    );
}

#[test]
fn the_blocks_of_the_guide_by_hand_are_the_presets() {
    for (name, text) in [
        ("48gb", include_str!("files/48gb.yaml")),
        ("24gb", include_str!("files/24gb.yaml")),
    ] {
        let import = import(text);
        assert_eq!(import.keys.len(), 10);
        assert!(
            import.keys.iter().all(|key| key.became == Became::Taken),
            "{:?}",
            import.keys
        );
        let (found, preset) = (
            imported(text).config,
            crate::resolved(&Layers::preset(name)).config,
        );
        assert_eq!(
            found.memory_optimization, preset.memory_optimization,
            "{name}"
        );
        assert_eq!(found.data_loading, preset.data_loading, "{name}");
    }
}

#[test]
fn keys_of_training_and_model_may_stand_at_the_top_level() {
    let sections = "
training:
  batch_size: 16
  update_freq: 2
  lr: 3.2e-4
  xvlm_lr: 6e-5
model:
  AOA_layers: 6
  num_hid: 1024
  dropout: 0.45
";
    let top = sections
        .replace("training:\n", "")
        .replace("model:\n", "")
        .replace("  ", "");
    let preset = crate::resolved(&Layers::preset("48gb")).config;
    for (text, renamed) in [(sections, 1), (&top, 7)] {
        let found = imported(text).config;
        assert_eq!(
            (&found.training, &found.model),
            (&preset.training, &preset.model)
        );
        let keys = import(text).keys;
        let count = keys
            .iter()
            .filter(|key| matches!(key.became, Became::Renamed { .. }))
            .count();
        assert_eq!((keys.len(), count), (7, renamed), "{keys:?}");
    }
}

#[test]
fn every_key_has_its_fate() {
    let text = "\
AOA_layers: 4   # from the paper
training:
  bach_size: 8
  lr: null
optimizer_config:
  kind: adamax
zebra: [1, 2]
warmup: {steps: 3}
";
    let import = import(text);
    let fates: Vec<(&str, usize, &Became)> = import
        .keys
        .iter()
        .map(|key| (key.name.as_str(), key.line, &key.became))
        .collect();
    let renamed = Became::Renamed {
        to: "model.aoa_layers".to_owned(),
    };
    assert_eq!(fates[0], ("AOA_layers", 1, &renamed));
    assert_eq!((fates[1].0, fates[1].1), ("training.bach_size", 3));
    let Became::Unknown { help: Some(help) } = fates[1].2 else {
        panic!("{fates:?}")
    };
    assert!(help.starts_with("did you mean `batch_size`?"), "{help}");
    assert_eq!(fates[2], ("training.lr", 4, &Became::Unset));
    let unknown: Vec<_> = fates[3..].iter().map(|fate| (fate.0, fate.1)).collect();
    assert_eq!(
        unknown,
        [
            ("optimizer_config.kind", 6),
            ("zebra", 7),
            ("warmup.steps", 8)
        ]
    );
    assert!(
        fates[3..]
            .iter()
            .all(|fate| matches!(fate.2, Became::Unknown { .. }))
    );
    let preset = import.preset.unwrap();
    assert_eq!(
        preset,
        "# Imported from theirs.yaml.\n\n[preset]\ndescription = \"Imported from theirs.yaml\"\n\n\
         [model]\naoa_layers = 4  # from the paper\n"
    );
}

#[test]
fn a_key_without_comment_gets_one() {
    let preset = import("training: {seed: 3}").preset.unwrap();
    assert!(
        preset.ends_with("\nseed = 3  # Seed of initial weights, sample order and dropout\n"),
        "{preset}"
    );
}

#[test]
fn values_are_read_as_yaml_has_them() {
    let found = imported(
        "
data_loading: {preload_data: yes, use_compression: Off}
optimizer:
  fine_betas:
    - 0.9
    - .99
  xvlm_eps: 1.e-9
schedule: {cfr_warmup_factors: [1, 2.5]}
dataset: {name: 'folder', root: data/数据, shapes_seed: 0x10}
training: {seed: 007, max_steps: 1_000}
model:
",
    );
    let config = found.config;
    assert_eq!(config.data_loading.preload_data, Preload::On);
    assert!(!config.data_loading.use_compression);
    let optimizer = &config.optimizer;
    let shown = format!("{:?} {:?}", optimizer.fine_betas, optimizer.xvlm_eps);
    assert_eq!(shown, "[0.9, 0.99] 1e-9");
    let factors = format!("{:?}", config.schedule.cfr_warmup_factors);
    assert_eq!(factors, "[1.0, 2.5]");
    assert_eq!(
        (config.dataset.root.as_str(), config.dataset.shapes_seed),
        ("data/数据", 16)
    );
    assert_eq!((config.training.seed, config.training.max_steps), (7, 1000));
}

#[test]
fn wrong_values_are_errors_at_their_line() {
    check(
        "a: 1\ntraining:\n  batch_size: 0\n",
        3,
        "`training.batch_size` = 0 is out of range",
    );
    check(
        "lr: fast\n",
        1,
        "`training.lr` must be a number, got the string \"fast\"",
    );
    check(
        "# 注释\nmax_memory_usage: 1.5 # 太多\n",
        2,
        "`memory_optimization.max_memory_usage` = 1.5",
    );
    check(
        "dropout: .nan\n",
        1,
        "`model.dropout` = nan is out of range",
    );
    check(
        "dropout: .inf\n",
        1,
        "`model.dropout` = inf is out of range",
    );
    check(
        "\ndataset: {name: shape}\n",
        2,
        "`dataset.name` cannot be \"shape\"",
    );
    check(
        "batch_size: {a: 1}\n",
        1,
        "`training.batch_size` must be an integer, got a table",
    );
    check(
        "optimizer:\n  fine_betas:\n  - 0.9\n",
        3,
        "`optimizer.fine_betas` has 1 elements",
    );
    check(
        "lr: 1e-3\ntraining: {lr: 1e-4}\n",
        2,
        "`training.lr` is stated twice",
    );
    check(
        "update_freq: 2\ngradient_accumulation_steps: 3\n",
        2,
        "`training.update_freq` = 2 (theirs.yaml:1)",
    );
    check(
        "num_hid: 100\n",
        1,
        "`model.heads = 8` (default) does not divide",
    );
    // All of them at once, and the fate of every key is told all the same.
    let import = import("lr: -1\nzebra: 1\nepochs: 0\nseed: 1\n");
    assert_eq!(import.preset.unwrap_err().errors.len(), 2);
    let refused = import
        .keys
        .iter()
        .filter(|key| key.became == Became::Refused)
        .count();
    assert_eq!((import.keys.len(), refused), (4, 2));
}

#[test]
fn a_key_may_be_written_with_its_section() {
    let text = "Training.LR: 1e-3\nmemory-optimization.num_workers: 3\ntraining.bach_size: 4\nzebra.lr: 1\n";
    let config = imported(text).config;
    let rate = format!("{:?}", config.training.lr);
    assert_eq!(
        (rate.as_str(), config.memory_optimization.num_workers),
        ("0.001", 3)
    );
    let keys = import(text).keys;
    let Became::Unknown { help: Some(help) } = &keys[2].became else {
        panic!("{keys:?}")
    };
    assert!(help.starts_with("did you mean `batch_size`?"), "{help}");
    // What a section that there is not has under a name says nothing of the key of that name.
    assert_eq!(keys[3].became, Became::Unknown { help: None });
    let import = import("training.lr: 1e-3");
    assert_eq!(import.keys[0].became, Became::Taken);
    check(
        "lr: 1e-3\ntraining.lr: 1e-4\n",
        2,
        "`training.lr` is stated twice",
    );
}

#[test]
fn a_file_of_which_nothing_is_taken_makes_no_preset() {
    for text in [
        "zebra: 1\n",
        "training: {bach_size: 4}",
        "lr:\nmodel:\n",
        "{}",
    ] {
        check(text, 1, "none of its keys was taken");
    }
}

#[test]
fn what_is_no_plain_yaml() {
    check("training: {lr: 1\n", 2, "cannot be read as YAML: ");
    check("a: &x 1\nb: *x\n", 2, "cannot be read as YAML: aliases");
    check("lr: !!float 3\n", 1, "cannot be read as YAML: tags");
    check(
        "lr: 1\n---\nlr: 2\n",
        2,
        "cannot be read as YAML: a second document",
    );
    check(
        "- 1\n",
        1,
        "cannot be read as YAML: expected sections and keys",
    );
    check(
        "# nothing\n",
        1,
        "cannot be read as YAML: there are no keys in it",
    );
    check(
        "? [1, 2]\n: 3\n",
        1,
        "cannot be read as YAML: a key must be a word",
    );
}
