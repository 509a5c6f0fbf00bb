//! Text that no person writes: an error, never a panic, and in no more time than its length asks for.

use std::fmt::Write;

use config_schema::{
    ConfigErrors, Layers, MAX_ERRORS, MAX_TEXT_BYTES, Problem, default_toml, presets::lookup,
    resolve,
};
use proptest::prelude::*;

use crate::{refused, with_environment, with_sets, with_user};

#[track_caller]
fn check(layers: &Layers, expected: &Problem) {
    let errors = refused(layers);
    assert!(
        errors.errors.iter().any(|error| error.problem == *expected),
        "{errors}"
    );
    sound(&errors);
}

/// Every error points at a place that is there, in one line of bounded length.
fn sound(errors: &ConfigErrors) {
    assert!(!errors.errors.is_empty());
    for error in &errors.errors {
        if let (Some(source), Some(span)) = (&error.source, &error.span) {
            assert!(
                source.text.get(span.clone()).is_some(),
                "{span:?} of {error}"
            );
        }
        let message = error.message();
        assert!(!message.contains('\n'), "{message:?}");
        assert!(message.len() < 1000, "{message:?}");
    }
}

#[test]
fn too_large() {
    let bytes = 10_000_000;
    check(&with_user(&"#".repeat(bytes)), &Problem::TooLarge { bytes });
    check(
        &with_environment(&[("AOA_LOGGING__RUN_DIR", &"x".repeat(bytes))]),
        &Problem::TooLarge { bytes },
    );
    check(
        &with_sets(&[&format!("training.lr={}", "1".repeat(bytes))]),
        &Problem::TooLarge { bytes },
    );
    // At the limit the text is read.
    let comment = format!("#{}\nzebra = 1", "x".repeat(MAX_TEXT_BYTES - 11));
    assert_eq!(comment.len(), MAX_TEXT_BYTES);
    check(
        &with_user(&comment),
        &Problem::UnknownKey {
            key: "zebra".to_owned(),
        },
    );
}

#[test]
fn too_deep() {
    let keys = vec!["a"; 10_000].join(".");
    for text in [
        format!("a = {}", "[".repeat(10_000)),
        format!("a = {}{}", "[".repeat(10_000), "]".repeat(10_000)),
        format!("a = {}", "{a=".repeat(10_000)),
        format!("{keys} = 1"),
        format!("[{keys}]"),
        format!("[{}]", "[".repeat(10_000)),
    ] {
        check(&with_user(&text), &Problem::TooDeep);
    }
    check(
        &with_sets(&[&format!("training.lr={}", "[".repeat(10_000))]),
        &Problem::TooDeep,
    );
}

#[test]
fn more_errors_than_anyone_reads() {
    let mut text = String::new();
    for index in 0..50_000 {
        writeln!(text, "key_{index} = 1").unwrap();
    }
    let errors = refused(&with_user(&text));
    assert_eq!(errors.errors.len(), MAX_ERRORS + 1);
    assert_eq!(errors.errors.last().unwrap().problem, Problem::TooMany);
    let errors = refused(&with_user(&"= 1\n".repeat(50_000)));
    assert_eq!(errors.errors.len(), MAX_ERRORS + 1);
    sound(&errors);
}

#[test]
fn long_and_unprintable_names_are_cut_in_messages() {
    for text in [
        format!("{} = 1", "x".repeat(500_000)),
        "\"a\\nb\\u0007\" = 1".to_owned(),
        "[\"\\n\"]\nx = 1".to_owned(),
        format!("dataset.name = '{}'", "é".repeat(100_000)),
        format!("training.lr = {}", "9".repeat(100_000)),
        "training.batch_size = \"\"\"\n\n\"\"\"".to_owned(),
        "\u{feff}zebra = 1".to_owned(),
        "extends = \"24\\ngb\"".to_owned(),
        format!("extends = '{}'", "24gb".repeat(1000)),
        "zebra = 1\r\nlr = 2\r\n".to_owned(),
    ] {
        sound(&refused(&with_user(&text)));
    }
}

/// The default text with one slip: a line cut, doubled or replaced, or a few characters lost.
fn damaged() -> impl Strategy<Value = String> {
    let text = default_toml();
    let length = text.len();
    (0..length, 0..40_usize, "[\\[\\]{}=\"'.#a-z0-9_\n -]{0,6}").prop_map(
        move |(start, count, inserted)| {
            let floor = |mut at: usize| {
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                at
            };
            let (start, end) = (floor(start), floor((start + count).min(length)));
            format!("{}{inserted}{}", &text[..start], &text[end..])
        },
    )
}

proptest! {
    #[test]
    fn any_text(text in "\\PC{0,200}") {
        if let Err(errors) = resolve(&with_user(&text), &lookup) {
            sound(&errors);
        }
    }

    #[test]
    fn text_of_toml_letters(text in "[\\[\\]{}=\"'.,#a-z0-9_\n\r\t -]{0,200}") {
        if let Err(errors) = resolve(&with_user(&text), &lookup) {
            sound(&errors);
        }
    }

    #[test]
    fn damaged_text(text in damaged()) {
        if let Err(errors) = resolve(&with_user(&text), &lookup) {
            sound(&errors);
        }
    }

    #[test]
    fn any_override(name in "[A-Za-z_.]{0,30}", value in "\\PC{0,60}") {
        for layers in [
            with_sets(&[&format!("{name}={value}")]),
            with_sets(&[&value]),
            with_sets(&[&format!("optimizer.fine_betas={value}")]),
            with_sets(&[&format!("training.lr={value}")]),
            with_environment(&[(&format!("AOA_{name}"), &value)]),
            with_environment(&[("AOA_DATASET__NAME", &value)]),
        ] {
            if let Err(errors) = resolve(&layers, &lookup) {
                sound(&errors);
            }
        }
    }
}
