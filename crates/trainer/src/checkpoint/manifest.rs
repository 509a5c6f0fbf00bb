//! Checksums of a checkpoint's files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Checksum and size of every file of a checkpoint but the manifest itself.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) files: BTreeMap<String, FileMark>,
    /// CRC-32 of the files' names, sizes and checksums, so that the manifest vouches for itself.
    crc32: u32,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileMark {
    pub(super) bytes: u64,
    crc32: u32,
}

impl Manifest {
    pub(super) fn new(files: BTreeMap<String, FileMark>) -> Self {
        Self {
            crc32: seal(&files),
            files,
        }
    }

    /// Reads a manifest; the error says what is wrong with it.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if seal(&manifest.files) != manifest.crc32 {
            return Err("its checksum does not match".to_owned());
        }
        Ok(manifest)
    }
}

impl FileMark {
    pub(super) fn of(content: &[u8]) -> Self {
        Self {
            bytes: content.len() as u64,
            crc32: crc32fast::hash(content),
        }
    }

    /// Checks a file; the error says how it differs.
    pub(super) fn check(&self, content: &[u8]) -> Result<(), String> {
        let found = Self::of(content);
        if found.bytes != self.bytes {
            return Err(format!("{} bytes instead of {}", found.bytes, self.bytes));
        }
        if found != *self {
            return Err("its checksum does not match".to_owned());
        }
        Ok(())
    }
}

fn seal(files: &BTreeMap<String, FileMark>) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for (name, mark) in files {
        hasher.update(name.as_bytes());
        hasher.update(&mark.bytes.to_le_bytes());
        hasher.update(&mark.crc32.to_le_bytes());
    }
    hasher.finalize()
}
