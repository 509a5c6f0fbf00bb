//! Whether a TAR file is the shard that the manifest describes.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use tar::Header;

use super::list::{BUFFER, MANIFEST, Member, Shard};
use super::write::{BLOCK, END, json_start, key};
use crate::error::DataError;
use crate::files;

/// Place and number of the bytes of a header's checksum.
const CHECKSUM: std::ops::Range<usize> = 148..156;

impl Shard {
    /// Opens it, if it has as many bytes as the manifest says.
    pub(super) fn open(&self, path: &Path) -> Result<File, DataError> {
        let (file, length) = match files::named(path) {
            Err(DataError::Missing { .. }) => {
                return Err(DataError::Shards {
                    path: path.to_owned(),
                    problem: format!("it is missing, and `{MANIFEST}` lists it"),
                });
            }
            named => named?,
        };
        if length == self.bytes {
            return Ok(file);
        }
        Err(DataError::shards(
            path,
            &format!("{} bytes, as `{MANIFEST}` says", self.bytes),
            &format!("{length} bytes"),
        ))
    }
}

/// Looks at the shard at `path`, whose first image is the record with the number `first` of its split.
///
/// # Errors
/// What is wrong first: with the headers and their places, then, if `whole`, with the checksum of all bytes.
pub(super) fn look(shard: &Shard, path: &Path, first: usize, whole: bool) -> Result<(), DataError> {
    let mut file = shard.open(path)?;
    let mut tar = Tar {
        path,
        file: &mut file,
    };
    let mut at = 0;
    for (number, Member(image, offset, length, _)) in shard.members.iter().enumerate() {
        let key = key(first + number);
        let place = format!("image `{image}`");
        let found = tar.header(at, &place)?;
        tar.expect(&place, at + BLOCK == *offset, || {
            (
                format!("its bytes from byte {offset} on"),
                format!("byte {}", at + BLOCK),
            )
        })?;
        tar.expect(&place, found.size == *length, || {
            (format!("{length} bytes"), format!("{} bytes", found.size))
        })?;
        tar.expect(&place, found.stem() == key, || {
            (format!("the member `{key}`"), format!("`{}`", found.name))
        })?;
        at = offset + length.next_multiple_of(BLOCK);
        let place = format!("questions about `{image}`");
        let found = tar.header(at, &place)?;
        let expected = format!("{key}.json");
        tar.expect(&place, found.name == expected, || {
            (
                format!("the member `{expected}`"),
                format!("`{}`", found.name),
            )
        })?;
        let start = json_start(image);
        let is = tar.bytes(at + BLOCK, start.len())?;
        tar.expect(&place, is == start.as_bytes(), || {
            (
                format!("`{start}`"),
                format!("`{}`", String::from_utf8_lossy(&is)),
            )
        })?;
        at = at.saturating_add(BLOCK).saturating_add(
            found
                .size
                .checked_next_multiple_of(BLOCK)
                .unwrap_or(u64::MAX),
        );
    }
    tar.expect("the end", at.saturating_add(END) == shard.bytes, || {
        (
            format!("{} bytes", at.saturating_add(END)),
            format!("{} bytes", shard.bytes),
        )
    })?;
    let end = tar.bytes(at, END as usize)?;
    tar.expect("the end", end.iter().all(|byte| *byte == 0), || {
        ("zeros".to_owned(), "other bytes".to_owned())
    })?;
    if !whole {
        return Ok(());
    }
    let found = format!("{:08x}", checksum(&mut file).map_err(files::failed(path))?);
    if found == shard.crc32 {
        return Ok(());
    }
    Err(DataError::ShardChecksum {
        path: path.to_owned(),
        expected: shard.crc32.clone(),
        found,
    })
}

/// A TAR file that is read where the manifest says that something is.
struct Tar<'a> {
    path: &'a Path,
    file: &'a mut File,
}

/// What a header says of its member.
struct Found {
    name: String,
    size: u64,
}

impl Found {
    /// The name without ending.
    fn stem(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }
}

impl Tar<'_> {
    fn bytes(&mut self, at: u64, count: usize) -> Result<Vec<u8>, DataError> {
        let mut bytes = vec![0; count];
        let read = self.file.seek(SeekFrom::Start(at));
        match read.and_then(|_| self.file.read_exact(&mut bytes)) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(DataError::Shards {
                path: self.path.to_owned(),
                problem: format!("it ends before byte {}", at.saturating_add(count as u64)),
            }),
            Err(error) => Err(files::failed(self.path)(error)),
        }
    }

    /// The header at a place.
    fn header(&mut self, at: u64, place: &str) -> Result<Found, DataError> {
        let block = self.bytes(at, BLOCK as usize)?;
        let header = Header::from_byte_slice(&block);
        // The checksum counts as spaces in its own sum.
        let sum: u32 = block
            .iter()
            .enumerate()
            .map(|(at, byte)| u32::from(if CHECKSUM.contains(&at) { b' ' } else { *byte }))
            .sum();
        match (header.cksum(), header.entry_size()) {
            (Ok(stated), Ok(size)) if stated == sum => Ok(Found {
                name: String::from_utf8_lossy(&header.path_bytes()).into_owned(),
                size,
            }),
            _ => Err(DataError::Shards {
                path: self.path.to_owned(),
                problem: format!("the TAR header at byte {at}, of {place}, is damaged"),
            }),
        }
    }

    fn expect(
        &self,
        place: &str,
        right: bool,
        differ: impl FnOnce() -> (String, String),
    ) -> Result<(), DataError> {
        if right {
            return Ok(());
        }
        let (expected, found) = differ();
        Err(DataError::Shards {
            path: self.path.to_owned(),
            problem: format!(
                "it is not the file that `{MANIFEST}` describes: of {place}, expected {expected}, found {found}"
            ),
        })
    }
}

/// CRC-32 of all bytes of a file.
fn checksum(file: &mut File) -> io::Result<u32> {
    file.seek(SeekFrom::Start(0))?;
    let mut buffer = vec![0; BUFFER];
    let mut sum = crc32fast::Hasher::new();
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(sum.finalize()),
            read => sum.update(&buffer[..read]),
        }
    }
}

/// A part of a file, as a file of its own.
pub(super) struct Section {
    file: File,
    start: u64,
    length: u64,
    at: u64,
}

impl Section {
    pub(super) fn new(mut file: File, start: u64, length: u64) -> io::Result<Self> {
        file.seek(SeekFrom::Start(start))?;
        Ok(Self {
            file,
            start,
            length,
            at: 0,
        })
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(self.at);
        let read = (&mut self.file).take(left).read(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Section {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        let at = at.ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
        self.file.seek(SeekFrom::Start(self.start + at))?;
        self.at = at;
        Ok(at)
    }
}
