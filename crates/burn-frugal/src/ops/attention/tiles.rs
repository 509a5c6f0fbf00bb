//! Attention tile by tile on any backend that computes.

use std::ops::Range;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{FloatDType, Slice};

use super::periods::{add_by_period, sum_by_period};
use crate::ops::dropout::RowDropout;
use crate::ops::half::HalfProducts;
use crate::precision::half_of;

/// Most attention weights of a block of small rows: as many as lie in the first caches of a core with what they are made
/// of.
const BLOCK: usize = 1 << 14;

/// Fewest queries of a tile: with fewer, matrix products are slow.
const FEWEST_QUERIES: usize = 64;

/// What attention is computed from. `p` divides `batch`: row `b` of the batch has entry `b` modulo `p`.
#[derive(Debug, Clone)]
pub(crate) struct Inputs<B: Backend> {
    /// `[batch, heads, queries, d]`
    pub(crate) query: FloatTensor<B>,
    /// `[batch, heads, keys, d]`
    pub(crate) key: FloatTensor<B>,
    /// `[batch, heads, keys, d]`
    pub(crate) value: FloatTensor<B>,
    /// `[p, 1 or heads, 1 or queries, keys]`, added to the scores; may be trained.
    pub(crate) bias: FloatTensor<B>,
    /// `[p, 1 or heads, 1 or queries, keys]`, added to the scores as well; a constant.
    pub(crate) mask: Option<FloatTensor<B>>,
    /// Dropout on the weights, with rows `[batch, heads, queries, 1]`.
    pub(crate) dropout: Option<RowDropout<B>>,
}

/// Gradients of what attention was computed from.
#[derive(Debug)]
pub(crate) struct Gradients<B: Backend> {
    pub(crate) query: FloatTensor<B>,
    pub(crate) key: FloatTensor<B>,
    pub(crate) value: FloatTensor<B>,
    /// Where it was asked for.
    pub(crate) bias: Option<FloatTensor<B>>,
}

/// Forward and backward pass on a backend that computes, and the steps of a tile.
pub(crate) trait Kernel: HalfProducts {
    /// Most attention weights of a tile, unless [`FEWEST_QUERIES`] have more: 64 MiB in single precision, enough to keep
    /// a GPU busy.
    const TILE: usize = 1 << 24;

    /// `softmax(q k^T / sqrt(d) + bias + mask) v`: `[batch, heads, queries, d]`, of queries, keys and values in half
    /// precision, if the products are to be, or in that of the bias.
    fn forward(inputs: Inputs<Self>) -> FloatTensor<Self> {
        inputs.attend()
    }

    /// Gradients from that of the result; `trains_bias`: whether that of the bias is asked for.
    fn backward(
        inputs: Inputs<Self>,
        gradient: FloatTensor<Self>,
        trains_bias: bool,
    ) -> Gradients<Self> {
        inputs.attend_backward(&gradient, trains_bias)
    }

    /// Attention weights from the products of queries and keys, `[batch, heads, queries, keys]`.
    fn weights(products: FloatTensor<Self>, tile: &Inputs<Self>) -> FloatTensor<Self> {
        weights(products, tile)
    }

    /// Weights of which some are dropped.
    fn drop(weights: FloatTensor<Self>, dropout: &RowDropout<Self>) -> FloatTensor<Self> {
        dropout.apply(weights)
    }

    /// Gradient of the scores, `w (m g - sum of w m g)`, where `g` is that of the dropped weights and `m` what each weight
    /// was multiplied by when some were dropped.
    ///
    /// - `weights`: `w`
    /// - `dropped`: `w m`
    /// - `gradient`: `g`
    fn through_softmax(
        weights: FloatTensor<Self>,
        dropped: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        through_softmax::<Self>(weights, dropped, gradient)
    }
}

/// [`Kernel::weights`] by operations that every backend has.
pub(super) fn weights<B: Kernel>(products: FloatTensor<B>, tile: &Inputs<B>) -> FloatTensor<B> {
    let scores = B::float_mul_scalar(products, tile.scale().into());
    let scores = add_by_period::<B>(scores, &tile.bias);
    let scores = match &tile.mask {
        Some(mask) => add_by_period::<B>(scores, mask),
        None => scores,
    };
    B::softmax(scores, 3)
}

