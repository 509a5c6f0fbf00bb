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

pub(crate) use archive::read as read_archive;
pub(crate) use legacy::{read as read_legacy, recognise as is_legacy};
pub use pickle::LONGEST_PICKLE;
