//! JSON files of any size, an element at a time.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::marker::PhantomData;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use file_kind::FileKind;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::error::{ImportError, Place};
use crate::record::push;

/// Bytes that are read at a time.
const BUFFER: usize = 1 << 18;

/// A file that is read, and the count of bytes read so far over all files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a> {
    pub(crate) path: &'a Path,
    pub(crate) meter: &'a AtomicU64,
}

/// Where the elements lie in a file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// The file is a list.
    List,
    /// The file is an object that has the list under this key.
    Under(&'static str),
    /// The file is an object from name to element.
    Map,
}

/// One element of a file.
#[derive(Debug)]
pub(crate) struct Item<T> {
    /// Its name, in an object.
    pub(crate) key: Option<String>,
    /// Its index, from 0.
    pub(crate) index: usize,
    pub(crate) value: T,
}

/// What a layout takes from the fields of an element.
pub(crate) trait Element: Default {
    /// Reads the value of a field that the layout has; `false`, with the value left, for any other field.
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error>;

    /// Where all other fields go; nothing where they are not kept.
    fn others(&mut self) -> Option<&mut Vec<(String, Value)>> {
        None
    }
}

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

/// A text, or a number as it is written.
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

/// Passes the elements of a file on, in their order.
pub(crate) fn stream<T: DeserializeOwned>(
    input: Input<'_>,
    shape: Shape,
    each: &mut dyn FnMut(Item<T>) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let state = State {
        element: Cell::new(None),
        stopped: RefCell::new(None),
        found: Cell::new(false),
    };
    let mut json = serde_json::Deserializer::from_reader(open(input)?);
    let seed = Whole {
        shape,
        state: &state,
        each: RefCell::new(each),
        item: PhantomData,
    };
    let outcome = seed.deserialize(&mut json).and_then(|()| {
        state.element.set(None);
        json.end()
    });
    if let Some(stopped) = state.stopped.take() {
        return Err(stopped);
    }
    outcome.map_err(|error| parse_error(input.path, state.element.get(), &error))?;
    match shape {
        Shape::Under(key) if !state.found.get() => Err(ImportError::content(
            input.path,
            Place::File,
            format!("there is no list `{key}`"),
            "download the file again",
        )),
        _ => Ok(()),
    }
}

/// A whole file of moderate size.
pub(crate) fn whole<T: DeserializeOwned>(input: Input<'_>) -> Result<T, ImportError> {
    let mut json = serde_json::Deserializer::from_reader(open(input)?);
    let value = T::deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    value.map_err(|error| parse_error(input.path, None, &error))
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

pub(crate) fn parse_error(
    path: &Path,
    element: Option<usize>,
    error: &serde_json::Error,
) -> ImportError {
    if let (true, Some(kind)) = (error.is_io(), error.io_error_kind()) {
        return ImportError::Io {
            path: path.to_owned(),
            source: kind.into(),
        };
    }
    let (line, column, text) = (error.line(), error.column(), error.to_string());
    let place = format!(" at line {line} column {column}");
    ImportError::Json {
        path: path.to_owned(),
        line,
        column,
        element,
        problem: text.strip_suffix(&place).unwrap_or(&text).to_owned(),
    }
}

struct State {
    element: Cell<Option<usize>>,
    stopped: RefCell<Option<ImportError>>,
    found: Cell<bool>,
}

struct Whole<'a, 'b, T> {
    shape: Shape,
    state: &'a State,
    each: RefCell<&'a mut (dyn FnMut(Item<T>) -> Result<(), ImportError> + 'b)>,
    item: PhantomData<T>,
}

impl<T: DeserializeOwned> Whole<'_, '_, T> {
    fn pass<E: Error>(&self, item: Item<T>) -> Result<(), E> {
        (self.each.borrow_mut())(item).map_err(|error| {
            *self.state.stopped.borrow_mut() = Some(error);
            E::custom("stopped")
        })
    }
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Whole<'_, '_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.shape {
            Shape::List => deserializer.deserialize_seq(self),
            Shape::Under(_) | Shape::Map => deserializer.deserialize_map(self),
        }
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Whole<'_, '_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shape {
            Shape::List => f.write_str("a list"),
            Shape::Under(key) => write!(f, "an object with the list `{key}`"),
            Shape::Map => f.write_str("an object"),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut index = 0;
        loop {
            self.state.element.set(Some(index));
            let Some(value) = list.next_element()? else {
                self.state.element.set(None);
                return Ok(());
            };
            self.pass(Item {
                key: None,
                index,
                value,
            })?;
            index += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Shape::Under(wanted) = self.shape else {
            let mut index = 0;
            loop {
                self.state.element.set(Some(index));
                let Some(key) = map.next_key::<String>()? else {
                    return Ok(());
                };
                let value = map.next_value()?;
                self.pass(Item {
                    key: Some(key),
                    index,
                    value,
                })?;
                index += 1;
            }
        };
        while let Some(key) = map.next_key::<String>()? {
            if key != wanted {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if self.state.found.replace(true) {
                return Err(A::Error::duplicate_field(wanted));
            }
            map.next_value_seed(Inner(&self))?;
        }
        Ok(())
    }
}

/// The list under a key.
struct Inner<'a, 'b, 'c, T>(&'a Whole<'b, 'c, T>);

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Inner<'_, '_, '_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Inner<'_, '_, '_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut index = 0;
        loop {
            self.0.state.element.set(Some(index));
            let Some(value) = list.next_element()? else {
                self.0.state.element.set(None);
                return Ok(());
            };
            self.0.pass(Item {
                key: None,
                index,
                value,
            })?;
            index += 1;
        }
    }
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

/// The text of a file from behind its byte-order mark. A `BufReader` on the outside: the parser reads single bytes.
pub(crate) fn open(input: Input<'_>) -> Result<BufReader<Metered<'_>>, ImportError> {
    let failed = ImportError::io(input.path);
    if !fs::metadata(input.path).map_err(&failed)?.is_file() {
        return Err(ImportError::content(
            input.path,
            Place::File,
            "not a regular file",
            "name a file",
        ));
    }
    let file = Metered {
        file: File::open(input.path).map_err(&failed)?,
        meter: input.meter,
    };
    let mut file = BufReader::with_capacity(BUFFER, file);
    let start = file.fill_buf().map_err(&failed)?;
    check_start(input.path, start)?;
    if start.starts_with(b"\xef\xbb\xbf") {
        file.consume(3);
    }
    Ok(file)
}

/// Refuses what is no text in UTF-8.
pub(crate) fn check_start(path: &Path, start: &[u8]) -> Result<(), ImportError> {
    let kind = FileKind::of(start);
    let text = matches!(kind, FileKind::Json | FileKind::Text | FileKind::Unknown);
    if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
        return Err(ImportError::content(
            path,
            Place::File,
            "the text is UTF-16 and must be UTF-8",
            "convert it with `iconv -f UTF-16 -t UTF-8`",
        ));
    }
    if text {
        return Ok(());
    }
    Err(ImportError::Foreign {
        path: path.to_owned(),
        kind,
    })
}

/// Counts what is read.
pub(crate) struct Metered<'a> {
    file: File,
    meter: &'a AtomicU64,
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.meter.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
