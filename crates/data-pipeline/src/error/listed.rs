//! Errors as text: one with its causes, and several as a list.

use std::error::Error;
use std::fmt::Write;

/// Most errors that a message lists.
const MOST_LISTED: usize = 20;

/// An error with its causes, on a line.
pub(super) fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}

/// Begins with a line feed, to stand behind a sentence.
pub(super) fn listed(errors: &[impl Error], more: usize) -> String {
    let mut text = String::new();
    for error in errors.iter().take(MOST_LISTED) {
        let _ = write!(text, "\n  {}", in_full(error));
    }
    match errors.len().saturating_sub(MOST_LISTED) + more {
        0 => {}
        more => {
            let _ = write!(text, "\n  and {more} more");
        }
    }
    text
}