/// [`Kernel::through_softmax`] by operations that every backend has.
pub(super) fn through_softmax<B: Backend>(
    weights: FloatTensor<B>,
    dropped: FloatTensor<B>,
    gradient: FloatTensor<B>,
) -> FloatTensor<B> {
    let products = B::float_mul(dropped, gradient);
    let sums = B::float_sum_dim(products.clone(), 3);
    B::float_sub(products, B::float_mul(weights, sums))
}

impl<B: Kernel> Inputs<B> {
    /// `[batch, heads, queries, keys]`
    pub(super) fn dims(&self) -> [usize; 4] {
        let [batch, heads, queries, _] = self.query.shape().dims();
        [batch, heads, queries, self.key.shape()[2]]
    }

    /// What products of queries and keys are multiplied by.
    pub(super) fn scale(&self) -> f64 {
        (self.query.shape()[3] as f64).powf(-0.5)
    }

    /// `[batch, heads, queries, d]`
    pub(super) fn attend(&self) -> FloatTensor<B> {
        let half = self.half();
        let factors = self.factors();
        let tiles = factors.tiles().map(|queries| {
            let tile = factors.queries(&queries);
            let weights = B::factor(tile.dropped(tile.weights(half)), half);
            B::product(B::float_matmul(weights, tile.value), half)
        });
        concatenate::<B>(tiles.collect(), 2)
    }

    pub(super) fn attend_backward(
        &self,
        gradient: &FloatTensor<B>,
        trains_bias: bool,
    ) -> Gradients<B> {
        let scale = |gradient| B::float_mul_scalar(gradient, self.scale().into());
        let half = self.half();
        let factors = self.factors();
        let multiply = |left, right| B::product(B::float_matmul(left, right), half);
        let mut query = Vec::new();
        let mut bias = Vec::new();
        let mut key_and_value: Option<[FloatTensor<B>; 2]> = None;
        for queries in factors.tiles() {
            let tile = factors.queries(&queries);
            let gradient = B::factor(range::<B>(gradient, 2, &queries), half);
            let weights = tile.weights(half);
            let dropped = tile.dropped(weights.clone());
            let factor = B::factor(dropped.clone(), half);
            let for_value = multiply(B::float_transpose(factor), gradient.clone());
            let for_weights = multiply(gradient, B::float_transpose(tile.value.clone()));
            let for_scores = B::through_softmax(weights, dropped, for_weights);
            if trains_bias {
                bias.push(sum_by_period::<B>(for_scores.clone(), &tile.bias.shape()));
            }
            let for_scores = B::factor(for_scores, half);
            query.push(multiply(for_scores.clone(), tile.key));
            let for_key = multiply(B::float_transpose(for_scores), tile.query);
            key_and_value = Some(match key_and_value {
                Some([key, value]) => [B::float_add(key, for_key), B::float_add(value, for_value)],
                None => [for_key, for_value],
            });
        }
        let [key, value] = key_and_value.unwrap_or_else(|| unreachable!("there is a tile"));
        Gradients {
            query: scale(concatenate::<B>(query, 2)),
            key: scale(key),
            value,
            bias: match self.bias.shape()[2] {
                1 => bias.into_iter().reduce(B::float_add),
                _ => trains_bias.then(|| concatenate::<B>(bias, 2)),
            },
        }
    }

    /// What the products are in; none: what bias and mask are in.
    pub(super) fn half(&self) -> Option<FloatDType> {
        half_of(self.query.dtype())
    }

    /// Queries, keys and values as the backend multiplies them.
    fn factors(&self) -> Self {
        let half = self.half();
        let factor = |tensor: &FloatTensor<B>| B::factor(tensor.clone(), half);
        Self {
            query: factor(&self.query),
            key: factor(&self.key),
            value: factor(&self.value),
            ..self.clone()
        }
    }

    /// The queries of each tile.
    fn tiles(&self) -> impl Iterator<Item = Range<usize>> + use<B> {
        let [batch, heads, queries, keys] = self.dims();
        let of_a_tile = (B::TILE / (batch * heads * keys).max(1)).max(FEWEST_QUERIES);
        (0..queries.max(1))
            .step_by(of_a_tile)
            .map(move |start| start..queries.min(start + of_a_tile))
    }

