//! The operation as the model calls it and as Burn dispatches it.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients as Registered;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension};
use burn::tensor::activation::softmax;
use burn::tensor::{Int, Tensor};

use super::tiles::{Inputs, Kernel};
use crate::dropout::RowKeys;
use crate::ops::dropout::{RowDropout, dropout_mask};
use crate::ops::half::operand;
use crate::ops::product::product;

/// Multi-head scaled dot-product attention, `dropout(softmax(q k^T / sqrt(d) + bias)) v` (Vaswani et al., 2017).
///
/// Both forms give the same to rounding, with the same dropout for the same keys. The
/// `efficient` one computes the attention weights once more in the backward pass and never has all of them, forward or
/// backward; the other keeps them, `[batch, heads, queries, keys]`, and two more of that size with dropout. Without
/// autodiff nothing is kept, and the efficient form is taken always.
///
/// # Shapes
///
/// - `query`: `[batch, heads, queries, d]`
/// - `key`, `value`: `[batch, heads, keys, d]`
/// - `bias`: `[1 or batch, 1 or heads, 1 or queries, keys]`, added to the scores. A very low, finite one masks a key; a row
///   that is masked throughout is then a mean
/// - `dropout`: how probable it is that a weight is dropped, and the keys of the rows of the batch; none if nothing is
/// - result: `[batch, heads, queries, d]`
pub fn attention(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    bias: Tensor<4>,
    dropout: Option<(f64, &RowKeys)>,
    efficient: bool,
) -> Tensor<4> {
    let [batch, heads, queries, _] = query.dims();
    let dropout = dropout.filter(|(probability, _)| *probability > 0.0);
    let dropout = dropout.map(|(probability, keys)| Dropping {
        rows: keys.numbers(batch, [heads, queries]),
        probability,
    });
    attend([query, key, value, bias], dropout, efficient)
}

/// Dropout of weights.
pub(super) struct Dropping {
    /// `[batch, heads, queries, 1]`: the number of each row of weights.
    pub(super) rows: Tensor<4, Int>,
    pub(super) probability: f64,
}

/// [`attention`] of query, key, value and bias with rows of weights that have their numbers.
pub(super) fn attend(
    [query, key, value, bias]: [Tensor<4>; 4],
    dropout: Option<Dropping>,
    efficient: bool,
) -> Tensor<4> {
    let device = query.device();
    if efficient || !device.is_autodiff() {
        let Dropping { rows, probability } = dropout.unwrap_or_else(|| Dropping {
            rows: Tensor::zeros([1; 4], &device),
            probability: 0.0,
        });
        let [query, key, value] = [query, key, value].map(operand);
        return Tensor::from_dispatch(Dispatch::attention(
            query.into_dispatch(),
            key.into_dispatch(),
            value.into_dispatch(),
            bias.into_dispatch(),
            rows.into_dispatch(),
            probability,
        ));
    }
    let [.., keys, dim_head] = key.dims();
    let scale = (dim_head as f64).powf(-0.5);
    let scores = product(query.mul_scalar(scale), key.swap_dims(2, 3)) + bias;
    let weights = softmax(scores, 3); // [batch, heads, queries, keys]
    let weights = match dropout {
        Some(Dropping { rows, probability }) => {
            let mask = dropout_mask(rows, keys, probability);
            weights.clone() * mask.cast(weights.dtype())
        }
        None => weights,
    };
    product(weights, value)
}

/// Dropout of rows with numbers; none if nothing is dropped.
fn dropped<B: Backend>(rows: IntTensor<B>, probability: f64) -> Option<RowDropout<B>> {
    (probability > 0.0).then(|| RowDropout::new(rows, probability))
}

/// The operation as Burn dispatches it.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(any(feature = "cuda", feature = "wgpu")),
    Capture,
    Autodiff
)]
pub(crate) trait Attention: Backend {
    /// `rows`: `[batch, heads, queries, 1]`, unsigned, the number of each row of weights; not looked at where the
    /// probability of dropping a weight is 0.
    fn attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        rows: IntTensor<Self>,
        probability: f64,
    ) -> FloatTensor<Self>;
}

// Without a graph the operation is that of the backend's kernel.
on_plain_backends!(Attention {
    fn attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        rows: IntTensor<Self>,
        probability: f64,
    ) -> FloatTensor<Self> {
        Self::forward(Inputs {
            query,
            key,
            value,
            bias,
            mask: None,
            dropout: dropped(rows, probability),
        })
    }
});

#[cfg(any(feature = "cuda", feature = "wgpu"))]
impl Kernel for burn::backend::Cube {}

/// Attention on a backend that records a graph.
impl<B: Kernel + Attention, C: CheckpointStrategy> Attention for Autodiff<B, C> {
    fn attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        rows: IntTensor<Self>,
        probability: f64,
    ) -> FloatTensor<Self> {
        let parents = [query.node(), key.node(), value.node(), bias.node()];
        let inputs = Inputs::<B> {
            query: query.into_primitive(),
            key: key.into_primitive(),
            value: value.into_primitive(),
            bias: bias.into_primitive(),
            mask: None,
            dropout: dropped(rows, probability),
        };
        match Recorded.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(inputs.clone(), B::forward(inputs)),
            OpsKind::UnTracked(prepared) => prepared.finish(B::forward(inputs)),
        }
    }
}

/// What the graph holds of the operation: its inputs.
#[derive(Debug)]
struct Recorded;

impl<B: Kernel> Backward<B, 4> for Recorded {
    type State = Inputs<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 4>,
        gradients: &mut Registered,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        let trains_bias = ops.parents[3].is_some();
        let own = B::backward(ops.state, gradient, trains_bias);
        let own = [Some(own.query), Some(own.key), Some(own.value), own.bias];
        for (node, gradient) in ops.parents.into_iter().zip(own) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                gradients.register::<B>(node.id, gradient);
            }
        }
    }
}
