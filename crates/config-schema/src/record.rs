//! Configurations that runs have recorded.

use toml_parser::lexer::TokenKind;

use crate::{
    error::ConfigErrors,
    resolve::{Layers, Resolved, resolve},
    source::{Origin, Source},
};

/// The text that a run recorded, with what runs of earlier versions do not state: their images were decoded without a look
/// at the orientation. Such a record gets one line more.
pub fn record(name: impl Into<String>, text: &str) -> Source {
    let stated = |line: &str| line.trim_start().starts_with("exif_orientation");
    let mut lines: Vec<_> = text.lines().collect();
    if !lines.iter().any(|line| stated(line))
        && let Some(section) = lines.iter().position(|line| line.trim() == "[dataset]")
    {
        lines.insert(
            section + 1,
            "exif_orientation = \"ignore\" # an earlier version",
        );
        return Source::new(name, lines.join("\n") + "\n");
    }
    Source::new(name, text)
}

/// The configuration in a text that [`Resolved::annotated_toml`] wrote. The origin of a value is the one that is noted
/// behind it.
///
/// # Errors
///
/// As [`resolve`](crate::resolve()).
pub fn resolve_record(record: Source) -> Result<Resolved, ConfigErrors> {
    let notes: Vec<Option<String>> = record.text.lines().map(note).collect();
    let layers = Layers {
        user: Some(record),
        ..Layers::default()
    };
    // The record states every key, so the preset that it names need not exist any more.
    let mut resolved = resolve(&layers, &|name| Some(Source::new(name, "")))?;
    for origin in resolved.origins.values_mut() {
        let Origin::File { name, line } = &*origin else {
            continue;
        };
        let noted = line.checked_sub(1).and_then(|index| notes.get(index));
        if let Some(Some(noted)) = noted {
            *origin = Origin::Recorded {
                file: name.clone(),
                line: *line,
                noted: noted.clone(),
            };
        }
    }
    Ok(resolved)
}

/// The comment behind what a line states.
fn note(line: &str) -> Option<String> {
    let mut tokens = toml_parser::Source::new(line).lex();
    let comment = tokens.find(|token| token.kind() == TokenKind::Comment)?;
    let comment = line.get(comment.span().start()..comment.span().end())?;
    Some(comment.trim_start_matches('#').trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ExifOrientation;

    #[test]
    fn a_run_without_a_word_on_orientation_ignored_it() {
        let read = |text: &str| {
            let resolved = resolve_record(record("config.toml", text)).expect("a record");
            resolved.config.dataset
        };
        let earlier = read("[dataset]\nimage_size = 240\n\n[training]\n");
        assert_eq!(earlier.exif_orientation, ExifOrientation::Ignore);
        assert_eq!(earlier.image_size, 240);
        let stated = read("[dataset]\nexif_orientation = \"apply\"\n");
        assert_eq!(stated.exif_orientation, ExifOrientation::Apply);
    }
}