    /// The same for some of the queries.
    fn queries(&self, queries: &Range<usize>) -> Self {
        let some = |tensor: &FloatTensor<B>| match tensor.shape()[2] {
            1 => tensor.clone(),
            _ => range::<B>(tensor, 2, queries),
        };
        Self {
            query: some(&self.query),
            key: self.key.clone(),
            value: self.value.clone(),
            bias: some(&self.bias),
            mask: self.mask.as_ref().map(some),
            dropout: self.dropout.as_ref().map(|dropout| {
                dropout.part(|rows| B::int_slice(rows, &slices(4, 2, queries.clone().into())))
            }),
        }
    }

    fn weights(&self, half: Option<FloatDType>) -> FloatTensor<B> {
        let key = B::float_transpose(self.key.clone());
        let products = B::product(B::float_matmul(self.query.clone(), key), half);
        B::weights(products, self)
    }

    fn dropped(&self, weights: FloatTensor<B>) -> FloatTensor<B> {
        match &self.dropout {
            Some(dropout) => B::drop(weights, dropout),
            None => weights,
        }
    }

    /// Rows of the batch that are computed together, with all their heads. Where it is 1, the matrices are large enough to
    /// be computed one by one.
    pub(super) fn rows_of_a_block(&self) -> usize {
        let [batch, heads, queries, keys] = self.dims();
        let rows = (BLOCK / (heads * queries * keys).max(1)).clamp(1, batch.max(1));
        let terms = [Some(&self.bias), self.mask.as_ref()].into_iter().flatten();
        let periods = terms.map(|term| term.shape()[0]).filter(|&own| own < batch);
        let period = periods.fold(1, |period, own| match period % own {
            0 => period,
            _ => period * own,
        });
        // Each block begins where the periods do.
        (rows - rows % period).max(1)
    }

    /// Some rows of the batch, the first of which is the first of a period.
    #[cfg(feature = "flex")]
    pub(super) fn rows(&self, rows: &Range<usize>) -> Self {
        let batch = self.query.shape()[0];
        let some = |tensor: &FloatTensor<B>| match tensor.shape()[0] {
            all if all == batch => range::<B>(tensor, 0, rows),
            _ => tensor.clone(),
        };
        Self {
            query: some(&self.query),
            key: some(&self.key),
            value: some(&self.value),
            bias: some(&self.bias),
            mask: self.mask.as_ref().map(some),
            dropout: self.dropout.as_ref().map(|dropout| {
                dropout.part(|numbers| B::int_slice(numbers, &slices(4, 0, rows.clone().into())))
            }),
        }
    }

    /// One row of the batch and one head.
    #[cfg(feature = "flex")]
    pub(super) fn matrix(&self, row: usize, head: usize) -> Self {
        let one = |tensor: &FloatTensor<B>| {
            let [rows, heads, ..] = tensor.shape().dims::<4>();
            at::<B>(&at::<B>(tensor, 0, row % rows), 1, head % heads)
        };
        Self {
            query: one(&self.query),
            key: one(&self.key),
            value: one(&self.value),
            bias: one(&self.bias),
            mask: self.mask.as_ref().map(one),
            dropout: self.dropout.as_ref().map(|dropout| {
                dropout.part(|rows| {
                    let row = B::int_slice(rows, &slices(4, 0, Slice::index(row as isize)));
                    B::int_slice(row, &slices(4, 1, Slice::index(head as isize)))
                })
            }),
        }
    }
}

/// One after the other along an axis.
pub(super) fn concatenate<B: Backend>(
    mut parts: Vec<FloatTensor<B>>,
    axis: usize,
) -> FloatTensor<B> {
    match parts.len() {
        1 => parts.remove(0),
        _ => B::float_cat(parts, axis),
    }
}

/// The part of a tensor at one index of an axis, which stays with length 1.
#[cfg(feature = "flex")]
pub(super) fn at<B: Backend>(tensor: &FloatTensor<B>, axis: usize, index: usize) -> FloatTensor<B> {
    range::<B>(tensor, axis, &(index..index + 1))
}

/// The part of a tensor at some indices of an axis.
pub(crate) fn range<B: Backend>(
    tensor: &FloatTensor<B>,
    axis: usize,
    indices: &Range<usize>,
) -> FloatTensor<B> {
    B::float_slice(
        tensor.clone(),
        &slices(tensor.rank(), axis, indices.clone().into()),
    )
}

/// Everything but along one axis.
fn slices(rank: usize, axis: usize, slice: Slice) -> Vec<Slice> {
    let mut slices = vec![Slice::from(..); rank];
    slices[axis] = slice;
    slices
}
