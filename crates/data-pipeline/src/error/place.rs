use std::path::Path;

use super::DataError;

impl DataError {
    /// A parser's error, named by file and place.
    pub(crate) fn json(path: &Path, error: &serde_json::Error) -> Self {
        Self::json_line(path, error.line(), error)
    }

    /// A parser's error in one line of a file, named by file, line and column.
    pub(crate) fn json_line(path: &Path, line: usize, error: &serde_json::Error) -> Self {
        let (column, text) = (error.column(), error.to_string());
        let place = format!(" at line {} column {column}", error.line());
        Self::Json {
            path: path.to_owned(),
            line,
            column,
            problem: text.strip_suffix(&place).unwrap_or(&text).to_owned(),
        }
    }

    /// What shards should be, and what they are.
    pub(crate) fn shards(path: &Path, expected: &str, found: &str) -> Self {
        Self::Shards {
            path: path.to_owned(),
            problem: format!("expected {expected}, found {found}"),
        }
    }

    /// An entry of a list that has one a line, by its line.
    pub(crate) fn by_line(self) -> Self {
        match self {
            Self::Entry {
                path,
                entry,
                expected,
                found,
            } => Self::Line {
                path,
                line: entry + 1,
                expected,
                found,
            },
            Self::DuplicateEntry { path, entry, word } => Self::DuplicateLine {
                path,
                line: entry + 1,
                word,
            },
            other => other,
        }
    }

    /// # Errors
    /// Names the first setting that is 0.
    pub(crate) fn unless_positive(
        settings: impl IntoIterator<Item = (&'static str, usize)>,
    ) -> Result<(), Self> {
        match settings.into_iter().find(|(_, value)| *value == 0) {
            None => Ok(()),
            Some((setting, value)) => Err(Self::Setting {
                setting,
                value: value.to_string(),
                expected: "at least 1",
            }),
        }
    }
}
