//! What layouts read of JSON files: elements with their fields, and the values of fields.

mod stream;

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::error::{ImportError, Place};

pub(crate) use stream::{Input, Item, Shape, check_start, open, parse_error, stream, whole};

/// What a layout takes from the fields of an element.
pub(crate) trait Element: Default {
    /// Reads the value of a field that the layout has; `false`, with the value left, for any other field.
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error>;

    /// Where all other fields go; nothing if they are not kept.
    fn others(&mut self) -> Option<&mut Vec<(String, Value)>> {
        None
    }
}

/// Implements [`Element`]: which field of a type takes the value of which name, each at most once. With `..others` all other
/// fields are kept.
macro_rules! element {
    ($type:ty { $($name:literal => $field:ident),+ $(, ..$others:ident)? }) => {
        impl $crate::json::Element for $type {
            fn field<'de, A: ::serde::de::MapAccess<'de>>(
                &mut self,
                key: &str,
                map: &mut A,
            ) -> Result<bool, A::Error> {
                match key {
                    $($name => $crate::json::once(&mut self.$field, $name, map),)+
                    _ => Ok(false),
                }
            }
            $(
                fn others(&mut self) -> Option<&mut Vec<(String, ::serde_json::Value)>> {
                    Some(&mut self.$others)
                }
            )?
        }
    };
}
pub(crate) use element;

/// An [`Element`] as JSON has it.
pub(crate) struct Fields<E>(pub(crate) E);

impl<'de, E: Element> Deserialize<'de> for Fields<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor(PhantomData))
    }
}

struct FieldsVisitor<E>(PhantomData<E>);

impl<'de, E: Element> Visitor<'de> for FieldsVisitor<E> {
    type Value = Fields<E>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut element = E::default();
        while let Some(key) = map.next_key::<String>()? {
            if element.field(&key, &mut map)? {
                continue;
            }
            let Some(others) = element.others() else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if others.iter().any(|(known, _)| *known == key) {
                return Err(A::Error::custom(format!("duplicate field `{key}`")));
            }
            others.push((key, map.next_value()?));
        }
        Ok(Fields(element))
    }
}

/// Takes the value of a field that an element has once.
pub(crate) fn once<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
    place: &mut Option<T>,
    name: &'static str,
    map: &mut A,
) -> Result<bool, A::Error> {
    if place.is_some() {
        return Err(A::Error::duplicate_field(name));
    }
    *place = Some(map.next_value()?);
    Ok(true)
}

/// An id as text, with all its digits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Id(pub(crate) String);

/// The id of a question, and whether its file writes it as a number. It stays so, since servers want it back as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct QuestionId {
    /// All its digits, or its text.
    pub(crate) text: String,
    number: bool,
}

/// A text, or a number as written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

impl QuestionId {
    /// An id that is a text.
    pub(crate) fn of_text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            number: false,
        }
    }

    /// Appends the id in JSON, as its file has it.
    pub(crate) fn push(&self, text: &mut String) {
        if self.number {
            text.push_str(&self.text);
        } else {
            push(text, &self.text);
        }
    }
}

impl<'de> Deserialize<'de> for QuestionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = deserializer.deserialize_any(QuestionIdVisitor)?;
        if id.text.is_empty() {
            return Err(D::Error::custom(EMPTY_ID));
        }
        Ok(id)
    }
}

/// What an id is, in messages.
const AN_ID: &str = "an id: whole digits, or text in quotation marks";

const EMPTY_ID: &str = "an id that is empty";

const ID: Word = Word {
    expected: AN_ID,
    fractions: false,
};

struct QuestionIdVisitor;

impl Visitor<'_> for QuestionIdVisitor {
    type Value = QuestionId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(AN_ID)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<QuestionId, E> {
        Ok(QuestionId::of_text(text))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<QuestionId, E> {
        let text = ID.visit_u64(number)?;
        Ok(QuestionId { text, number: true })
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<QuestionId, E> {
        let text = ID.visit_i64(number)?;
        Ok(QuestionId { text, number: true })
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<QuestionId, E> {
        let text = ID.visit_f64(number)?;
        Ok(QuestionId { text, number: true })
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_any(ID)?;
        if text.is_empty() {
            return Err(D::Error::custom(EMPTY_ID));
        }
        Ok(Self(text))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "text in quotation marks";
        deserializer
            .deserialize_any(Word {
                expected,
                fractions: true,
            })
            .map(Self)
    }
}

struct Word {
    expected: &'static str,
    fractions: bool,
}

impl Visitor<'_> for Word {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<String, E> {
        Ok(text)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<String, E> {
        if self.fractions {
            Ok(number.to_string())
        } else {
            Err(E::custom(format!(
                "the number {number} is no id: expected {}",
                self.expected
            )))
        }
    }
}

/// Text, or a list of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMoreVisitor)
    }
}

struct OneOrMoreVisitor;

impl<'de> Visitor<'de> for OneOrMoreVisitor {
    type Value = OneOrMore;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or a list of texts")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<OneOrMore, E> {
        Ok(OneOrMore::One(text.to_owned()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<OneOrMore, E> {
        Ok(OneOrMore::One(number.to_string()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<OneOrMore, E> {
        Ok(OneOrMore::One(number.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMore, A::Error> {
        let mut texts = Vec::new();
        while let Some(Text(text)) = list.next_element()? {
            texts.push(text);
        }
        Ok(OneOrMore::More(texts))
    }
}

/// Appends a value in JSON.
pub(crate) fn push(text: &mut String, value: &(impl Serialize + ?Sized)) {
    let json = serde_json::to_string(value).expect("strings and finite numbers are JSON");
    text.push_str(&json);
}

/// A field that an element must have.
pub(crate) fn need<T>(
    value: Option<T>,
    name: &str,
    input: Input<'_>,
    place: &Place,
) -> Result<T, ImportError> {
    value.ok_or_else(|| {
        ImportError::content(
            input.path,
            place.clone(),
            format!("there is no `{name}`"),
            "every element of this layout has the field; download the file again, or add it",
        )
    })
}

/// The text under a key of the object that a file is, if it is there; of any length.
pub(crate) fn top_text(input: Input<'_>, key: &'static str) -> Result<Option<String>, ImportError> {
    let mut found = None;
    let mut json = serde_json::Deserializer::from_reader(open(input)?);
    let seed = TopText {
        key,
        found: &mut found,
    };
    seed.deserialize(&mut json)
        .map_err(|error| parse_error(input.path, None, &error))?;
    Ok(found)
}

struct TopText<'a> {
    key: &'static str,
    found: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for TopText<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TopText<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == self.key {
                *self.found = Some(map.next_value::<Text>()?.0);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}
