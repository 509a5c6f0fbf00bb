//! Zip archives as `torch.save` writes them: entries that are stored as they are.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};

use file_kind::FileKind;

use super::pickle::{self, LONGEST_PICKLE};
use super::state_dict;
use super::value::Storage;
use crate::content::Content;
use crate::error::Fault;
use crate::source::Source;

/// Longest directory that is read, in bytes.
const LONGEST_DIRECTORY: u64 = 16 << 20;

/// Length of the record at the end of an archive, without its comment.
const END: u64 = 22;
/// Length of what points at the wide form of that record.
const WIDE_POINTER: u64 = 20;
/// Length of the wide form.
const WIDE_END: u64 = 56;
/// Bytes of a storage that are checked at a time.
const PART: usize = 1 << 20;
/// Longest comment.
const COMMENT: u64 = 0xffff;
/// Stands for a number that is stored elsewhere since it needs 64 bits.
const WIDE: u32 = u32::MAX;

/// Reads a checkpoint in a zip archive.
pub(crate) fn read(source: &Source) -> Result<Content, Fault> {
    let archive = Archive::open(source)?;
    let pickle = archive.pickle()?;
    let parsed = pickle::parse(&pickle)?;
    state_dict::collect(&parsed.values, parsed.root, source.len(), |storage| {
        archive.storage(storage)
    })
}

/// A zip archive.
struct Archive<'a> {
    source: &'a Source,
    entries: BTreeMap<String, Entry>,
    /// Storages whose bytes match their checksum.
    checked: RefCell<HashSet<String>>,
    /// The prefix that all entry names share.
    root: String,
}

/// An entry, as the directory has it.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Whether its bytes are stored as they are.
    plain: bool,
    /// Length in bytes.
    bytes: u64,
    /// CRC-32 of its bytes; 0 if whoever wrote it computed none, as PyTorch may be told.
    crc: u32,
    /// Offset of its header, in bytes.
    header: u64,
}

impl Entry {
    fn check(&self, crc: u32) -> Result<(), Fault> {
        if self.crc == 0 || self.crc == crc {
            return Ok(());
        }
        Err(Fault::Archive {
            what: "the checksum of an entry does not match: the file is damaged",
        })
    }
}

impl<'a> Archive<'a> {
    fn open(source: &'a Source) -> Result<Self, Fault> {
        let entries = directory(source)?;
        let pickles = entries
            .keys()
            .filter_map(|name| name.strip_suffix("data.pkl"));
        let root = pickles.filter(|root| root.is_empty() || root.ends_with('/'));
        let root = root
            .min_by_key(|root| root.len())
            .ok_or(Fault::Foreign(FileKind::Zip))?;
        let archive = Self {
            source,
            root: root.to_owned(),
            entries,
            checked: RefCell::default(),
        };
        if archive.entries.contains_key(&archive.name("byteorder"))
            && archive.read("byteorder", 16)? != b"little"
        {
            return Err(Fault::BigEndian);
        }
        Ok(archive)
    }

    fn name(&self, entry: &str) -> String {
        format!("{}{entry}", self.root)
    }

    /// The pickle.
    fn pickle(&self) -> Result<Vec<u8>, Fault> {
        self.read("data.pkl", LONGEST_PICKLE)
    }

    /// Offset of a storage in the file, in bytes.
    fn storage(&self, storage: &Storage<'_>) -> Result<u64, Fault> {
        let (start, entry) = self.locate(&format!("data/{}", storage.key))?;
        if storage.bytes().is_none_or(|needed| needed > entry.bytes) {
            return Err(Fault::Archive {
                what: "a storage is shorter than the pickle says",
            });
        }
        if self.checked.borrow_mut().insert(storage.key.to_string()) {
            let mut crc = crc32fast::Hasher::new();
            for from in (0..entry.bytes).step_by(PART) {
                let bytes = (entry.bytes - from).min(PART as u64);
                crc.update(&self.source.read(start + from, bytes, "a storage")?);
            }
            entry.check(crc.finalize())?;
        }
        Ok(start)
    }

    fn read(&self, entry: &str, limit: u64) -> Result<Vec<u8>, Fault> {
        let (start, entry) = self.locate(entry)?;
        if entry.bytes > limit {
            return Err(Fault::TooLong {
                what: "an entry of the zip archive",
                bytes: entry.bytes,
                limit,
            });
        }
        let bytes = self
            .source
            .read(start, entry.bytes, "an entry of the zip archive")?;
        entry.check(crc32fast::hash(&bytes))?;
        Ok(bytes)
    }

