//! The training loop.

mod conclude;
mod data;
mod finished;
mod memory;
mod reporter;
mod run;
mod segment;
mod step;
mod trainer;

pub(crate) use memory::evaluation_limits;
pub use run::{Run, train};
