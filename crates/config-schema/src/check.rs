//! Whether a TOML value is one that its key takes.

use std::ops::Range;

use serde_json::{Value as Json, json};
use toml::{
    Spanned,
    de::{DeArray, DeFloat, DeInteger, DeValue},
};

use crate::{
    error::{Found, Problem, excerpt},
    schema::{self, Key, Kind},
    suggest,
    values::{Device, DeviceMemory, KeyPath, MalformedValue},
};

/// The value as JSON if the key takes it; otherwise `None` and at least one error in `found`.
pub(crate) fn value(
    key: &Key,
    value: &Spanned<DeValue<'_>>,
    found: &mut Vec<Found>,
) -> Option<Json> {
    let mut check = Check { key, found };
    check.value(&key.kind, value)
}

/// [`value`] for a string that was written without quotes.
pub(crate) fn bare_word(
    key: &Key,
    word: &str,
    span: Range<usize>,
    found: &mut Vec<Found>,
) -> Option<Json> {
    let mut check = Check { key, found };
    check.text(&key.kind, word, span)
}

struct Check<'a> {
    key: &'a Key,
    found: &'a mut Vec<Found>,
}

impl Check<'_> {
    fn value(&mut self, kind: &Kind, value: &Spanned<DeValue<'_>>) -> Option<Json> {
        let span = value.span();
        match (kind, value.get_ref()) {
            (Kind::Boolean | Kind::Switch(_), DeValue::Boolean(value)) => Some(json!(value)),
            (Kind::Integer { min, max }, DeValue::Integer(value)) => {
                match integer(value)
                    .filter(|value| (i128::from(*min)..=i128::from(*max)).contains(value))
                {
                    // Within the bounds of an i64, as they are.
                    Some(value) => Some(json!(i64::try_from(value).ok()?)),
                    None => self.out_of_range(kind, &value.to_string(), span),
                }
            }
            (Kind::Number(_), DeValue::Integer(value)) => {
                let number = integer(value).map(|value| value as f64);
                self.number(kind, number, &value.to_string(), span)
            }
            (Kind::Number(_), DeValue::Float(value)) => {
                self.number(kind, float(value), &value.to_string(), span)
            }
            (Kind::Text { .. } | Kind::Choice(_), DeValue::String(text)) => {
                self.text(kind, text, span)
            }
            (Kind::Switch(words), DeValue::String(text)) if !would_fit(kind, text) => {
                self.word(words, text, span)
            }
            (Kind::Array { item, min, max }, DeValue::Array(items)) => {
                if (*min..=*max).contains(&items.len()) {
                    self.items(item, items)
                } else {
                    let problem = Problem::WrongLength {
                        key: self.key.path.clone(),
                        got: items.len(),
                        expected: kind.to_string(),
                    };
                    self.fail(span, problem, Some(self.key.doc.clone()))
                }
            }
            (kind, value) => self.wrong_type(kind, value, span),
        }
    }

    fn items(&mut self, item: &Kind, items: &DeArray<'_>) -> Option<Json> {
        // Not a short-circuiting collect: every element at fault is reported.
        let items: Vec<Option<Json>> = items.iter().map(|value| self.value(item, value)).collect();
        items
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .map(Json::Array)
    }

    fn number(
        &mut self,
        kind: &Kind,
        number: Option<f64>,
        written: &str,
        span: Range<usize>,
    ) -> Option<Json> {
        match (kind, number) {
            (Kind::Number(bounds), Some(number)) if bounds.contains(number) => Some(json!(number)),
            _ => self.out_of_range(kind, written, span),
        }
    }

    fn text(&mut self, kind: &Kind, text: &str, span: Range<usize>) -> Option<Json> {
        match kind {
            Kind::Choice(words) | Kind::Switch(words) => self.word(words, text, span),
            Kind::Text { format } if format.as_deref() == Some(KeyPath::FORMAT) => {
                self.name_of_a_key(text, span)
            }
            Kind::Text { format } => match formatted(format.as_deref(), text) {
                Ok(()) if self.is_beyond_any_machine(text) => {
                    let problem = Problem::OutOfRange {
                        key: self.key.path.clone(),
                        value: format!("\"{text}\""),
                        expected: format!(
                            "less than {}",
                            DeviceMemory::of(DeviceMemory::MORE_THAN_ANY_MACHINE)
                        ),
                    };
                    self.fail(span, problem, Some(self.key.doc.clone()))
                }
                Ok(()) => Some(json!(text)),
                Err(MalformedValue { expected, .. }) => {
                    let problem = Problem::Malformed {
                        key: self.key.path.clone(),
                        value: excerpt(text),
                        expected: expected.to_owned(),
                    };
                    self.fail(span, problem, Some(self.key.doc.clone()))
                }
            },
            kind => self.wrong_type(kind, &DeValue::String(text.into()), span),
        }
    }

    /// One of the words that the key takes.
    fn word(&mut self, words: &[String], text: &str, span: Range<usize>) -> Option<Json> {
        if words.iter().any(|word| word == text) {
            return Some(json!(text));
        }
        let problem = Problem::UnknownValue {
            key: self.key.path.clone(),
            value: excerpt(text),
        };
        let help = match &self.key.kind {
            kind @ Kind::Switch(_) => format!("`{}` is {kind}", self.key.name),
            _ => suggest::for_choice(text, words.iter().map(String::as_str)),
        };
        self.fail(span, problem, Some(help))
    }

    fn name_of_a_key(&mut self, text: &str, span: Range<usize>) -> Option<Json> {
        if schema::keys().any(|key| key.path == text) {
            return Some(json!(text));
        }
        let problem = Problem::Malformed {
            key: self.key.path.clone(),
            value: excerpt(text),
            expected: "the name of a key as `section.key`".to_owned(),
        };
        let (section, name) = match text.split_once('.') {
            Some((section, name)) => (Some(section), name),
            None => (None, text),
        };
        let help = suggest::for_key(section, name);
        self.fail(span, problem, help.or_else(|| Some(self.key.doc.clone())))
    }

    fn wrong_type(&mut self, kind: &Kind, value: &DeValue<'_>, span: Range<usize>) -> Option<Json> {
        let key = self.key;
        let help = match value {
            DeValue::String(text) if would_fit(kind, text) => {
                format!("write it without quotes: {} = {text}", key.name)
            }
            DeValue::Float(_) if matches!(kind, Kind::Integer { .. }) => {
                format!(
                    "write a whole number without a point; `{}` is {kind}",
                    key.name
                )
            }
            DeValue::String(_) => format!("`{}` is {kind}. {}", key.name, key.doc),
            _ if matches!(kind, Kind::Choice(_) | Kind::Text { .. }) => {
                format!("a string is written in quotes; `{}` is {kind}", key.name)
            }
            _ => format!("`{}` is {kind}. {}", key.name, key.doc),
        };
        let problem = Problem::WrongType {
            key: key.path.clone(),
            expected: kind.type_name().to_owned(),
            got: described(value),
        };
        self.fail(span, problem, Some(help))
    }

    fn out_of_range(&mut self, kind: &Kind, written: &str, span: Range<usize>) -> Option<Json> {
        let problem = Problem::OutOfRange {
            key: self.key.path.clone(),
            value: excerpt(written),
            expected: kind.to_string(),
        };
        self.fail(span, problem, Some(self.key.doc.clone()))
    }

    /// Whether the key says what a machine has, and the amount is more than any has. A budget is compared with the machine.
    fn is_beyond_any_machine(&self, text: &str) -> bool {
        let bytes = || text.parse::<DeviceMemory>().ok()?.bytes();
        self.key.path.starts_with("preset.min_")
            && bytes().is_some_and(|bytes| bytes >= DeviceMemory::MORE_THAN_ANY_MACHINE)
    }

    fn fail(&mut self, span: Range<usize>, problem: Problem, help: Option<String>) -> Option<Json> {
        self.found.push(Found::new(span, problem).help(help));
        None
    }
}

