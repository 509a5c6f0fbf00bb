//! A preset for a card of any size.
//!
//! The presets that come with the program are for two sizes of cards. Between, above and below them lies a ladder of
//! configurations, from the most to the least that a card may be given; each lower one takes no more memory and gives up one
//! thing more. A card gets the highest one that it is large enough for and whose planned peak fits into its budget. So less
//! memory never means more of anything, and plans decide, not a table of sizes.
//!
//! The order in which things are given up, each at the price of time alone until the model shrinks: micro-batches of the
//! whole effective batch, a fixed micro-batch and whole score matrices in attention, kept activations, larger
//! micro-batches, the large model, larger micro-batches again down to one sample, and last the training of X-VLM. Segments of
//! layers are the shortest there are all along. Images keep their size: with another one the task is another one.

mod card;
mod error;
mod ladder;
mod overlay;

pub use card::{Card, HostDemand};
pub use error::DeriveError;
pub(crate) use ladder::{micro_batch, sizes};
pub use overlay::{Derived, PassedOver, derive};

#[cfg(test)]
mod tests;
