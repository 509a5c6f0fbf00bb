use std::collections::BTreeMap;

use config_schema::{
    Became, Config, Import, Layers, MAX_TEXT_BYTES, Preload, Problem, Resolved, ScheduleKind,
    Source, import_yaml, resolve,
};
use proptest::prelude::*;

fn import(text: &str) -> Import {
    import_yaml(Source::new("theirs.yaml", text))
}

/// The imported preset, on top of the defaults alone.
#[track_caller]
fn imported(text: &str) -> Resolved {
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

/// What became of each key: the key that took it, or "-" where there is a reason why none did.
fn fates(import: &Import) -> BTreeMap<&str, &str> {
    fn fate(became: &Became) -> &str {
        match became {
            Became::Renamed { to } => to,
            Became::Taken => "taken",
            Became::Left { reason } if !reason.is_empty() => "-",
            other => panic!("{other:?}"),
        }
    }
    let keys = import.keys.iter();
    keys.map(|key| (key.name.as_str(), fate(&key.became)))
        .collect()
}

#[test]
fn a_configuration_of_xvlm_is_taken_over_key_by_key() {
    let text = include_str!("files/xvlm.yaml");
    let expected = [
        ("answer_list", "-"),
        ("batch_size_test", "evaluation.batch_size"),
        ("batch_size_train", "training.batch_size"),
        ("image_res", "dataset.image_size"),
        ("k_test", "xvlm.k_test"),
        ("max_tokens", "dataset.max_question_tokens"),
        ("num_dec_layers", "xvlm.decoder_layers"),
        ("optimizer.lr", "training.xvlm_lr"),
        ("optimizer.lr_mult", "-"),
        ("optimizer.opt", "-"),
        ("optimizer.weight_decay", "optimizer.xvlm_weight_decay"),
        ("patch_size", "-"),
        ("schedular.epochs", "training.epochs"),
        ("schedular.lr", "-"),
        ("schedular.num_warmup_steps", "schedule.warmup_fraction"),
        ("schedular.sched", "schedule.xvlm"),
        ("start_eval", "-"),
        ("test_file", "-"),
        ("text_encoder", "-"),
        ("train_file", "-"),
        ("use_swin", "-"),
        ("vg_root", "-"),
        ("vqa_root", "-"),
    ];
    assert_eq!(fates(&import(text)), BTreeMap::from(expected));
    let config = imported(text).config;
    let published = crate::resolved(&Layers::preset("24gb")).config;
    assert_eq!(config.dataset.image_size, 384);
    assert_eq!(config.dataset.max_question_tokens, 36);
    assert_eq!(
        (config.training.batch_size, config.effective_batch()),
        (16, 16)
    );
    assert_eq!(config.training.epochs, 7);
    assert_eq!(format!("{:?}", config.training.xvlm_lr), "4e-5");
    assert_eq!(
        config.training.lr.to_bits(),
        Config::default().training.lr.to_bits(),
        "of the other branch"
    );
    assert_eq!(config.evaluation.batch_size, 48);
    assert_eq!(format!("{:?}", config.optimizer.xvlm_weight_decay), "0.02");
    assert_eq!(config.schedule.xvlm, ScheduleKind::Linear);
    assert_eq!(format!("{:?}", config.schedule.warmup_fraction), "0.05");
    assert_eq!((config.xvlm.k_test, config.xvlm.decoder_layers), (96, 6));
    assert_eq!(config.xvlm.patch_size, published.xvlm.patch_size);
    // The windows of 15 cells for 480 pixels do not divide the grids of 384.
    assert_eq!(config.xvlm.window, 12);
}

#[test]
fn relatives_of_xvlm_are_understood_as_well() {
    let text = include_str!("files/albef.yaml");
    let fates_of = import(text);
    let taken = fates(&fates_of);
    for name in [
        "alpha",
        "distill",
        "warm_up",
        "eos",
        "bert_config",
        "schedular.min_lr",
        "schedular.warmup_epochs",
    ] {
        assert_eq!(taken[name], "-", "{name}");
    }
    let config = imported(text).config;
    assert_eq!((config.dataset.image_size, config.xvlm.window), (256, 8));
    assert_eq!(config.schedule.xvlm, ScheduleKind::Cosine);
    assert_eq!(format!("{:?}", config.training.xvlm_lr), "2e-5");
    assert_eq!((config.training.epochs, config.xvlm.k_test), (8, 64));

    let text = include_str!("files/pretrain.yaml");
    let fates_of = import(text);
    let taken = fates(&fates_of);
    for name in [
        "images.batch_size",
        "regions.max_words",
        "embed_dim",
        "temp",
        "k_test",
        "queue_size",
        "patch_size",
        "clip_config",
        "vision_config",
        "schedular.num_warmup_steps",
        "accelerator.SYNCBN",
    ] {
        assert_eq!(taken[name], "-", "{name}");
    }
    let config = imported(text).config;
    let default = Config::default();
    assert_eq!((config.dataset.image_size, config.xvlm.window), (224, 7));
    assert_eq!(
        (config.training.seed, config.training.update_freq),
        (42, Some(2))
    );
    assert_eq!(format!("{:?}", config.optimizer.clip_norm), "1.0");
    assert_eq!(format!("{:?}", config.optimizer.xvlm_betas), "[0.9, 0.95]");
    assert_eq!(config.xvlm.k_test, default.xvlm.k_test);
    assert_eq!(config.xvlm.embed_dim, default.xvlm.embed_dim);
    assert_eq!(
        config.schedule.warmup_fraction.to_bits(),
        default.schedule.warmup_fraction.to_bits()
    );
    assert_eq!(config.training.batch_size, default.training.batch_size);
}

#[test]
fn a_foreign_value_that_means_nothing_here_is_left_out_with_the_values_that_there_are() {
    let import = import(
        "image_res: 384\nschedular: {sched: step, num_warmup_steps: 0}\nlr_scheduler: {epochs: 3}\n",
    );
    let Became::Left { reason } = &import.keys[1].became else {
        panic!("{:?}", import.keys)
    };
    assert!(
        reason.starts_with("`schedule.xvlm` takes one of "),
        "{reason}"
    );
    let preset = import.preset.unwrap();
    assert!(preset.contains("warmup_fraction = 0.0  #"), "{preset}");
    assert!(preset.contains("epochs = 3  #"), "{preset}");
}

#[test]
fn nothing_is_proposed_that_would_not_take_the_value() {
    let help = |text: &str| match &import(text).keys[0].became {
        Became::Unknown { help } => help.clone(),
        other => panic!("{other:?}"),
    };
    assert!(
        help("image_siz: 384")
            .unwrap()
            .contains("`dataset.image_size`")
    );
    assert_eq!(help("image_siz: wide"), None);
    assert_eq!(help("image_heads_: 384"), None, "a list is wanted");
    assert_eq!(help("solver: {lr: 1e-4}"), None);
    assert!(help("trainin: {lr: 1e-4}").unwrap().contains("[training]"));
}

/// Numbered lines.
fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn too_large() {
    let large = import(&"a: 1 # x\n".repeat(10_000_000 / 9 + 1));
    let errors = large.preset.unwrap_err();
    assert!(
        matches!(errors.errors[0].problem, Problem::TooLarge { .. }),
        "{errors}"
    );
    // Near the limit the text is read, and every key is named.
    let count = MAX_TEXT_BYTES / 18;
    let text = lines(count, |index| format!("bach_size{index}: 1"));
    assert!(text.len() > MAX_TEXT_BYTES / 2);
    assert_eq!(import(&text).keys.len(), count);
}

#[test]
fn too_deep() {
    let deep = 10_000;
    for text in [
        "[".repeat(deep),
        format!("a: {}{}", "[".repeat(deep), "]".repeat(deep)),
        format!("a: {}", "{a: ".repeat(deep)),
        "- ".repeat(deep),
        "? ".repeat(deep),
        lines(1000, |level| format!("{}a:", " ".repeat(level))),
    ] {
        let errors = import(&text).preset.unwrap_err();
        assert_eq!(errors.errors[0].problem, Problem::TooDeep, "{errors}");
    }
}

/// Each line has nine times the one before.
#[test]
fn aliases_that_grow() {
    let bomb = lines(100, |level| {
        let below = format!("*a{}", level.max(1) - 1);
        format!("a{level}: &a{level} [{}]", vec![below; 9].join(", "))
    });
    let errors = import(&bomb).preset.unwrap_err();
    assert!(
        matches!(errors.errors[0].problem, Problem::Yaml { .. }),
        "{errors}"
    );
}

/// Whatever the text, places lie within it and a preset that comes out is one.
fn sound(text: &str) -> Result<(), TestCaseError> {
    let import = import(text);
    match &import.preset {
        Ok(preset) => {
            let lookup = |_: &str| Some(Source::new("imported.toml", preset.clone()));
            let again = resolve(&Layers::preset("imported"), &lookup);
            prop_assert!(again.is_ok(), "{:?}\n{}", again, preset);
        }
        Err(errors) => {
            prop_assert!(!errors.errors.is_empty());
            for error in &errors.errors {
                let (source, span) = (error.source.as_ref().unwrap(), error.span.clone().unwrap());
                prop_assert!(
                    source.text.get(span.clone()).is_some(),
                    "{:?} of {}",
                    span,
                    error
                );
                prop_assert!(!error.message().contains('\n'), "{:?}", error.message());
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_text(text in "\\PC{0,200}") {
        sound(&text)?;
    }

    #[test]
    fn text_of_yaml_letters(text in "[\\[\\]{}:\"'.,#&*!?|>%@a-z0-9_\n\r\t -]{0,200}") {
        sound(&text)?;
    }

    #[test]
    fn damaged_text(start in 0..700_usize, count in 0..40_usize, inserted in "[\\[\\]{}:\"'#&*!|>éa-z0-9\n\r -]{0,6}") {
        let text = include_str!("files/24gb.yaml");
        let floor = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        let (start, end) = (floor(start), floor(start + count));
        sound(&format!("{}{inserted}{}", &text[..start], &text[end..]))?;
    }
}

#[test]
fn a_side_that_no_window_divides_is_refused() {
    for (side, help) in [(500, "480 or 512"), (385, "384 or 416"), (40, "32 or 64")] {
        let import = import(&format!("image_res: {side}\nbatch_size_train: 4\n"));
        let errors = import.preset.expect_err("no encoder can be built").errors;
        let message = errors[0].message();
        assert!(message.contains("multiple of 32"), "{message}");
        assert!(message.contains(&side.to_string()), "{message}");
        assert!(
            errors[0].help.as_ref().unwrap().contains(help),
            "{errors:?}"
        );
    }
    // The key of this program has any size: its own image encoders take others.
    assert!(import("dataset: {image_size: 500}\n").preset.is_ok());
}

#[test]
fn a_foreign_configuration_is_a_family_of_its_own() {
    let config = imported(include_str!("files/xvlm.yaml")).config;
    assert_ne!(config.family.name, Config::default().family.name);
    assert_eq!(config.family.effective_batch, config.effective_batch());
    let stated = imported("image_res: 384\nfamily: {name: mine}\n").config;
    assert_eq!(stated.family.name, "mine");
    let own = imported("training: {batch_size: 4}\n").config;
    assert_eq!(own.family.name, Config::default().family.name);
}
