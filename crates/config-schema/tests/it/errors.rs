use config_schema::{ConfigError, ConfigErrors, Layers, Problem, Source, resolve};

use crate::{lookup_in, refused, resolved, with_environment, with_sets, with_user};

/// The one error of these layers: its line as printed, the text it points at, and a part of its help.
#[track_caller]
fn check(layers: &Layers, line: &str, at: &str, help: &str) {
    check_errors(&refused(layers), line, at, help);
}

#[track_caller]
fn check_errors(errors: &ConfigErrors, line: &str, at: &str, help: &str) {
    assert_eq!(errors.to_string(), line);
    let error = &errors.errors[0];
    let span = error.span.clone().unwrap_or_default();
    let source = error.source.as_ref().map_or("", |source| &source.text);
    assert_eq!(&source[span], at, "{line}");
    let found = error.help.as_deref().unwrap_or_default();
    assert!(found.contains(help), "help of `{line}` is {found:?}");
}

#[track_caller]
fn user(text: &str, line: &str, at: &str, help: &str) {
    check(&with_user(text), line, at, help);
}

#[test]
fn unknown_names() {
    user(
        "[training]\nbach_size = 4",
        "user.toml:2:1: unknown key `training.bach_size`",
        "bach_size",
        "did you mean `batch_size`?",
    );
    user(
        "lr = 1e-3",
        "user.toml:1:1: unknown key `lr`",
        "lr",
        "`training.lr`",
    );
    user(
        "[model]\nlr = 1e-3",
        "user.toml:2:1: unknown key `model.lr`",
        "lr",
        "section [training]",
    );
    user(
        "[model]\nAOA_layers = 4",
        "user.toml:2:1: unknown key `model.AOA_layers`",
        "AOA_layers",
        "did you mean `aoa_layers`?",
    );
    user(
        "AOA_layers = 4",
        "user.toml:1:1: unknown key `AOA_layers`",
        "AOA_layers",
        "`model.aoa_layers`",
    );
    user(
        "[trainig]\nlr = 1",
        "user.toml:1:2: unknown section `trainig`",
        "trainig",
        "did you mean [training]?",
    );
    user(
        "[training.foo]\nx = 1",
        "user.toml:1:11: unknown key `training.foo`",
        "foo",
        "the keys of [training] are batch_size, update_freq,",
    );
    user(
        "zebra = 1",
        "user.toml:1:1: unknown key `zebra`",
        "zebra",
        "keys stand in sections; the sections are [preset], [family],",
    );
    user(
        "[zebra]",
        "user.toml:1:2: unknown section `zebra`",
        "zebra",
        "the sections are [preset], [family],",
    );
}

#[test]
fn duplicates() {
    user(
        "[training]\nseed = 1\nseed = 2",
        "user.toml:3:1: `seed` is stated twice",
        "seed",
        "keep one",
    );
    user(
        "[training]\nseed = 1\n[training]\nlr = 1e-3",
        "user.toml:3:2: `training` is stated twice",
        "training",
        "keep one",
    );
}

#[test]
fn wrong_types() {
    user(
        "[training]\nbatch_size = \"8\"",
        "user.toml:2:14: `training.batch_size` must be an integer, got the string \"8\"",
        "\"8\"",
        "write it without quotes: batch_size = 8",
    );
    user(
        "training.batch_size = 8.0",
        "user.toml:1:23: `training.batch_size` must be an integer, got the float 8.0",
        "8.0",
        "whole number",
    );
    user(
        "[dataset]\nshapes_described = 1",
        "user.toml:2:20: `dataset.shapes_described` must be a boolean, got the integer 1",
        "1",
        "true or false",
    );
    user(
        "[logging]\nrun_dir = 3",
        "user.toml:2:11: `logging.run_dir` must be a string, got the integer 3",
        "3",
        "in quotes",
    );
    user(
        "[optimizer]\nfine_betas = [0.9, true]",
        "user.toml:2:20: `optimizer.fine_betas` must be a number, got the boolean true",
        "true",
        "number",
    );
    user(
        "[[training]]",
        "user.toml:1:3: `training` must be a section, got array",
        "training",
        "[training]",
    );
    user(
        "extends = 24",
        "user.toml:1:11: `extends` must be a string, got integer",
        "24",
        "in quotes",
    );
}

#[test]
fn out_of_range() {
    #[track_caller]
    fn value(key: &str, value: &str, range: &str) {
        let line = format!(
            "user.toml:1:{}: `{key}` = {value} is out of range: expected {range}",
            key.len() + 4
        );
        user(&format!("{key} = {value}"), &line, value, "");
    }
    let batch = "an integer from 1 to 65536";
    value("training.batch_size", "0", batch);
    value("training.batch_size", "-8", batch);
    value("training.batch_size", "1000000000000000000", batch);
    value(
        "training.batch_size",
        "99999999999999999999999999999999999999999999",
        batch,
    );
    value(
        "training.seed",
        "9223372036854775808",
        "an integer, 0 or more",
    );
    value(
        "model.dropout",
        "1.0",
        "a number at least 0.0 and below 1.0",
    );
    value("training.lr", "0", "a number above 0.0 and at most 10.0");
    for number in ["nan", "-nan", "inf", "-inf", "1e999", "1.5"] {
        value(
            "memory_optimization.max_memory_usage",
            number,
            "a number above 0.0 and at most 1.0",
        );
    }
    user(
        "optimizer.fine_betas = [0.9]",
        "user.toml:1:24: `optimizer.fine_betas` has 1 elements: expected a list of 2, each a number at least 0.0 and \
         at most 0.999999",
        "[0.9]",
        "Decay rates",
    );
}

