//! Attention within windows that keeps no attention weights.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;

use super::attention::{Inputs, Kernel, range};
use super::half::operand;

/// Multi-head attention within windows, `softmax(q k^T / sqrt(d) + bias + mask) v`.
///
/// It is [`attention`](super::attention()) with a second term added to the scores and with queries, keys and values in one
/// tensor, whose gradient is then put together once. The backward pass always computes the attention weights once more:
/// they would be the largest tensors of the image encoder, and cost little beside the projections.
///
/// # Shapes
///
/// - `qkv`: `[windows, cells, 3 * heads, d]`: the heads of queries, keys and values
/// - `bias`: `[1, heads, cells, cells]`
/// - `mask`: `[windows of an image, 1, cells, cells]`, a constant; the windows of `qkv` are those of one image after
///   another. With a single one it is the same for all windows
/// - result: `[windows, cells, heads * d]`
pub fn window_attention(qkv: Tensor<4>, bias: Tensor<4>, mask: Tensor<4>) -> Tensor<3> {
    let [windows, cells, heads, dim_head] = qkv.dims();
    let attended = <Dispatch as WindowAttention>::window_attention(
        operand(qkv).into_dispatch(),
        bias.into_dispatch(),
        mask.into_dispatch(),
    );
    Tensor::<4>::from_dispatch(attended)
        .swap_dims(1, 2)
        .reshape([windows, cells, heads / 3 * dim_head])
}

/// The operation as Burn dispatches it; its result is `[windows, heads, cells, d]`.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(any(feature = "cuda", feature = "wgpu")),
    Capture,
    Autodiff
)]
pub(crate) trait WindowAttention: Backend {
    fn window_attention(
        qkv: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        mask: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

// Without a graph the operation is the kernel of `attention`.
on_plain_backends!(WindowAttention {
    fn window_attention(
        qkv: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        mask: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        Self::forward(Windows { qkv, bias, mask }.inputs())
    }
});

/// What the operation is given.
#[derive(Debug, Clone)]
struct Windows<B: Backend> {
    /// `[windows, cells, 3 * heads, d]`
    qkv: FloatTensor<B>,
    /// `[1, heads, cells, cells]`
    bias: FloatTensor<B>,
    /// `[windows of an image, 1, cells, cells]`
    mask: FloatTensor<B>,
}

impl<B: Backend> Windows<B> {
    fn inputs(self) -> Inputs<B> {
        let heads = self.qkv.shape()[2] / 3;
        let [query, key, value] = [0, 1, 2].map(|part| {
            let part = range::<B>(&self.qkv, 2, &(part * heads..(part + 1) * heads));
            B::float_swap_dims(part, 1, 2)
        });
        Inputs {
            query,
            key,
            value,
            bias: self.bias,
            mask: Some(self.mask),
            dropout: None,
        }
    }
}

/// Attention on a backend that records a graph.
impl<B: Kernel, C: CheckpointStrategy> WindowAttention for Autodiff<B, C> {
    fn window_attention(
        qkv: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        mask: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let parents = [qkv.node(), bias.node()];
        let windows = Windows::<B> {
            qkv: qkv.into_primitive(),
            bias: bias.into_primitive(),
            mask: mask.into_primitive(),
        };
        let attended = B::forward(windows.clone().inputs());
        match Recorded.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(windows, attended),
            OpsKind::UnTracked(prepared) => prepared.finish(attended),
        }
    }
}

/// What the graph holds of the operation: its inputs.
#[derive(Debug)]
struct Recorded;

impl<B: Kernel> Backward<B, 2> for Recorded {
    type State = Windows<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        let [for_qkv, for_bias] = ops.parents;
        let own = B::backward(ops.state.inputs(), gradient, for_bias.is_some());
        if let Some(node) = for_qkv {
            let parts = [own.query, own.key, own.value];
            let parts = parts.map(|part| B::float_swap_dims(part, 1, 2));
            gradients.register::<B>(node.id, B::float_cat(parts.into(), 2));
        }
        if let (Some(node), Some(gradient)) = (for_bias, own.bias) {
            gradients.register::<B>(node.id, gradient);
        }
    }
}