fn formatted(format: Option<&str>, text: &str) -> Result<(), MalformedValue> {
    match format {
        Some(Device::FORMAT) => text.parse::<Device>().map(drop),
        Some(DeviceMemory::FORMAT) => text.parse::<DeviceMemory>().map(drop),
        _ => Ok(()),
    }
}

fn integer(value: &DeInteger<'_>) -> Option<i128> {
    i128::from_str_radix(value.as_str(), value.radix()).ok()
}

fn float(value: &DeFloat<'_>) -> Option<f64> {
    value.as_str().parse().ok()
}

fn would_fit(kind: &Kind, text: &str) -> bool {
    match kind {
        Kind::Boolean | Kind::Switch(_) => text.parse::<bool>().is_ok(),
        Kind::Integer { .. } => text.parse::<i64>().is_ok(),
        Kind::Number(_) => text.parse::<f64>().is_ok_and(f64::is_finite),
        _ => false,
    }
}

/// The type of a value and, where it is short, the value.
fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the string \"{}\"", excerpt(text)),
        DeValue::Integer(value) => format!("the integer {}", excerpt(&value.to_string())),
        DeValue::Float(value) => format!("the float {}", excerpt(&value.to_string())),
        DeValue::Boolean(value) => format!("the boolean {value}"),
        DeValue::Datetime(value) => format!("the date {value}"),
        DeValue::Array(items) => format!("an array of {}", items.len()),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
