//! What the cross-crate tests share.

#![expect(
    clippy::missing_panics_doc,
    reason = "test support: a panic is how it reports"
)]

mod golden;
mod memory;
mod runs;
mod sizes;

pub use golden::{
    Case, Difference, Gradients, LoadWeights, golden_folder, gradient_of, gradients_by_path,
};
pub use memory::{Comparison, compare, configuration};
pub use runs::{Silent, newest_weights, random_numbers, weights};
pub use sizes::{bert_config, fine_branch_config};
