//! Configurations that runs have recorded.

use toml_parser::lexer::TokenKind;

use crate::{ConfigErrors, Layers, Resolved, resolve, source::Origin, source::Source};

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
