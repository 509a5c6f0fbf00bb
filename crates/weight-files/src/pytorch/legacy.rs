//! Checkpoints as `torch.save` wrote them before `PyTorch` 1.6: pickles one after the other, then the storages.

use std::collections::BTreeMap;

use super::pickle::{self, LONGEST_PICKLE, Parsed};
use super::state_dict;
use super::value::{Storage, Value};
use crate::content::Content;
use crate::error::Fault;
use crate::source::Source;

/// The first pickle is a number, `0x1950a86a20f9469cfc6c`, behind its protocol and, from protocol 4 on, a length.
const MAGIC: [u8; 12] = [
    0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19,
];

/// Bytes of protocol and length in front of the number, at most.
const PREFIX: usize = 11;

/// Whether a file that begins with these bytes is of this form.
pub(crate) fn recognise(start: &[u8]) -> bool {
    let first = &start[..start.len().min(PREFIX + MAGIC.len())];
    first.first() == Some(&0x80) && first.windows(MAGIC.len()).any(|bytes| bytes == MAGIC)
}

/// The version of the format.
const VERSION: i64 = 1001;

/// Bytes of the number of elements in front of a storage.
const COUNT: u64 = 8;

/// Reads a checkpoint of the older form.
pub(crate) fn read(source: &Source) -> Result<Content, Fault> {
    let bytes = source.read(0, source.len().min(LONGEST_PICKLE), "the pickles")?;
    let mut at = 0;
    let mut next = || -> Result<Parsed<'_>, Fault> {
        let parsed = pickle::parse(&bytes[at..]).map_err(|fault| match fault {
            Fault::Pickle { at: within, what } => Fault::Pickle {
                at: at + within,
                what,
            },
            fault => fault,
        })?;
        at += parsed.length;
        Ok(parsed)
    };
    next()?; // the magic number
    if !matches!(next()?.root(), Value::Int(VERSION)) {
        return Err(Fault::Pickle {
            at: 0,
            what: "its form is of a version that is not known",
        });
    }
    if !is_little_endian(&next()?) {
        return Err(Fault::BigEndian);
    }
    let content = next()?;
    let keys = next()?;

    let storages = locate(&content, &keys, at as u64, source)?;
    state_dict::collect(&content.values, content.root, source.len(), |storage| {
        storages.get(storage.key).copied().ok_or(NO_STORAGE)
    })
}

const NO_STORAGE: Fault = Fault::Pickle {
    at: 0,
    what: "a tensor has no storage",
};

const NO_LENGTH: Fault = Fault::Pickle {
    at: 0,
    what: "a storage has a type whose length is not known, so those behind it cannot be found",
};

fn is_little_endian(system: &Parsed<'_>) -> bool {
    let Value::Dict(items) = system.root() else {
        return false;
    };
    items.iter().any(|(key, value)| {
        matches!(system.values[*key as usize], Value::Text("little_endian"))
            && matches!(system.values[*value as usize], Value::Bool(true))
    })
}

/// Offset of every storage, in bytes. They follow each other in the order of their keys.
fn locate<'a>(
    content: &Parsed<'a>,
    keys: &Parsed<'a>,
    mut at: u64,
    source: &Source,
) -> Result<BTreeMap<&'a str, u64>, Fault> {
    let storages = content.values.iter().filter_map(|value| match value {
        Value::Storage(storage) => Some((storage.key, *storage)),
        _ => None,
    });
    let storages: BTreeMap<&str, Storage<'_>> = storages.collect();
    let Value::List(list) = keys.root() else {
        return Err(NO_STORAGE);
    };
    let mut starts = BTreeMap::new();
    for key in list {
        let Value::Text(key) = keys.values[*key as usize] else {
            return Err(NO_STORAGE);
        };
        let storage = storages.get(key).ok_or(NO_LENGTH)?;
        let count = source.read(at, COUNT, "a storage")?;
        let count = u64::from_le_bytes(*count.first_chunk().unwrap_or(&[0; COUNT as usize]));
        let start = at + COUNT;
        let end = storage.bytes().and_then(|bytes| start.checked_add(bytes));
        match end {
            Some(end) if end <= source.len() && count == storage.elements => at = end,
            _ => {
                return Err(Fault::Outside {
                    what: "a storage",
                    file: source.len(),
                });
            }
        }
        starts.insert(key, start);
    }
    Ok(starts)
}
