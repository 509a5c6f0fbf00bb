//! Operations with a backward pass of their own, which keeps less than the steps that they are made of would.
//!
//! Each is a trait on Burn's backends: the plain operation, what the CPU backend does better, and the rule for the gradient.

/// Implements an operation for every backend without a graph that was compiled: with its default methods, or with those
/// given.
macro_rules! on_plain_backends {
    ($operation:ident $methods:tt) => {
        #[cfg(feature = "flex")]
        impl $operation for burn::backend::Flex $methods

        #[cfg(any(feature = "cuda", feature = "wgpu"))]
        impl $operation for burn::backend::Cube $methods

        impl $operation for burn::backend::Capture $methods
    };
}

mod attention;
mod dropout;
#[cfg(feature = "flex")]
mod flex;
mod gelu;
mod gelu_linear;
mod graph_step;
mod half;
mod layer_norm;
mod linear;
mod product;
mod window_attention;

pub use attention::attention;
pub(crate) use dropout::{dropout_mask, hash, row_numbers};
pub use gelu::gelu;
pub use gelu_linear::gelu_linear;
pub use graph_step::identity;
pub(crate) use graph_step::{Gradient, Rule, graph_step};
pub use half::operand;
pub use layer_norm::LayerNorm;
pub use linear::{project, project_by};
pub use product::{convolve, product};
pub use window_attention::window_attention;