#[test]
fn ends_of_ranges() {
    for text in [
        "training.batch_size = 65536",
        "model.dropout = 0",
        "memory_optimization.max_memory_usage = 1",
        "training.seed = 9223372036854775807",
    ] {
        resolved(&with_user(text));
    }
}

#[test]
fn unknown_values() {
    user(
        "dataset.name = 'easyvqa'",
        "user.toml:1:16: `dataset.name` cannot be \"easyvqa\"",
        "'easyvqa'",
        "did you mean \"easy-vqa\"? (known: \"shapes\", \"easy-vqa\", \"folder\", \"vqa2\", ",
    );
    user(
        "hardware.device = 'cuda:x'",
        "user.toml:1:19: `hardware.device` cannot be \"cuda:x\": expected \"auto\", \"cpu\", \"cuda\", \"cuda:N\" or \
         \"wgpu\"",
        "'cuda:x'",
        "Where to train",
    );
    user(
        "preset.min_device_memory = 'lots'",
        "user.toml:1:28: `preset.min_device_memory` cannot be \"lots\": expected \"\" or a number with a unit (B, KiB, MiB, GiB, TiB, kB, MB, GB, TB) such as \
         \"22GiB\", at most \"1EiB\"",
        "'lots'",
        "least total device memory",
    );
}

/// What stands on a broken line, or after a bracket that never closes, is the parser's guess and not reported.
#[test]
fn syntax() {
    #[track_caller]
    fn places(text: &str, expected: &[(usize, usize, bool)]) {
        let errors = refused(&with_user(text));
        let place = |error: &ConfigError| {
            let (line, column) = error
                .source
                .as_ref()
                .unwrap()
                .line_column(error.span.clone().unwrap().start);
            (
                line,
                column,
                matches!(error.problem, Problem::Syntax { .. }),
            )
        };
        let found: Vec<_> = errors.errors.iter().map(place).collect();
        assert_eq!(found, expected, "{errors}");
    }
    places(
        "[training]\nlr = \nepochs = 0",
        &[(2, 6, true), (3, 10, false)],
    );
    places(
        "zebra = 1\n[model\nheads = 4",
        &[(1, 1, false), (2, 1, true)],
    );
    places(
        "[training]\nseed = 1 2\nlr 3",
        &[(2, 8, true), (3, 4, true)],
    );
    places(
        "[optimizer]\nfine_betas = [0.9\n[model]\nheads = 0",
        &[(2, 14, true)],
    );
    places(
        "[logging]\nrun_dir = 'runs\nevery_steps = 0",
        &[(2, 16, true), (3, 15, false)],
    );
}

#[test]
fn words_that_are_no_values() {
    user(
        "[memory_optimization]\ngradient_checkpointing = off",
        "user.toml:2:26: not valid TOML: `off` is no value",
        "off",
        "`gradient_checkpointing` is true or false: write false",
    );
    user(
        "memory_optimization.dynamic_batch_size = True # or not",
        "user.toml:1:42: not valid TOML: `True` is no value",
        "True",
        "write true",
    );
    user(
        "[memory_optimization]\n# more\nmax_memory_usage = 95%",
        "user.toml:3:20: not valid TOML: `95%` is no value",
        "95%",
        "`max_memory_usage` is a number above 0.0 and at most 1.0",
    );
    user(
        "[schedule]\nfine = cosine",
        "user.toml:2:8: not valid TOML: `cosine` is no value",
        "cosine",
        "`fine` is one of \"cfr\", \"linear\", \"cosine\", \"constant\", in quotes",
    );
    user(
        "[training]\nstripes = many",
        "user.toml:2:11: not valid TOML: `many` is no value",
        "many",
        "a line is [section] or key = value",
    );
}

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
        "configs/a.toml:1:11: `extends` goes in a circle: a -> a",
        "'a'",
    );
    circle(
        &[
            ("a", "extends = 'b'"),
            ("b", "extends = 'c'"),
            ("c", "\nextends = 'b'"),
        ],
        "configs/c.toml:2:11: `extends` goes in a circle: a -> b -> c -> b",
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
        "--set:1:28: `optimizer.fine_betas` = 7 is out of range: expected a number at least 0.0 and at most 0.999999",
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
         configs/24gb.toml:22)",
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
        "user.toml:2:18: `training.tune_xvlm = false` (user.toml:1) leaves nothing to train of \
         `model.branches = \"coarse\"` (user.toml:2)",
        "'coarse'",
        "add the fine one",
    );
    user(
        "training.xvlm_lr = 0\nmodel.branches = 'coarse'",
        "user.toml:2:18: `training.xvlm_lr = 0.0` (user.toml:1) leaves nothing to train of \
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
