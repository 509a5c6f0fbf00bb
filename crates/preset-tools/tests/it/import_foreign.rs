//! Configurations of other programs, key by key.

use std::collections::BTreeMap;

use config_schema::{Config, Layers, PrecisionMode, ScheduleKind};
use preset_tools::{Became, Import};

use crate::import::{import, imported};

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
    assert_eq!(config.precision.mode, PrecisionMode::F16);
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
fn switches_of_mixed_precision_are_the_mode_that_they_mean() {
    use PrecisionMode::{Bf16, F16, F32};
    for (text, mode) in [
        ("fp16: true", F16),
        ("amp: False", F32),
        ("use_amp: yes", F16),
        ("bf16: true", Bf16),
        ("mixed_precision: BF16", Bf16),
        ("mixed_precision: no", F32),
        ("precision: 16", F16),
        ("precision: bf16-mixed", Bf16),
        ("accelerator: {FP16_OPT_LEVEL: O0}", F32),
        ("accelerator: {FP16_OPT_LEVEL: O2}", F16),
    ] {
        let config = imported(&format!("image_res: 224\n{text}\n")).config;
        assert_eq!(config.precision.mode, mode, "{text}");
    }
    for text in [
        "accelerator: {FP16_OPT_LEVEL: O3}",
        "amp: [1]",
        "dtype: int8",
    ] {
        let import = import(&format!("image_res: 224\n{text}\n"));
        let Became::Left { reason } = &import.keys[1].became else {
            panic!("{:?}", import.keys)
        };
        assert!(
            reason.starts_with("`precision.mode` takes one of "),
            "{reason}"
        );
    }
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

#[test]
fn an_effective_batch_says_where_it_comes_from() {
    let check = |yaml: &str, expected: &str| {
        let preset = import(yaml).preset.expect("a preset");
        let line = preset
            .lines()
            .find(|line| line.starts_with("effective_batch = "));
        let line = line.unwrap_or_else(|| panic!("{preset}"));
        assert!(line.ends_with(expected), "{line}");
    };
    let neither = "  # the default: the file states neither batch size nor accumulation";
    check("image_res: 384\n", &format!("= 8{neither}"));
    let size = "  # the `batch_size` of the file, in one step: it states no accumulation";
    check(
        "image_res: 384\nbatch_size_train: 4\n",
        &format!("= 4{size}"),
    );
    let steps = "  # the accumulation of the file times the default `training.batch_size`";
    check(
        "image_res: 384\ntraining: {update_freq: 3}\n",
        &format!("= 24{steps}"),
    );
    let both = "image_res: 384\nbatch_size_train: 4\ntraining: {update_freq: 3}\n";
    check(both, "= 12  # as the file has it");
}
