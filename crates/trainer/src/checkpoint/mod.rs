//! Checkpoints: whole or absent, verified when read.
//!
//! The folder `step-N` holds what the configuration and the data decide, so equal runs have equal files there. What was
//! measured lies beside it in `measured-N.json`, which is written first and belongs to the checkpoint.

mod best;
mod files;
mod manifest;
mod own;
mod rejected;
mod state;
mod store;

pub use best::Weights;
pub use rejected::{Flaw, Rejected};
pub use state::{Best, RunState, Sums};
pub use store::{Checkpoints, Verified};
