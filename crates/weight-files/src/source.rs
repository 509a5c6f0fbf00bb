//! Reading parts of a file, or of bytes in memory, within their length.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::error::Fault;

/// The bytes of a file.
#[derive(Debug)]
pub(crate) struct Source {
    origin: Origin,
    len: u64,
}

#[derive(Debug)]
enum Origin {
    File(File),
    Memory(Vec<u8>),
}

impl Source {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = file_kind::open_regular(path)?;
        Ok(Self {
            len: file.metadata()?.len(),
            origin: Origin::File(file),
        })
    }

    pub(crate) fn memory(bytes: Vec<u8>) -> Self {
        Self {
            len: bytes.len() as u64,
            origin: Origin::Memory(bytes),
        }
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The `count` bytes from `start` on. Nothing is allocated when they are not all there.
    pub(crate) fn read(
        &self,
        start: u64,
        count: u64,
        what: &'static str,
    ) -> Result<Vec<u8>, Fault> {
        let outside = || Fault::Outside {
            what,
            file: self.len,
        };
        let end = start
            .checked_add(count)
            .filter(|end| *end <= self.len)
            .ok_or_else(outside)?;
        match &self.origin {
            Origin::File(file) => {
                let mut file = file; // a shared file can be read, too
                let mut bytes = vec![0; count as usize];
                file.seek(SeekFrom::Start(start))?;
                file.read_exact(&mut bytes)?;
                Ok(bytes)
            }
            Origin::Memory(bytes) => Ok(bytes[start as usize..end as usize].to_vec()),
        }
    }
}
