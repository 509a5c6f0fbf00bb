//! Whether the files of a data set can be used, all of them, before they are needed.

mod cause;
mod fault;
mod odd;
mod shared;
mod stamp;
mod work;

pub(crate) use cause::SHARD_CURE;
pub(crate) use fault::printable;
pub use fault::{Fault, Faults, Use};
pub use odd::OddImage;
pub use shared::SharedImages;
pub use stamp::{Glance, Stamp};
pub(crate) use work::message_of;
pub use work::{Check, Checked, Depth, check};
