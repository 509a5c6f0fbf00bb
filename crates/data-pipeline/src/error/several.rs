use std::collections::HashSet;
use std::path::Path;
use std::slice;

use super::{DataError, listed};

/// Most errors that are kept; the others are counted.
const MOST_KEPT: usize = 10_000;

/// Errors that were found side by side.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    kept: Vec<DataError>,
    more: usize,
}

impl Errors {
    pub(crate) fn add(&mut self, error: DataError) {
        match error {
            DataError::Several { errors, more, .. } => {
                for error in errors {
                    self.add(error);
                }
                self.more += more;
            }
            error if self.kept.len() < MOST_KEPT => self.kept.push(error),
            _ => self.more += 1,
        }
    }

    pub(crate) fn add_all(&mut self, other: Self) {
        other.kept.into_iter().for_each(|error| self.add(error));
        self.more += other.more;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// # Errors
    /// When there is one.
    pub(crate) fn none(self) -> Result<(), DataError> {
        self.none_of(None)
    }

    /// # Errors
    /// When there is one. `file` has all of them, and is no part of a data set.
    pub(crate) fn none_of(mut self, file: Option<&Path>) -> Result<(), DataError> {
        match (self.kept.pop(), self.kept.len() + self.more) {
            (None, _) => Ok(()),
            (Some(only), 0) => Err(only),
            (Some(last), _) => {
                self.kept.push(last);
                Err(DataError::Several {
                    file: file.map(Path::to_owned),
                    errors: self.kept,
                    more: self.more,
                })
            }
        }
    }
}

impl DataError {
    /// The parts of a data set, or everything that is wrong with any of them, each thing once.
    ///
    /// # Errors
    /// The only error; [`DataError::Several`] where there are more.
    #[expect(
        clippy::missing_panics_doc,
        reason = "without an error there is every part"
    )]
    pub fn all<T, const N: usize>(parts: [Result<T, Self>; N]) -> Result<[T; N], Self> {
        let mut errors = Errors::default();
        let whole = parts.map(|part| part.map_err(|error| errors.add(error)).ok());
        // Splits of one file have its faults each.
        let mut said = HashSet::new();
        errors.kept.retain(|error| said.insert(error.in_full()));
        errors.none()?;
        Ok(whole.map(|part| part.expect("without an error there is a part")))
    }

    /// The error with its causes, on a line.
    pub fn in_full(&self) -> String {
        listed::in_full(self)
    }

    /// The errors of [`DataError::Several`]; of any other, itself.
    pub fn each(&self) -> &[Self] {
        match self {
            Self::Several { errors, .. } => errors,
            other => slice::from_ref(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(line: usize) -> DataError {
        DataError::Line {
            path: "q.jsonl".into(),
            line,
            expected: "a question",
            found: "nothing".to_owned(),
        }
    }

    fn several(lines: std::ops::Range<usize>) -> Result<(), DataError> {
        let mut errors = Errors::default();
        lines.for_each(|number| errors.add(line(number)));
        errors.none()
    }

    #[test]
    fn errors_are_listed_counted_and_bounded() {
        assert!(several(0..0).is_ok());
        let one = several(1..2).expect_err("one");
        assert_eq!(one.to_string(), line(1).to_string());
        let many = several(0..30).expect_err("many").to_string();
        assert!(many.starts_with("the data set has 30 faults\n  `q.jsonl`, line 0: expected"));
        assert!(many.ends_with("line 19: expected a question, found `nothing`\n  and 10 more"));
        let most = several(0..MOST_KEPT + 5).expect_err("many");
        assert_eq!(most.each().len(), MOST_KEPT);
        let text = most.to_string();
        assert!(text.starts_with("the data set has 10005 faults"), "{text}");
        assert!(text.ends_with("and 9985 more"), "{text}");
    }

    #[test]
    fn what_two_parts_say_is_said_once() {
        let parts = [several(0..3), several(0..3), several(7..8), Ok(())];
        let error = DataError::all(parts).expect_err("faults");
        assert_eq!(error.each().len(), 4, "{error}");
        assert_eq!(DataError::all([Ok(1), Ok(2)]).expect("parts"), [1, 2]);
    }
}
