//! The only place that prints: data on standard output, everything else on standard error.

use std::io::{self, Write};

use serde::Serialize;

use crate::failure::Failure;

/// Prints a line of data. A reader that has gone away is no reason to fail.
pub fn line(text: impl AsRef<str>) {
    let _ = writeln!(io::stdout().lock(), "{}", text.as_ref());
}

/// Prints text of data as it is.
pub fn text(text: impl AsRef<str>) {
    let _ = write!(io::stdout().lock(), "{}", text.as_ref());
}

/// Prints a value as one line of JSON.
pub fn json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => line(text),
        Err(error) => note(format!("warning: cannot write JSON: {error}")),
    }
}

/// Prints a line for a person.
pub fn note(text: impl AsRef<str>) {
    let _ = writeln!(io::stderr().lock(), "{}", text.as_ref());
}

/// Prints why the command failed and what to do about it.
pub fn failure(failure: &Failure) {
    note(failure.render());
}
