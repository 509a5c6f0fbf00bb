//! The tree of an LMDB, read in order of its keys.
//!
//! LMDB's library maps a file and trusts it: a damaged one ends the program. Here a file is read page by page, and each offset is
//! compared with where it leads. Only what a reader needs is known: the newest root, branches, leaves and long values.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use file_kind::{FileKind, LONGEST_START, open_regular};

use super::regions::AGAIN;
use crate::error::{ImportError, Place};

/// The number that a meta page has.
const MAGIC: u32 = 0xBEEF_C0DE;
/// The version of the format.
const VERSION: u32 = 1;
/// Bytes of a page's header.
const HEADER: usize = 16;
/// Bytes in front of a node's key.
const NODE: usize = 8;
/// Levels of a tree, at most.
const DEEPEST: usize = 32;
/// Longest value, in bytes.
const LONGEST: usize = 1 << 30;

const BRANCH: u16 = 1;
const LEAF: u16 = 2;
const OVERFLOW: u16 = 4;
/// A node whose value has pages of its own.
const LONG_VALUE: u16 = 1;

/// An open file.
pub(crate) struct Lmdb {
    path: PathBuf,
    file: File,
    page: usize,
    /// The last page that is used.
    last: u64,
    root: u64,
    entries: u64,
}

/// Takes a key and its value.
type Each<'a> = dyn FnMut(&[u8], Vec<u8>) -> Result<(), ImportError> + 'a;

/// Whether a file begins as an LMDB does.
pub(crate) fn begins(start: &[u8]) -> bool {
    start.get(HEADER..HEADER + 4) == Some(&MAGIC.to_le_bytes())
}

/// The file of an LMDB, which is named by its folder or itself.
pub(crate) fn file_of(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.join("data.mdb")
    } else {
        path.to_owned()
    }
}

fn number(bytes: &[u8], at: usize, count: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(count)?)?.iter().rev();
    Some(bytes.fold(0, |number, byte| (number << 8) | u64::from(*byte)))
}

impl Lmdb {
    /// Opens a file.
    pub(crate) fn open(path: &Path) -> Result<Self, ImportError> {
        let path = &file_of(path);
        let failed = ImportError::io(path);
        let mut file = open_regular(path).map_err(&failed)?;
        let length = file.metadata().map_err(&failed)?.len();
        let mut start = Vec::new();
        let head = file.by_ref().take(LONGEST_START as u64);
        { head }.read_to_end(&mut start).map_err(&failed)?;
        if !begins(&start) {
            return Err(ImportError::Foreign {
                path: path.clone(),
                kind: FileKind::of(&start),
            });
        }
        let wrong = |problem: String| ImportError::content(path, Place::File, problem, AGAIN);
        let short = || wrong("the LMDB ends within its first page".to_owned());
        let version = number(&start, HEADER + 4, 4).ok_or_else(short)?;
        if version != u64::from(VERSION) {
            return Err(wrong(format!(
                "an LMDB of version {version}, not {VERSION}"
            )));
        }
        let page = number(&start, HEADER + 24, 4).ok_or_else(short)?;
        if !(512..=65536).contains(&page) || !page.is_power_of_two() {
            return Err(wrong(format!("the LMDB has pages of {page} bytes")));
        }
        let mut lmdb = Self {
            path: path.clone(),
            file,
            page: page as usize,
            last: 1,
            root: 0,
            entries: 0,
        };
        // The two first pages are written in turns.
        let mut newest = None;
        for place in 0..2 {
            let meta = lmdb.read(place, 1)?;
            let field = |at, count| number(&meta, HEADER + at, count).unwrap_or(0);
            let valid = begins(&meta);
            let turn = field(128, 8);
            if valid && newest.is_none_or(|newest| turn >= newest) {
                newest = Some(turn);
                lmdb.entries = field(24 + 48 + 32, 8);
                lmdb.root = field(24 + 48 + 40, 8);
                lmdb.last = field(120, 8);
            }
        }
        let needed = lmdb.last.saturating_add(1).saturating_mul(page);
        if length < needed {
            return Err(ImportError::content(
                path,
                Place::File,
                format!("the LMDB has {length} of {needed} bytes"),
                AGAIN,
            ));
        }
        Ok(lmdb)
    }

