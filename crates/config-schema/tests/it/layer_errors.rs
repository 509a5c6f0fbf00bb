//! Errors of presets, overrides and the environment, and those of several layers together.

use config_schema::{Layers, Source, resolve};

use crate::errors::{check, check_errors, user};
use crate::{lookup_in, refused, with_environment, with_sets, with_user};

#[test]
fn presets() {
    user(
        "extends = '24bg'",
        "user.toml:1:11: unknown preset `24bg`",
        "'24bg'",
        "did you mean \"24gb\"? (known: \"48gb\", \"24gb\", \"24gb-headroom\", \"24gb-tight\", \"cpu\", \"cpu-both\")",
    );
    check(
        &Layers::preset("48GB"),
        "--preset:1:1: unknown preset `48GB`",
        "48GB",
        "did you mean \"48gb\"?",
    );
    let conflict = Layers {
        preset: Some("48gb".to_owned()),
        ..with_user("extends = '24gb'")
    };
    check(
        &conflict,
        "user.toml:1:11: preset `48gb` was asked for, but the file extends `24gb`",
        "'24gb'",
        "one place only",
    );
    let fallback = Layers {
        fallback_preset: "none".to_owned(),
        ..Layers::default()
    };
    check(&fallback, "unknown preset `none`", "", "known: ");
}

#[test]
fn extends_in_a_circle() {
    #[track_caller]
    fn circle(presets: &[(&str, &str)], line: &str, at: &str) {
        let errors = resolve(&Layers::preset("a"), &lookup_in(presets)).unwrap_err();
        check_errors(&errors, line, at, "take one `extends` out");
    }
    circle(
        &[("a", "extends = 'a'")],
        "configs/a.toml:1:11: `extends` is circular: a -> a",
        "'a'",
    );
    circle(
        &[
            ("a", "extends = 'b'"),
            ("b", "extends = 'c'"),
            ("c", "\nextends = 'b'"),
        ],
        "configs/c.toml:2:11: `extends` is circular: a -> b -> c -> b",
        "'b'",
    );
}

#[test]
fn only_presets_that_are_there_are_suggested() {
    let errors = resolve(&Layers::preset("24"), &lookup_in(&[("48gb", "")])).unwrap_err();
    check_errors(
        &errors,
        "--preset:1:1: unknown preset `24`",
        "24",
        "known: \"48gb\"",
    );
    assert!(!errors.errors[0].help.as_ref().unwrap().contains("24gb"));
}

#[test]
fn overrides() {
    #[track_caller]
    fn set(text: &str, line: &str, at: &str, help: &str) {
        check(&with_sets(&[text]), line, at, help);
    }
    set(
        "training.bach=4",
        "--set:1:1: unknown key `training.bach`",
        "training.bach",
        "",
    );
    set(
        "precision=bf16",
        "--set:1:1: unknown key `precision`",
        "precision",
        "`precision.mode`",
    );
    set("lr=4", "--set:1:1: unknown key `lr`", "lr", "`training.lr`");
    set(
        "trainig.lr=4",
        "--set:1:1: unknown section `trainig`",
        "trainig.lr",
        "[training]",
    );
    set(
        "x.AOA_layers=4",
        "--set:1:1: unknown section `x`",
        "x.AOA_layers",
        "`model.aoa_layers`",
    );
    set(
        "training.lr",
        "--set:1:1: `training.lr` is not of the form section.key=value",
        "training.lr",
        "--set ",
    );
    set(
        "",
        "--set:1:1: `` is not of the form section.key=value",
        "",
        "--set ",
    );
    set(
        "extends=24gb",
        "--set:1:1: `extends` can only be stated in a file",
        "extends",
        "--preset",
    );
    set(
        "training.lr=fast",
        "--set:1:13: `training.lr` must be a number, got `fast`",
        "fast",
        "above 0.0",
    );
    set(
        "training.lr=",
        "--set:1:13: `training.lr` must be a number, got ``",
        "",
        "above 0.0",
    );
    set(
        "training.epochs=  0",
        "--set:1:19: `training.epochs` = 0 is out of range: expected an integer from 1 to 100000",
        "0",
        "Passes",
    );
    set(
        "optimizer.fine_betas=[0.9, 7]",
        "--set:1:28: `optimizer.fine_betas` = 7 is out of range: expected a number of at least 0.0 and at most 0.999999",
        "7",
        "Decay",
    );
    set(
        "dataset.name=coco",
        "--set:1:14: `dataset.name` cannot be \"coco\"",
        "coco",
        "known: ",
    );
    set(
        "training.lr=1\ntraining.seed=2",
        "--set:1:13: `training.lr` must be a number, got `1\\ntraining.seed=2`",
        "1\ntraining.seed=2",
        "",
    );
}

#[test]
fn environment() {
    #[track_caller]
    fn variable(name: &str, value: &str, line: &str, at: &str, help: &str) {
        check(&with_environment(&[(name, value)]), line, at, help);
    }
    variable(
        "AOA_TRAINING__BACH_SIZE",
        "4",
        "environment:1:1: unknown key `training.bach_size`",
        "AOA_TRAINING__BACH_SIZE",
        "did you mean `batch_size`?",
    );
    variable(
        "AOA_TRAIN__LR",
        "4",
        "environment:1:1: unknown section `train`",
        "AOA_TRAIN__LR",
        "`training.lr`",
    );
    variable(
        "AOA_TRAINING__LR",
        "fast",
        "environment:1:18: `training.lr` must be a number, got `fast`",
        "fast",
        "above 0.0",
    );
    let twice = with_environment(&[("AOA_TRAINING__LR", "1e-3"), ("AOA_training__lr", "1e-4")]);
    check(
        &twice,
        "environment:1:1: `training.lr` is stated twice",
        "AOA_training__lr",
        "",
    );
}

