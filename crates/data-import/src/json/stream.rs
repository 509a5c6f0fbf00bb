//! Files of any size, an element at a time.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::marker::PhantomData;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use file_kind::FileKind;
use serde::Deserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use crate::error::{ImportError, Place};

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
