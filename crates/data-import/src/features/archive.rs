//! ZIP archives of few, small entries, as `np.savez` writes them. Crates for archives would change the features of crates that the
//! tensor library is built with.

use zune_inflate::{DeflateDecoder, DeflateOptions};

/// Largest entry, in bytes.
const LARGEST: usize = 1 << 30;

/// The record at the end, without its comment.
const END: usize = 22;
/// A record of the directory, without names.
const RECORD: usize = 46;
/// The header in front of an entry, without names.
const HEADER: usize = 30;
/// Longest comment.
const COMMENT: usize = 0xffff;

/// An archive in memory.
pub(crate) struct Archive<'a> {
    bytes: &'a [u8],
    entries: Vec<Entry>,
}

struct Entry {
    name: Vec<u8>,
    method: u64,
    crc: u32,
    packed: usize,
    size: usize,
    header: usize,
}

/// The number of `count` bytes at an offset.
fn number(bytes: &[u8], at: usize, count: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(count)?)?.iter().rev();
    Some(bytes.fold(0, |number, byte| (number << 8) | u64::from(*byte)))
}

impl<'a> Archive<'a> {
    /// Opens an archive that lies in memory.
    ///
    /// # Errors
    /// When the bytes are not a complete archive; says why.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, &'static str> {
        const CUT: &str = "the archive has no end: it is cut";
        let last = bytes.len().checked_sub(END).ok_or(CUT)?;
        let first = last.saturating_sub(COMMENT);
        let end = (first..=last)
            .rev()
            .find(|at| bytes[*at..].starts_with(b"PK\x05\x06"))
            .ok_or(CUT)?;
        let field = |at, count| number(bytes, end + at, count).unwrap_or(0) as usize;
        let (count, mut at) = (field(10, 2), field(16, 4));
        let mut entries = Vec::new();
        for _ in 0..count {
            let (entry, next) = entry(bytes, at).ok_or("the archive's directory is damaged")?;
            entries.push(entry);
            at = next;
        }
        Ok(Self { bytes, entries })
    }

    /// The content of the entry of this name, `None` if there is no such entry.
    pub(crate) fn read(&self, name: &str) -> Option<Result<Vec<u8>, &'static str>> {
        let mut entries = self.entries.iter();
        let entry = entries.find(|entry| entry.name == name.as_bytes())?;
        Some(self.content(entry))
    }

    fn content(&self, entry: &Entry) -> Result<Vec<u8>, &'static str> {
        const DAMAGED: &str = "it does not match its checksum";
        let place = || {
            let header = self.bytes.get(entry.header..)?;
            let names = number(header, 26, 2)? + number(header, 28, 2)?;
            let start = HEADER + names as usize;
            header
                .starts_with(b"PK\x03\x04")
                .then(|| header.get(start..start.checked_add(entry.packed)?))?
        };
        let packed = place().ok_or("it lies outside of the archive")?;
        if entry.size > LARGEST {
            return Err("it has more than 1 GiB");
        }
        let content = match entry.method {
            0 => packed.to_vec(),
            8 => {
                let options = DeflateOptions::default().set_limit(entry.size + 1);
                let mut decoder = DeflateDecoder::new_with_options(packed, options);
                decoder.decode_deflate().map_err(|_| DAMAGED)?
            }
            _ => return Err("it is compressed by another method than deflate"),
        };
        if content.len() == entry.size && crc32fast::hash(&content) == entry.crc {
            Ok(content)
        } else {
            Err(DAMAGED)
        }
    }
}

/// A record of the directory, and where the next one begins.
fn entry(bytes: &[u8], at: usize) -> Option<(Entry, usize)> {
    let record = bytes.get(at..)?;
    let field = |at, count| number(record, at, count);
    let name = RECORD..RECORD.checked_add(field(28, 2)? as usize)?;
    let extra = name.end..name.end + field(30, 2)? as usize;
    let next = extra.end + field(32, 2)? as usize;
    let (mut packed, mut size) = (field(20, 4)?, field(24, 4)?);
    let header = field(42, 4)?;
    // Sizes of 64 bits stand in a field of their own, the size before the packed one.
    let mut rest = record.get(extra)?;
    while let (Some(kind), Some(length)) = (number(rest, 0, 2), number(rest, 2, 2)) {
        let content = rest.get(4..4 + length as usize)?;
        if kind == 1 {
            let mut wide = content.as_chunks::<8>().0.iter();
            for field in [&mut size, &mut packed] {
                if *field == u64::from(u32::MAX) {
                    *field = u64::from_le_bytes(*wide.next()?);
                }
            }
        }
        rest = &rest[4 + length as usize..];
    }
    let entry = Entry {
        name: record.get(name)?.to_vec(),
        method: field(10, 2)?,
        crc: field(16, 4)? as u32,
        packed: usize::try_from(packed).ok()?,
        size: usize::try_from(size).ok()?,
        header: usize::try_from(header).ok()?,
    };
    record
        .starts_with(b"PK\x01\x02")
        .then_some((entry, at.checked_add(next)?))
}