#[test]
fn values_that_cannot_work_together() {
    user(
        "model.heads = 5",
        "user.toml:1:15: `model.heads = 5` (user.toml:1) does not divide `model.num_hid = 768` (preset 24gb, \
         configs/24gb.toml:28)",
        "5",
        "model.heads = 4",
    );
    let layers = Layers {
        sets: vec!["model.num_hid=100".to_owned()],
        ..with_user("model.heads = 8")
    };
    check(
        &layers,
        "--set:1:15: `model.heads = 8` (user.toml:1) does not divide `model.num_hid = 100` (--set model.num_hid=100)",
        "100",
        "model.heads = 5",
    );
    user(
        "training.update_freq = 2\nmemory_optimization.gradient_accumulation_steps = 3",
        "user.toml:2:51: `training.update_freq` = 2 (user.toml:1) and \
         `memory_optimization.gradient_accumulation_steps` = 3 (user.toml:2) are one fact and must be equal",
        "3",
        "the other is derived",
    );
    user(
        "xvlm.text_heads = 7",
        "user.toml:1:19: `xvlm.text_heads = 7` (user.toml:1) does not divide `xvlm.text_hidden = 768` (default)",
        "7",
        "xvlm.text_heads = 6",
    );
    user(
        "xvlm.fusion_layer = 12",
        "user.toml:1:21: `xvlm.fusion_layer = 12` (user.toml:1) is not below `xvlm.text_layers = 12` (default)",
        "12",
        "looks at the image",
    );
    user(
        "training.tune_xvlm = false\nmodel.branches = 'coarse'",
        "user.toml:2:18: `training.tune_xvlm = false` (user.toml:1) leaves nothing to train in \
         `model.branches = \"coarse\"` (user.toml:2)",
        "'coarse'",
        "add the fine one",
    );
    user(
        "training.xvlm_lr = 0\nmodel.branches = 'coarse'",
        "user.toml:2:18: `training.xvlm_lr = 0.0` (user.toml:1) leaves nothing to train in \
         `model.branches = \"coarse\"` (user.toml:2)",
        "'coarse'",
        "add the fine one",
    );
    user(
        "xvlm.weights = 'x.pth'\nmodel.branches = 'fine'",
        "user.toml:2:18: `xvlm.weights = \"x.pth\"` (user.toml:1) has no place in `model.branches = \"fine\"` (user.toml:2)",
        "'fine'",
        "need the coarse branch",
    );
    user(
        "model.image_encoder = 'grid'\nxvlm.weights = 'x.pth'",
        "user.toml:1:23: `xvlm.weights = \"x.pth\"` (user.toml:2) has no place in \
         `model.image_encoder = \"grid\"` (user.toml:1)",
        "'grid'",
        "model.image_encoder = \"swin\"",
    );
}

/// A rule is not applied to a value that nobody wrote: here the default of 8 heads, while 768 % 7 is what was meant.
#[test]
fn rules_wait_for_known_values() {
    user(
        "[model]\nnum_hid = 100\nheads = 'five'",
        "user.toml:3:9: `model.heads` must be an integer, got the string \"five\"",
        "'five'",
        "from 1 to 256",
    );
    let errors = refused(&with_user("extends = 'none'\nmodel.num_hid = 100"));
    assert_eq!(errors.errors.len(), 1, "{errors}");
}

#[test]
fn all_errors_at_once_layer_by_layer() {
    let presets = [
        ("base", "[training]\nseed = -1"),
        ("over", "extends = 'base'\n[model]\nheads = 0"),
    ];
    let layers = Layers {
        user: Some(Source::new(
            "user.toml",
            "zebra = 1\n[training]\nlr = nan\nepochs = 0",
        )),
        environment: vec![("AOA_TRAINING__LR".to_owned(), "x".to_owned())],
        sets: vec!["training.lr=y".to_owned(), "a".to_owned()],
        ..Layers::preset("over")
    };
    let errors = resolve(&layers, &lookup_in(&presets))
        .unwrap_err()
        .to_string();
    let places: Vec<String> = errors
        .lines()
        .map(|line| line.split(": ").next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(
        places,
        [
            "configs/over.toml:3:9",
            "configs/base.toml:2:8",
            "user.toml:1:1",
            "user.toml:3:6",
            "user.toml:4:10",
            "environment:1:18",
            "--set:1:13",
            "--set:1:1",
        ]
    );
}

/// A variable that was meant to be read is not left out in silence.
#[test]
fn variables_without_the_two_underscores() {
    for (name, meant) in [
        ("AOA_TRAINING_LR", "AOA_TRAINING__LR"),
        (
            "AOA_DATA_LOADING_PRELOAD_DATA",
            "AOA_DATA_LOADING__PRELOAD_DATA",
        ),
        ("AOA_TRAINING_BACH_SIZE", "AOA_TRAINING__BATCH_SIZE"),
        ("AOA_training_seed", "AOA_TRAINING__SEED"),
    ] {
        let layers = Layers {
            environment: vec![(name.to_owned(), "1".to_owned())],
            ..Layers::preset("cpu")
        };
        let error = &refused(&layers).errors[0];
        assert_eq!(error.message(), format!("unknown key `{name}`"));
        let help = error.help.as_deref().unwrap_or_default();
        assert!(
            help.starts_with(&format!("did you mean {meant}?")),
            "{help}"
        );
    }
    let names = ["AOA_HOME", "AOA_TRAINING__LR", "HOME"];
    let variables = names.map(|name| (name.to_owned(), String::new()));
    assert_eq!(config_schema::unread_variables(&variables), ["AOA_HOME"]);
}
