//! A run: [`train`] leads it from its settings to its summary, `trainer` loops over its steps.

mod announce;
mod conclude;
mod memory;
mod preflight;
mod recover;
mod reporter;
mod run;
mod segment;
pub(crate) mod start;
mod steps;
mod told;
mod train;
mod trainer;
mod window;

pub use preflight::preflight;
pub use run::Run;
pub use steps::Steps;
pub use train::train;
