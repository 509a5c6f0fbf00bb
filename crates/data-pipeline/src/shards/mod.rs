//! Images of a data set one behind the other in TAR files, as `WebDataset` has them: for storage that is slow at random access.

mod list;
mod look;
mod read;
mod write;

pub(crate) use list::{BUFFER, MANIFEST, ShardList};
pub(crate) use read::ShardReader;
#[cfg(test)]
pub(crate) use read::tests;
pub use read::{InShard, Shards};
pub use write::ShardLimit;
pub(crate) use write::{Record, ShardWriter, json_start};
