//! `PyTorch` checkpoints.
//!
//! Burn's own reader joins the names along nested dictionaries and copies shared values, so that a file of a megabyte can
//! ask it for gigabytes, which nothing outside of it can prevent. This one keeps every value once, refuses what no file
//! of weights needs, and takes names from one dictionary only.

mod archive;
mod legacy;
mod pickle;
mod state_dict;
mod tensor;
mod value;

use std::collections::BTreeMap;

use crate::error::Fault;
use crate::file::Stored;
use crate::source::Source;

pub(crate) use legacy::MARK;

/// The longest pickle that is read, in bytes: room for twenty thousand tensors. Parsing one that is made to do harm takes
/// less than a hundred times as much memory.
pub const LONGEST_PICKLE: u64 = 4 << 20;

/// Tensors by name, and the names of all else.
pub(crate) type Content = (BTreeMap<String, Stored>, Vec<String>);

/// Whether a file that begins with these bytes is a zip archive.
pub(crate) fn is_archive(start: &[u8]) -> bool {
    start.starts_with(b"PK\x03\x04")
}

/// Whether a file that begins with these bytes is of the older form.
pub(crate) fn is_legacy(start: &[u8]) -> bool {
    start.starts_with(&legacy::MAGIC)
}

/// Reads a checkpoint in a zip archive.
pub(crate) fn read_archive(source: &Source) -> Result<Content, Fault> {
    let archive = archive::Archive::open(source)?;
    let pickle = archive.pickle()?;
    let parsed = pickle::parse(&pickle)?;
    state_dict::collect(&parsed.values, parsed.root, source.len(), |storage| {
        archive.storage(storage)
    })
}

/// Reads a checkpoint of the older form.
pub(crate) fn read_legacy(source: &Source) -> Result<Content, Fault> {
    legacy::read(source)
}