    /// Some pages, one after the other.
    fn read(&mut self, page: u64, pages: usize) -> Result<Vec<u8>, ImportError> {
        if page > self.last || pages as u64 > self.last + 1 - page {
            return Err(self.damaged(page));
        }
        let mut bytes = vec![0; pages * self.page];
        let start = page.saturating_mul(self.page as u64);
        let read = self.file.seek(SeekFrom::Start(start));
        read.and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(ImportError::io(&self.path))?;
        Ok(bytes)
    }

    fn damaged(&self, page: u64) -> ImportError {
        ImportError::content(
            &self.path,
            Place::File,
            format!("page {page} of the LMDB is damaged"),
            AGAIN,
        )
    }

    /// Hands out every key with its value, in rising order of keys.
    pub(crate) fn each(&mut self, each: &mut Each<'_>) -> Result<(), ImportError> {
        let mut found = 0;
        // An empty tree has no root.
        if self.root != u64::MAX {
            self.walk(self.root, DEEPEST, &mut |key, value| {
                found += 1;
                each(key, value)
            })?;
        }
        if found == self.entries {
            return Ok(());
        }
        Err(ImportError::content(
            &self.path,
            Place::File,
            format!("the LMDB has {found} of {} entries", self.entries),
            AGAIN,
        ))
    }

    fn walk(&mut self, at: u64, levels: usize, each: &mut Each<'_>) -> Result<(), ImportError> {
        let page = self.read(at, 1)?;
        let field = |at: usize, count: usize| number(&page, at, count);
        let flags = field(10, 2).unwrap_or(0) as u16;
        let nodes = (field(12, 2).unwrap_or(0) as usize).saturating_sub(HEADER) / 2;
        if levels == 0 || nodes == 0 || ![BRANCH, LEAF].contains(&(flags & (BRANCH | LEAF))) {
            return Err(self.damaged(at));
        }
        for node in 0..nodes {
            let parts = || {
                let node = field(HEADER + 2 * node, 2)? as usize;
                let (low, high) = (field(node, 2)?, field(node + 2, 2)?);
                let (flags, key) = (field(node + 4, 2)?, field(node + 6, 2)? as usize);
                let value = node + NODE + key;
                Some((low | high << 16, flags, node + NODE, value))
            };
            let (size, node_flags, key, value) = parts().ok_or_else(|| self.damaged(at))?;
            if flags & BRANCH != 0 {
                self.walk(size | node_flags << 32, levels - 1, each)?;
                continue;
            }
            let size = size as usize;
            let key = page.get(key..value).ok_or_else(|| self.damaged(at))?;
            let value = match node_flags as u16 {
                0 => page
                    .get(value..value.saturating_add(size))
                    .map(<[u8]>::to_vec),
                LONG_VALUE => {
                    let first = number(&page, value, 8).ok_or_else(|| self.damaged(at))?;
                    Some(self.long_value(first, size)?)
                }
                _ => None,
            };
            each(key, value.ok_or_else(|| self.damaged(at))?)?;
        }
        Ok(())
    }

    /// A value with pages of its own.
    fn long_value(&mut self, first: u64, size: usize) -> Result<Vec<u8>, ImportError> {
        if size > LONGEST {
            return Err(self.damaged(first));
        }
        let mut bytes = self.read(first, (HEADER + size).div_ceil(self.page))?;
        if number(&bytes, 10, 2) != Some(u64::from(OVERFLOW)) {
            return Err(self.damaged(first));
        }
        bytes.truncate(HEADER + size);
        bytes.drain(..HEADER);
        Ok(bytes)
    }
}
