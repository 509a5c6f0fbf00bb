//! What the cross-crate tests share.

mod golden;

pub use golden::{Case, Difference, Gradients, LoadWeights, gradient_of, gradients_by_path};
