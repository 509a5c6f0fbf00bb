//! Which positions of two sequences are padding.

use burn::tensor::{Bool, Tensor};

/// Positions of two sequences that are padding, `[batch, positions]`; none: no position is.
#[derive(Debug, Clone, Copy)]
pub struct Masked<'a> {
    /// Of the first sequence.
    pub x: Option<&'a Tensor<2, Bool>>,
    /// Of the second sequence.
    pub y: Option<&'a Tensor<2, Bool>>,
}

impl Masked<'_> {
    /// No position is padding.
    pub const NONE: Self = Self { x: None, y: None };
}
