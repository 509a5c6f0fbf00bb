//! Scaled dot-product attention, with or without keeping the attention weights for the backward pass.
//!
//! The form that does not keep them goes through the queries in tiles, forward and backward (Rabe and Staats, 2021):
//! the weights of one tile exist at a time, so memory grows with the number of tokens and not with its square. A tile
//! has all keys of its queries, so its softmax is that of the plain form and needs no running maximum.

mod captured;
#[cfg(feature = "flex")]
mod flex;
mod operation;
mod periods;
#[cfg(test)]
mod tests;
mod tiles;

pub use operation::attention;
pub(super) use tiles::{Inputs, Kernel, range};
