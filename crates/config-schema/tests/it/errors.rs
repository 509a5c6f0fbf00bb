//! Errors of a file: names, types, ranges and syntax.

use config_schema::{ConfigError, ConfigErrors, Layers, Problem};

use crate::{refused, resolved, with_user};

/// The one error of these layers: its line as printed, the text it points at, and a part of its help.
#[track_caller]
pub fn check(layers: &Layers, line: &str, at: &str, help: &str) {
    check_errors(&refused(layers), line, at, help);
}

#[track_caller]
pub fn check_errors(errors: &ConfigErrors, line: &str, at: &str, help: &str) {
    assert_eq!(errors.to_string(), line);
    let error = &errors.errors[0];
    let span = error.span.clone().unwrap_or_default();
    let source = error.source.as_ref().map_or("", |source| &source.text);
    assert_eq!(&source[span], at, "{line}");
    let found = error.help.as_deref().unwrap_or_default();
    assert!(found.contains(help), "help of `{line}` is {found:?}");
}

#[track_caller]
pub fn user(text: &str, line: &str, at: &str, help: &str) {
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
        "a number of at least 0.0 and below 1.0",
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
        "user.toml:1:24: `optimizer.fine_betas` has 1 elements: expected a list of 2, each a number of at least 0.0 and \
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
