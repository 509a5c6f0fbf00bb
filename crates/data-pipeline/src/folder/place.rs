use std::path::{Component, Path};

use file_kind::shortened;
use serde::de::IgnoredAny;

use super::line::Line;
use crate::error::{ARRAY, BEHIND, COMMA, DataError, PYTHON, TABLES};
use crate::json::{Json, Problem};

/// What a line has that begins an object and does not end it.
pub(super) const OPEN_OBJECT: &str = "the start of an object that goes on";

/// A line of questions, for messages.
pub(super) struct Place<'a> {
    pub(super) path: &'a Path,
    /// From 1.
    pub(super) number: usize,
}

impl Place<'_> {
    pub(super) fn unexpected(&self, expected: &'static str, found: &str) -> DataError {
        DataError::Line {
            path: self.path.to_owned(),
            line: self.number,
            expected,
            found: shortened(found).into_owned(),
        }
    }

    /// The line of a question with its answers.
    pub(super) fn parse<'t>(&self, text: &'t str) -> Result<Line<'t>, DataError> {
        self.parse_by(text, Line::read)
    }

    /// The line of a question whose answers, if any, are not read.
    pub(super) fn parse_question<'t>(&self, text: &'t str) -> Result<Line<'t>, DataError> {
        self.parse_by(text, Line::read_question)
    }

    fn parse_by<'t>(
        &self,
        text: &'t str,
        read: fn(Json<'t>) -> Result<Line<'t>, Problem>,
    ) -> Result<Line<'t>, DataError> {
        let json = Json::parse(text).map_err(|error| self.not_a_line(text, &error))?;
        if json.elements().is_some() {
            return Err(self.not_one(ARRAY));
        }
        let line = read(json).map_err(|problem| problem.on_line(self.path, self.number))?;
        if line.question.trim().is_empty() {
            return Err(self.unexpected("a question that is not blank", text));
        }
        Ok(line)
    }

    /// Refuses an image out of the folder or on another drive.
    pub(super) fn require_within(&self, image: &str) -> Result<(), DataError> {
        let mut parts = Path::new(image).components().peekable();
        if parts.peek().is_none() || !parts.all(|part| matches!(part, Component::Normal(_))) {
            return Err(self.unexpected("the name of a file in `images`", image));
        }
        Ok(())
    }

    /// A parser's error, or that there is something else than an object a line.
    fn not_a_line(&self, text: &str, error: &serde_json::Error) -> DataError {
        let begins = text.trim_start();
        // The parser has no category of its own for this.
        let behind = || error.to_string().starts_with("trailing characters");
        let found = match begins.chars().next() {
            Some('[') => ARRAY,
            Some('{') if is_python(text, error.column()) => PYTHON,
            Some('{') if error.is_eof() => OPEN_OBJECT,
            Some('{') if behind() => return self.not_alone(begins),
            Some('{') | None => return DataError::json_line(self.path, self.number, error),
            Some(_) => match table(begins) {
                Some(table) => table,
                None => return DataError::json_line(self.path, self.number, error),
            },
        };
        self.not_one(found)
    }

    /// What stands behind the object that a line begins with.
    fn not_alone(&self, text: &str) -> DataError {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
        let _ = values.next();
        if text[values.byte_offset()..].trim() == "," {
            return self.not_one(COMMA);
        }
        let json = values.all(|value| value.is_ok());
        DataError::NotOneALine {
            path: self.path.to_owned(),
            line: self.number,
            found: BEHIND,
            filter: json.then(|| ".".to_owned()),
        }
    }

    fn not_one(&self, found: &'static str) -> DataError {
        DataError::NotOneALine {
            path: self.path.to_owned(),
            line: self.number,
            found,
            filter: None,
        }
    }
}

/// Whether a line that is no JSON from a column on has there what Python prints of a dictionary: a text in single quotes, or a
/// constant of its own.
fn is_python(text: &str, column: usize) -> bool {
    let from = |place| text.get(place..).unwrap_or_default();
    // The column is that of the first character or of the one in front.
    [from(column.saturating_sub(1)), from(column)]
        .iter()
        .any(|rest| {
            ["'", "None", "True", "False"]
                .iter()
                .any(|own| rest.starts_with(own))
        })
}

/// What a line without JSON is called that has three values or more, as image, question and answers are.
fn table(text: &str) -> Option<&'static str> {
    let count = |between: char| text.matches(between).count();
    let (between, table) = TABLES
        .iter()
        .rev()
        .max_by_key(|(between, _)| count(*between))?;
    (count(*between) >= 2).then_some(*table)
}

/// Whether nothing more is read of a file. `first`: whether this is its first line.
pub(super) fn ends_reading(error: &DataError, first: bool) -> bool {
    match error {
        // A file of another form: all of its lines would be wrong.
        DataError::NotOneALine { found, .. } => first && [ARRAY, OPEN_OBJECT].contains(found),
        DataError::Json { .. } | DataError::Line { .. } | DataError::NotUtf8 { .. } => false,
        _ => true,
    }
}
