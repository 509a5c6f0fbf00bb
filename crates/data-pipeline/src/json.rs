//! JSON as written: numbers keep their digits, and an object has no name twice.
//!
//! `serde_json` reads a number as a float, which rounds it and drops zeros, and lets the last of two equal names win.
//!
//! One file because all readers walk over the same text.

use std::borrow::Cow;
use std::collections::HashSet;
use std::iter;
use std::path::Path;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};

use crate::error::DataError;

/// A value and its place within a text that is JSON.
#[derive(Clone, Copy)]
pub(crate) struct Json<'a> {
    text: &'a str,
    start: usize,
    end: usize,
}

/// What is wrong with a value.
#[derive(Debug)]
pub(crate) struct Problem {
    /// Bytes of the text up to the end of what is wrong.
    end: usize,
    what: String,
}

impl<'a> Json<'a> {
    /// # Errors
    /// When the text is no JSON.
    pub(crate) fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<IgnoredAny>(text)?;
        let start = text.len() - text.trim_start().len();
        let end = text.trim_end().len();
        Ok(Self { text, start, end })
    }

    /// The value as written.
    pub(crate) fn written(self) -> &'a str {
        &self.text[self.start..self.end]
    }

    pub(crate) fn is_null(self) -> bool {
        self.written() == "null"
    }

    pub(crate) fn is_object(self) -> bool {
        self.written().starts_with('{')
    }

    /// The first member of an object with that name.
    pub(crate) fn find(self, name: &str) -> Option<Self> {
        let mut pairs = self.pairs().flatten();
        pairs
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }

    /// The members of an object, in order.
    ///
    /// # Errors
    /// When it is no object, or a name occurs twice.
    pub(crate) fn members(self, expected: &str) -> Result<Vec<(Cow<'a, str>, Self)>, Problem> {
        if !self.is_object() {
            return Err(self.unexpected(expected));
        }
        // Most objects are small: looking at all names is faster than a set of them.
        let mut names = HashSet::new();
        let mut members: Vec<(Cow<str>, Self)> = Vec::with_capacity(FEW);
        for pair in self.pairs() {
            let (name, value) = pair?;
            if members.len() == FEW {
                names.extend(members.iter().map(|(known, _)| known.clone()));
            }
            let twice = if members.len() < FEW {
                members.iter().any(|(known, _)| *known == name)
            } else {
                !names.insert(name.clone())
            };
            if twice {
                let end = value.before();
                let what = format!("duplicate field `{name}`");
                return Err(Problem { end, what });
            }
            members.push((name, value));
        }
        Ok(members)
    }

    /// The elements of a list; nothing if it is none.
    pub(crate) fn elements(self) -> Option<impl Iterator<Item = Self>> {
        self.written().starts_with('[').then(|| self.parts())
    }

    /// A text, or a number as written.
    ///
    /// # Errors
    /// When it is neither.
    pub(crate) fn word(self, expected: &str) -> Result<Cow<'a, str>, Problem> {
        match self.written().as_bytes()[0] {
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => Ok(Cow::Borrowed(self.written())),
            _ => Err(self.unexpected(expected)),
        }
    }

    /// A list of [`Json::word`]s.
    ///
    /// # Errors
    /// When it is no list, or one of them is none.
    pub(crate) fn words(self, expected: &str) -> Result<Vec<String>, Problem> {
        let Some(elements) = self.elements() else {
            return Err(self.unexpected(expected));
        };
        let words = elements.map(|element| element.word(WORD).map(Cow::into_owned));
        words.collect()
    }

    /// The value, as a type that does not care how a number is written.
    ///
    /// # Errors
    /// When it is another type.
    pub(crate) fn read<T: DeserializeOwned>(self) -> Result<T, Problem> {
        serde_json::from_str(self.written()).map_err(|error| {
            let text = error.to_string();
            let place = format!(" at line {} column {}", error.line(), error.column());
            self.wrong(text.strip_suffix(&place).unwrap_or(&text))
        })
    }

    /// The value with all that is in it. A number that would be written with other digits is the text of its digits.
    ///
    /// # Errors
    /// When an object has a name twice, or objects and lists lie too deep in each other.
    pub(crate) fn value(self) -> Result<Value, Problem> {
        self.exact(DEEPEST)
    }

    /// The value, which has at most this many objects and lists in each other.
    fn exact(self, depth: usize) -> Result<Value, Problem> {
        let within = || match depth.checked_sub(1) {
            Some(depth) => Ok(depth),
            None => Err(self.wrong(&format!(
                "more than {DEEPEST} objects and lists lie in each other"
            ))),
        };
        if self.is_object() {
            let depth = within()?;
            let members = self.members("an object")?.into_iter();
            let members: Result<Map<_, _>, Problem> = members
                .map(|(name, value)| Ok((name.into_owned(), value.exact(depth)?)))
                .collect();
            return members.map(Value::Object);
        }
        if let Some(elements) = self.elements() {
            let depth = within()?;
            let elements: Result<Vec<_>, _> =
                elements.map(|element| element.exact(depth)).collect();
            return elements.map(Value::Array);
        }
        match self.written() {
            "null" => return Ok(Value::Null),
            "true" => return Ok(Value::Bool(true)),
            "false" => return Ok(Value::Bool(false)),
            text if text.starts_with('"') => {
                return Ok(Value::String(self.string()?.into_owned()));
            }
            // As it is written: `-0` and numbers that are no whole ones come out with other digits.
            digits if digits.len() <= SHORT && !digits.starts_with("-0") => {
                if let Ok(number) = digits.parse::<i64>() {
                    return Ok(Value::from(number));
                }
            }
            _ => {}
        }
        let value = self.read();
        match value {
            Ok(Value::Number(number)) if number.to_string() == self.written() => {
                Ok(Value::Number(number))
            }
            // Of a number that no float holds, there is no value.
            Ok(Value::Number(_)) | Err(_) if self.is_number() => {
                Ok(Value::String(self.written().to_owned()))
            }
            other => other,
        }
    }

    fn is_number(self) -> bool {
        matches!(self.written().as_bytes().first(), Some(b'-' | b'0'..=b'9'))
    }

    pub(crate) fn unexpected(self, expected: &str) -> Problem {
        let found = match self.written() {
            "null" => "null".to_owned(),
            flag @ ("true" | "false") => format!("boolean `{flag}`"),
            other => match other.as_bytes()[0] {
                b'"' => "string".to_owned(),
                b'[' => "list".to_owned(),
                b'{' => "object".to_owned(),
                _ => format!("number `{other}`"),
            },
        };
        self.wrong(&format!("invalid type: {found}, expected {expected}"))
    }

    /// Something is wrong with all of the value.
    pub(crate) fn wrong(self, what: &str) -> Problem {
        Problem {
            end: self.end,
            what: what.to_owned(),
        }
    }

    /// Where the name of a member ends, by its value.
    fn before(self) -> usize {
        let before = self.text[..self.start].trim_end();
        before.strip_suffix(':').unwrap_or(before).trim_end().len()
    }

    fn string(self) -> Result<Cow<'a, str>, Problem> {
        let written = self.written();
        let inner = &written[1..written.len() - 1];
        if inner.contains('\\') {
            self.read().map(Cow::Owned)
        } else {
            Ok(Cow::Borrowed(inner))
        }
    }

    /// Names and values of an object in turn; nothing if it is none.
    pub(crate) fn pairs(self) -> impl Iterator<Item = Result<(Cow<'a, str>, Self), Problem>> {
        let mut parts = self.parts();
        iter::from_fn(move || {
            let name = parts.next().filter(|_| self.is_object())?;
            let value = parts.next()?;
            Some(name.string().map(|name| (name, value)))
        })
    }

    /// The values between the brackets, names of an object among them.
    fn parts(self) -> impl Iterator<Item = Self> {
        let bytes = self.text.as_bytes();
        let mut at = self.start + 1;
        iter::from_fn(move || {
            while at + 1 < self.end && between(bytes[at]) {
                at += 1;
            }
            if at + 1 >= self.end {
                return None;
            }
            let start = at;
            at = end_of(bytes, start);
            Some(Self {
                start,
                end: at,
                ..self
            })
        })
    }
}

