//! YAML that no person writes: an error with its place, never a panic.

use config_schema::{Layers, MAX_TEXT_BYTES, Problem, Source, resolve};
use proptest::prelude::*;

use crate::import::import;

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
