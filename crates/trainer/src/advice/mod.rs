//! What the next run should set otherwise, from what this one measured.
//!
//! Where the budget has room, larger micro-batches and fewer of them; where it was tight, the reverse, and less of the
//! memory where the device itself had none left; where steps waited for samples, more workers. The effective batch stays as
//! it is. Nothing is advised that was not measured, or that would gain nothing, and then the reason is given.

mod measured;
mod rules;

pub(crate) use measured::Tally;
pub use measured::{MeasuredRun, Sizes};
pub use rules::{Advice, advise};

#[cfg(test)]
mod tests;