    /// An entry, and where its bytes begin in the file; all of them are there.
    fn locate(&self, entry: &str) -> Result<(u64, Entry), Fault> {
        let name = self.name(entry);
        let Some(entry) = self.entries.get(&name) else {
            return Err(Fault::NoEntry { entry: name });
        };
        if !entry.plain {
            return Err(Fault::Packed { entry: name });
        }
        let header = Record(
            self.source
                .read(entry.header, 30, "the header of a zip entry")?,
        );
        header.expect(*b"PK\x03\x04")?;
        let start = entry.header + 30 + u64::from(header.short(26)) + u64::from(header.short(28));
        match start.checked_add(entry.bytes) {
            Some(end) if end <= self.source.len() => Ok((start, *entry)),
            _ => Err(Fault::Outside {
                what: "an entry of the zip archive",
                file: self.source.len(),
            }),
        }
    }
}

/// All entries.
fn directory(source: &Source) -> Result<BTreeMap<String, Entry>, Fault> {
    let (start, bytes) = find_directory(source)?;
    if bytes > LONGEST_DIRECTORY {
        return Err(Fault::TooLong {
            what: "the directory of the zip archive",
            bytes,
            limit: LONGEST_DIRECTORY,
        });
    }
    let directory = source.read(start, bytes, "the directory of the zip archive")?;
    let mut entries = BTreeMap::new();
    let mut rest = &directory[..];
    while !rest.is_empty() {
        let record = Record(rest.get(..46).ok_or(CUT)?.to_vec());
        record.expect(*b"PK\x01\x02")?;
        let lengths = [28, 30, 32].map(|at| usize::from(record.short(at)));
        let [name, extra, comment] = lengths;
        let tail = rest.get(46..46 + name + extra + comment).ok_or(CUT)?;
        rest = &rest[46 + name + extra + comment..];

        let mut wide = wide_numbers(&tail[name..name + extra]);
        let mut number = |at: usize| match record.long(at) {
            WIDE => wide.next().ok_or(Fault::Archive {
                what: "a length of 64 bits is missing",
            }),
            number => Ok(u64::from(number)),
        };
        // In the order in which wide numbers follow each other.
        let (bytes, stored, header) = (number(24)?, number(20)?, number(42)?);
        let (flags, method) = (record.short(8), record.short(10));
        let entry = Entry {
            plain: flags & 1 == 0 && method == 0 && bytes == stored,
            bytes,
            crc: record.long(16),
            header,
        };
        // PyTorch's names are plain text; others are of no use here.
        if let Ok(name) = str::from_utf8(&tail[..name]) {
            entries.insert(name.to_owned(), entry);
        }
    }
    Ok(entries)
}

const CUT: Fault = Fault::Archive {
    what: "its directory ends too early",
};

/// The numbers of 64 bits among the extra fields of an entry.
fn wide_numbers(mut extra: &[u8]) -> impl Iterator<Item = u64> {
    let mut numbers: &[[u8; 8]] = &[];
    while let Some((head, tail)) = extra.split_first_chunk::<4>() {
        let length = usize::from(u16::from_le_bytes([head[2], head[3]]));
        let Some((field, rest)) = tail.split_at_checked(length) else {
            break;
        };
        if head[..2] == [1, 0] {
            numbers = field.as_chunks().0;
        }
        extra = rest;
    }
    numbers.iter().map(|bytes| u64::from_le_bytes(*bytes))
}

/// Offset and length of the directory, in bytes.
fn find_directory(source: &Source) -> Result<(u64, u64), Fault> {
    const WHAT: &str = "the end of the zip archive";
    let tail = source.len().min(END + COMMENT);
    let start = source.len() - tail;
    let bytes = source.read(start, tail, WHAT)?;
    let found = bytes
        .windows(END as usize)
        .rposition(|record| record.starts_with(b"PK\x05\x06") && record[20..] == [0, 0]);
    let at = found.ok_or(Fault::Archive {
        what: "its end is missing, as after a download that was cut off",
    })?;
    let end = Record(bytes[at..at + END as usize].to_vec());
    let at = start + at as u64;
    let (count, length, offset) = (end.short(10), end.long(12), end.long(16));
    if count != u16::MAX && length != WIDE && offset != WIDE {
        return Ok((u64::from(offset), u64::from(length)));
    }
    let pointer = at.checked_sub(WIDE_POINTER).ok_or(CUT)?;
    let pointer = Record(source.read(pointer, WIDE_POINTER, WHAT)?);
    pointer.expect(*b"PK\x06\x07")?;
    let end = Record(source.read(pointer.wide(8), WIDE_END, WHAT)?);
    end.expect(*b"PK\x06\x06")?;
    Ok((end.wide(48), end.wide(40)))
}

/// A record of little-endian numbers, long enough for all that are asked for.
struct Record(Vec<u8>);

impl Record {
    fn expect(&self, signature: [u8; 4]) -> Result<(), Fault> {
        if self.0.starts_with(&signature) {
            return Ok(());
        }
        Err(Fault::Archive {
            what: "a record is not where it should be",
        })
    }

    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.0[at..at + N]);
        bytes
    }

    fn short(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.bytes(at))
    }

    fn long(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes(at))
    }

    fn wide(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.bytes(at))
    }
}
