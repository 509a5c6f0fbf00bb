//! Operations with a backward pass of their own, which keeps less than the steps that they are made of would.
//!
//! Each is a trait on Burn's backends: the plain operation, what the CPU backend does better, and the rule for the gradient.

mod attention;
mod dropout;
mod gelu_linear;
mod graph_step;
mod linear;
mod window_attention;

pub(crate) use attention::attention;
pub(crate) use dropout::{dropout_mask, hash, row_numbers};
pub(crate) use gelu_linear::gelu_linear;
pub(crate) use graph_step::{Gradient, Rule, again, graph_step};
pub(crate) use linear::{project, project_by};
pub(crate) use window_attention::window_attention;
