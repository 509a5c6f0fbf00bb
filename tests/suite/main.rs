//! Tests that cross crates.

mod golden_aoa;
mod golden_grad_accum;
mod golden_optim;
mod layering;
mod runs;
mod slicing;
