//! The training loop.

mod conclude;
mod data;
mod finished;
mod memory;
mod preflight;
mod reporter;
mod run;
mod segment;
mod step;
mod told;
mod trainer;

pub(crate) use memory::evaluation_limits;
pub use preflight::preflight;
pub use run::{Run, train};
