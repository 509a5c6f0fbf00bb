//! Sums with terms and over gradients that repeat along the batch: row `b` of the batch has entry `b` modulo `p`.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::Shape;

/// Adds `[p, 1 or heads, 1 or queries, keys]` to `[batch, heads, queries, keys]`.
pub(super) fn add_by_period<B: Backend>(
    scores: FloatTensor<B>,
    term: &FloatTensor<B>,
) -> FloatTensor<B> {
    let shape = scores.shape();
    let by_period = by_period(&shape, term.shape()[0]);
    let [period, heads, queries, keys] = term.shape().dims();
    let term = B::float_reshape(term.clone(), Shape::new([1, period, heads, queries, keys]));
    let sum = B::float_add(B::float_reshape(scores, by_period), term);
    B::float_reshape(sum, shape)
}

/// Sums `[batch, heads, queries, keys]` to `[p, 1 or heads, 1 or queries, keys]`.
pub(super) fn sum_by_period<B: Backend>(gradient: FloatTensor<B>, shape: &Shape) -> FloatTensor<B> {
    let whole = by_period(&gradient.shape(), shape[0]);
    let part: [usize; 4] = shape.dims();
    let summed = (0..4).filter(|axis| match axis {
        0 => whole[0] > 1,
        _ => whole[axis + 1] > 1 && part[*axis] == 1,
    });
    let axes: Vec<_> = summed
        .map(|axis| if axis == 0 { 0 } else { axis + 1 })
        .collect();
    let gradient = B::float_reshape(gradient, whole.clone());
    let gradient = axes.into_iter().fold(gradient, B::float_sum_dim);
    B::float_reshape(gradient, shape.clone())
}

/// `[batch, ..]` as `[batch / p, p, ..]`.
fn by_period(shape: &Shape, period: usize) -> Shape {
    let [batch, heads, queries, keys] = shape.dims();
    Shape::new([batch / period, period, heads, queries, keys])
}
