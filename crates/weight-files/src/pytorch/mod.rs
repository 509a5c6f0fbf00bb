//! `PyTorch` checkpoints.
//!
//! Burn's own reader joins the names along nested dictionaries and copies shared values, so that a file of a megabyte can
//! ask it for gigabytes, which nothing outside of it can prevent. This one keeps every value once, calls nothing, and
//! takes names from one dictionary only.

mod archive;
mod legacy;
mod pickle;
mod state_dict;
mod tensor;
mod value;

use crate::error::Fault;
use crate::file::Content;
use crate::source::Source;

/// The longest pickle that is read, in bytes: room for the arrays that programs put beside twenty thousand tensors. Parsing
/// one that is made to do harm takes less than a hundred times as much memory.
pub const LONGEST_PICKLE: u64 = 64 << 20;

/// Whether a file that begins with these bytes is of the older form.
pub(crate) fn is_legacy(start: &[u8]) -> bool {
    legacy::recognise(start)
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
