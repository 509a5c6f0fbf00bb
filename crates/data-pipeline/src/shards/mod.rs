//! Images of a data set one behind the other in TAR files, as `WebDataset` has them: for storage that is slow at random access.

mod list;
mod look;
mod read;
mod write;

pub(crate) use list::{MANIFEST, ShardList};
#[cfg(test)]
pub(crate) use read::tests;
pub(crate) use read::{BUFFER, ShardReader};
pub use read::{InShard, Shards};
pub use write::ShardLimit;
pub(crate) use write::{Record, ShardWriter, json_start};
