//! Imports of samples that were changed.

mod choices;
mod refusals;
mod sample;
