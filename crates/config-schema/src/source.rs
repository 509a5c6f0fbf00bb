//! Where text and values come from.

use std::{fmt, ops::Range, sync::Arc};

use serde::Serialize;
use serde_json::Value as Json;

/// A text with the name under which errors quote it: a file's path, an environment variable, a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Shown before line and column, for example `configs/24gb.toml`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// A source from its name and text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }

    /// Line and column of a byte offset, both counted from 1, the column in characters. An offset past the end or
    /// within a character counts as the nearest place before it.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &self.text[..end];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (
            before.matches('\n').count() + 1,
            before[line_start..].chars().count() + 1,
        )
    }
}

/// A place in a text: the text, and the bytes of it that are meant.
pub type Place = (Arc<Source>, Range<usize>);

/// The layer that decided a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "layer", rename_all = "lowercase")]
pub enum Origin {
    /// Nobody stated it.
    Default,
    /// A preset, at a line counted from 1.
    Preset {
        /// Name of the preset.
        preset: String,
        /// Name of its source.
        file: String,
        /// Line of the key.
        line: usize,
    },
    /// The user's file, at a line counted from 1.
    File {
        /// Name of the source.
        name: String,
        /// Line of the key.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// Name of the variable.
        variable: String,
    },
    /// `--set`, with its text.
    Flag {
        /// The text after `--set`.
        text: String,
    },
    /// It is the same fact as another key, which was stated.
    Derived {
        /// The other key, `section.key`.
        from: String,
    },
    /// The record of a run, at a line counted from 1.
    Recorded {
        /// Name of its source.
        file: String,
        /// Line of the key.
        line: usize,
        /// The layer that decided the value when the run began, as noted there.
        noted: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Preset { preset, file, line } if preset == file => {
                write!(f, "preset {file}:{line}")
            }
            Self::Preset { preset, file, line } => write!(f, "preset {preset}, {file}:{line}"),
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::Flag { text } => write!(f, "--set {text}"),
            Self::Derived { from } => write!(f, "derived from {from}"),
            Self::Recorded { file, line, noted } => write!(f, "{noted}; {file}:{line}"),
        }
    }
}

/// A key with its value and who decided it.
#[derive(Debug, Clone, PartialEq)]
pub struct StatedKey {
    /// `section.key`.
    pub key: String,
    /// The value, as TOML.
    pub value: String,
    /// Who decided it.
    pub origin: Origin,
}

/// "`section.key = value` (origin)".
impl fmt::Display for StatedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{} = {}` ({})", self.key, self.value, self.origin)
    }
}

/// A value that a layer gives to a key.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Layered {
    /// The value.
    pub value: Json,
    /// The layer.
    pub origin: Origin,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_and_column() {
        let source = Source::new("x", "ab\ncé= 1\n");
        for (offset, expected) in [
            (0, (1, 1)),
            (2, (1, 3)),
            (3, (2, 1)),
            (5, (2, 2)), // within the two bytes of é
            (6, (2, 3)),
            (10, (3, 1)),
            (99, (3, 1)),
        ] {
            assert_eq!(source.line_column(offset), expected, "offset {offset}");
        }
    }
}
