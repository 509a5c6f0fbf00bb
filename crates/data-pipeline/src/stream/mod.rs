//! Images in the order in which they are stored, mixed in a buffer on their way.

mod feed;
mod sequence;

pub(crate) use feed::{Feed, Held, OPEN_SHARDS, READ_AHEAD};
pub(crate) use sequence::Sequence;
