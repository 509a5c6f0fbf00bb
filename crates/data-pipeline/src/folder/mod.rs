//! A data set of the user's own, in a documented folder layout.

mod features;
mod features_of_image;
mod layout;
mod layout_of;
mod line;
mod lines;
mod manifest;
mod place;
mod questions;
mod read;
mod shard;
mod source;
mod write;
mod written;

use layout::{Layout, NAME};
pub use questions::Questions;
pub use shard::{Packing, Sharded, shard};
pub use source::{Folder, ReadablePart};
pub use write::write;
