//! Regular files, read whole or by line, and no more of them than they may have.
//!
//! A device or a pipe has no end, and a file that is no text may have no second line: both would be read until memory is
//! used up.

use std::fs::{self, File, Metadata};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use file_kind::FileKind;

use crate::error::DataError;

/// Longest line of questions, in bytes.
pub(crate) const LONGEST_LINE: usize = 1 << 20;

/// Largest list of words or answers, in bytes.
pub(crate) const LARGEST_LIST: usize = 64 << 20;

/// Largest file of JSON about a whole data set, in bytes.
pub(crate) const LARGEST_JSON: usize = 1 << 30;

/// Largest encoded image, in bytes: twice what the most pixels take uncompressed.
pub(crate) const LARGEST_IMAGE: usize = 512 << 20;

/// Largest file of region features, in bytes.
pub(crate) const LARGEST_FEATURES: usize = 256 << 20;

/// What some programs write in front of a text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Whether there is a file. What is there and is none, and what cannot be looked at, is an error and not absence.
pub(crate) fn is_file(path: &Path) -> Result<bool, DataError> {
    match metadata(path)? {
        Some(there) if !there.is_file() => Err(DataError::NotAFile {
            path: path.to_owned(),
        }),
        there => Ok(there.is_some()),
    }
}

/// The same of a folder.
pub(crate) fn is_folder(path: &Path) -> Result<bool, DataError> {
    match metadata(path)? {
        Some(there) if !there.is_dir() => Err(DataError::NotAFolder {
            path: path.to_owned(),
        }),
        there => Ok(there.is_some()),
    }
}

/// Whether there is anything.
pub(crate) fn exists(path: &Path) -> Result<bool, DataError> {
    Ok(metadata(path)?.is_some())
}

/// Of what lies at a path, through links; a link to nothing is an error.
fn metadata(path: &Path) -> Result<Option<Metadata>, DataError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path)(error)),
        Ok(_) => fs::metadata(path).map(Some).map_err(failed(path)),
    }
}

/// The text of a file of at most `limit` bytes.
pub(crate) fn text(path: &Path, limit: usize) -> Result<String, DataError> {
    let bytes = bytes(path, limit)?;
    require_text(&bytes, path)?;
    utf8(bytes, path, 1)
}

/// The content of a file of at most `limit` bytes.
pub(crate) fn bytes(path: &Path, limit: usize) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    let mut file = open(path)?.take(limit as u64 + 1);
    file.read_to_end(&mut bytes).map_err(failed(path))?;
    if bytes.len() > limit {
        return Err(DataError::TooLarge {
            path: path.to_owned(),
            limit,
        });
    }
    Ok(bytes)
}

/// A regular file that a data set names, and its length. That there is none is an error of its own.
pub(crate) fn named(path: &Path) -> Result<(File, u64), DataError> {
    if !is_file(path)? {
        return Err(DataError::Missing {
            path: path.to_owned(),
        });
    }
    let file = open(path)?;
    let length = file.metadata().map_err(failed(path))?.len();
    Ok((file, length))
}

/// The lines of a file, each of at most [`LONGEST_LINE`] bytes, with their numbers from 1.
pub(crate) fn lines(path: &Path) -> Result<Lines, DataError> {
    let mut file = BufReader::new(open(path)?);
    require_text(file.fill_buf().map_err(failed(path))?, path)?;
    Ok(Lines {
        path: path.to_owned(),
        file,
        number: 0,
    })
}

/// Iterator of [`lines`].
pub(crate) struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    number: usize,
}

impl Lines {
    /// Number of the line that was read last, from 1.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// Nothing at the end of the file.
    fn read(&mut self) -> Result<Option<(usize, String)>, DataError> {
        self.number += 1;
        let mut bytes = Vec::new();
        // One more for the end of the line, and one to see that it does not end.
        let mut line = self.file.by_ref().take(LONGEST_LINE as u64 + 2);
        line.read_until(b'\n', &mut bytes)
            .map_err(failed(&self.path))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        if bytes.len() > LONGEST_LINE {
            return Err(DataError::LongLine {
                path: self.path.clone(),
                line: self.number,
                limit: LONGEST_LINE,
            });
        }
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        Ok(Some((self.number, utf8(bytes, &self.path, self.number)?)))
    }
}

impl Iterator for Lines {
    type Item = Result<(usize, String), DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// Looked at before it is opened: to open a pipe is to wait for somebody who writes.
pub(crate) fn open(path: &Path) -> Result<File, DataError> {
    if !fs::metadata(path).map_err(failed(path))?.is_file() {
        return Err(DataError::NotAFile {
            path: path.to_owned(),
        });
    }
    File::open(path).map_err(failed(path))
}

/// Refuses what took the place of a text file, by how it begins.
fn require_text(start: &[u8], path: &Path) -> Result<(), DataError> {
    match FileKind::of(start) {
        kind if kind.replaces_file() => Err(DataError::Foreign {
            path: path.to_owned(),
            kind,
        }),
        _ => Ok(()),
    }
}

/// The bytes, which begin with the given line, as text without a byte-order mark.
fn utf8(bytes: Vec<u8>, path: &Path, line: usize) -> Result<String, DataError> {
    if !bytes.is_empty() && bytes.iter().all(|byte| *byte == 0) {
        return Err(DataError::ZeroBytes {
            path: path.to_owned(),
            line,
        });
    }
    if let Some(encoding) = wide_encoding(&bytes) {
        return Err(DataError::OtherEncoding {
            path: path.to_owned(),
            encoding,
        });
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        DataError::NotUtf8 {
            path: path.to_owned(),
            binary: error.as_bytes().iter().copied().any(is_binary),
            line: line - 1 + before.split(|byte| *byte == b'\n').count(),
        }
    })?;
    // Files that were put together have one in the middle.
    if text.starts_with(BYTE_ORDER_MARK) {
        text.remove(0);
    }
    Ok(text)
}

/// Whether no text has the byte, in UTF-8 or in an encoding that extends ASCII.
fn is_binary(byte: u8) -> bool {
    byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | 0x1b)
}

/// The encoding of text whose characters have two or four bytes each: by its byte-order mark, or by the zeros that are
/// half of it or more and that no other text has.
fn wide_encoding(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => return Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Some("UTF-16"),
        _ => {}
    }
    let start = &bytes[..bytes.len().min(64)];
    let zeros = start.split(|byte| *byte == 0).count() - 1;
    // The high byte of a character comes first or last.
    let high_first = start.first() == Some(&0);
    match start.len() {
        0..2 => None,
        length if 3 * zeros >= 2 * length => Some(if high_first { "UTF-32BE" } else { "UTF-32LE" }),
        length if 3 * zeros >= length => Some(if high_first { "UTF-16BE" } else { "UTF-16LE" }),
        _ => None,
    }
}

pub(crate) fn failed(path: &Path) -> impl Fn(io::Error) -> DataError {
    move |source| DataError::Io {
        path: path.to_owned(),
        source,
    }
}
