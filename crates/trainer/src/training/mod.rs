//! A run: [`train`] leads it from its settings to its summary, `trainer` loops over its steps.

mod announce;
mod conclude;
mod finished;
mod memory;
mod preflight;
mod recover;
mod reporter;
mod run;
mod segment;
mod told;
mod train;
mod trainer;

pub use preflight::preflight;
pub use run::Run;
pub use train::train;