/// Digits of a number, with its sign, that an `i64` holds for certain.
const SHORT: usize = 18;

/// Members of a small object.
const FEW: usize = 16;

/// Most objects and lists in each other.
const DEEPEST: usize = 128;

/// What stands for text.
pub(crate) const WORD: &str = "text in quotation marks, or a number";

impl Problem {
    /// As an error of a line of a file.
    pub(crate) fn on_line(self, path: &Path, line: usize) -> DataError {
        DataError::Json {
            path: path.to_owned(),
            line,
            column: self.end,
            problem: self.what,
        }
    }

    /// As an error of a file with this text.
    pub(crate) fn within(self, path: &Path, text: &str) -> DataError {
        let before = &text[..self.end];
        let line = 1 + before.matches('\n').count();
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            end: column,
            ..self
        }
        .on_line(path, line)
    }
}

/// White space, and what stands between values.
fn between(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':')
}

/// Where the value ends that begins at `start`.
fn end_of(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_string(bytes, at),
            b'[' | b'{' => {
                depth += 1;
                at += 1;
                continue;
            }
            b']' | b'}' if depth == 0 => return at,
            b']' | b'}' => {
                depth -= 1;
                at += 1;
            }
            other if depth == 0 && between(other) => return at,
            _ => {
                at += 1;
                continue;
            }
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

/// Behind the closing quotation mark of the string that begins at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> Value {
        let json = Json::parse(text).expect("JSON");
        json.value().expect("a value")
    }

    #[test]
    fn numbers_keep_their_digits() {
        for digits in [
            "2.50",
            "-0",
            "1e3",
            "1E+2",
            "0.1234567890123456789",
            "123456789012345678901234567890",
            "1e999",
            "7",
            "-2.5",
        ] {
            let list = format!(" [ {digits} , \"x\"]");
            let json = Json::parse(&list).expect("JSON");
            let words = json.words("a list").expect("words");
            assert_eq!(words, [digits, "x"]);
        }
        let text = r#"{"id": 18446744073709551616, "score": 2.50, "plain": 2.5, "n": -3, "in": [{"x": 1e2}, 1E400, -1e999]}"#;
        let expected = serde_json::json!({
            "id": "18446744073709551616", "score": "2.50", "plain": 2.5, "n": -3, "in": [{"x": "1e2"}, "1E400", "-1e999"],
        });
        assert_eq!(value(text), expected);
    }

    #[test]
    fn a_name_that_occurs_twice_is_found_at_its_place() {
        for (text, line, column) in [
            ("{\"a\": 1,\n \"b\": {\"c\": 1, \"c\": 2}}", 2, 18),
            ("{\"a\": 1,\n \"\\u0061\" : 2}", 2, 9),
            ("[{\"a\":\"}\",\"a\":\"\\\"\"}]", 1, 13),
        ] {
            let json = Json::parse(text).expect("JSON");
            let error = json.value().expect_err("twice");
            let error = error.within(Path::new("x.json"), text).to_string();
            let place = format!("`x.json`, line {line}, column {column}: duplicate field `");
            assert!(error.starts_with(&place), "{error}");
        }
    }

    #[test]
    fn what_lies_too_deep_is_refused() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let json = Json::parse(&deep).expect("JSON");
        let error = json.value().expect_err("deep").what;
        assert!(error.contains("lie in each other"), "{error}");
        let fits = format!("{}{}", "[".repeat(DEEPEST), "]".repeat(DEEPEST));
        assert!(value(&fits).is_array());
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
            "[\\\\\"\\[\\]{}:, ]*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map(".*", inner, 0..6)
                    .prop_map(|map| Value::from(map.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_value_is_what_serde_reads(expected in any_value(), pretty: bool) {
            let text = if pretty {
                serde_json::to_string_pretty(&expected)
            } else {
                serde_json::to_string(&expected)
            };
            prop_assert_eq!(value(&text.expect("JSON")), expected);
        }
    }
}
