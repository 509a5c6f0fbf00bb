//! How a file that has no object a line can be rewritten so that it has: the filter for `jq`.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Take};
use std::path::Path;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::files;

/// A filter that yields the questions of a file of JSON values; nothing where the file is no JSON, or a value was cut off.
///
/// One object may hold the list of questions, as the files of many data sets do: `.data[]`. Several objects, each spread over
/// lines, are taken as they are.
pub(super) fn filter(path: &Path) -> Option<String> {
    let mut file = values(path)?;
    let mut values = serde_json::Deserializer::from_reader(&mut file).into_iter::<Seen>();
    let first = values.next()?.ok()?;
    let mut alone = true;
    for value in values {
        value.ok()?;
        alone = false;
    }
    if !alone || first.asks {
        return Some(".".to_owned());
    }
    match first.list {
        Some(list) if list.path.starts_with('.') => Some(list.path),
        Some(list) => Some(format!(".{}", list.path)),
        None if first.all_objects => Some(".[]".to_owned()),
        None => Some(".".to_owned()),
    }
}

/// The bytes of a file behind a byte-order mark, as far as is looked.
fn values(path: &Path) -> Option<Take<BufReader<File>>> {
    let mut file = BufReader::new(files::open(path).ok()?);
    if file.fill_buf().ok()?.starts_with(b"\xef\xbb\xbf") {
        file.consume(3);
    }
    Some(file.take(files::LARGEST_JSON as u64))
}

/// What counts of a value.
#[derive(Default)]
struct Seen {
    /// Whether it is an object.
    object: bool,
    /// Whether it is an object with a question.
    asks: bool,
    /// Whether it is an object with members, all of them objects.
    all_objects: bool,
    /// The list of objects in it that is most likely the questions.
    list: Option<List>,
}

/// A list of objects.
struct List {
    /// The way to its elements, as `jq` has it.
    path: String,
    /// Whether the first has a question.
    asks: bool,
}

/// The step to a member, as `jq` has it.
fn step(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.chars().all(plain) && name.starts_with(|c: char| !c.is_ascii_digit()) {
        format!(".{name}")
    } else {
        format!("[{}]", serde_json::Value::from(name))
    }
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Look)
    }
}

struct Look;

impl<'de> Visitor<'de> for Look {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Seen, A::Error> {
        let mut seen = Seen {
            object: true,
            all_objects: true,
            ..Seen::default()
        };
        let mut members = 0;
        while let Some((name, value)) = map.next_entry::<String, Seen>()? {
            members += 1;
            seen.asks |= name == "question";
            seen.all_objects &= value.object;
            let better = |list: &List| match &seen.list {
                None => true,
                Some(known) => list.asks && !known.asks,
            };
            if let Some(list) = value.list.filter(better) {
                seen.list = Some(List {
                    path: step(&name) + &list.path,
                    ..list
                });
            }
        }
        seen.all_objects &= members > 0;
        Ok(seen)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Seen, A::Error> {
        let first = seq.next_element::<Seen>()?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        let first = first.filter(|first| first.object);
        Ok(Seen {
            list: first.map(|first| List {
                path: "[]".to_owned(),
                asks: first.asks,
            }),
            ..Seen::default()
        })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen::default())
    }
}
