//! A linear layer behind a GELU that keeps one of the two large tensors.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Dispatch, backend_extension};
use burn::nn::Linear;
use burn::tensor::Tensor;

use super::gelu::Gelu;

/// `linear(gelu(x))`, with the exact GELU (Hendrycks and Gimpel, 2016): `[.., input]` to `[.., output]`.
///
/// The backward pass computes `gelu(x)` once more instead of keeping it beside `x`: in a transformer these are the two
/// largest tensors of a block next to the attention weights.
pub fn gelu_linear<const D: usize>(x: Tensor<D>, linear: &Linear) -> Tensor<D> {
    let projected = <Dispatch as GeluLinear>::gelu_linear(
        x.into_dispatch(),
        linear.weight.val().into_dispatch(),
    );
    let projected = Tensor::from_dispatch(projected);
    match &linear.bias {
        Some(bias) => projected + bias.val().unsqueeze(),
        None => projected,
    }
}

/// The operation as Burn dispatches it.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(any(feature = "cuda", feature = "wgpu")),
    Capture,
    Autodiff
)]
pub(crate) trait GeluLinear: Gelu {
    /// `x`: `[.., input]`; `weight`: `[input, output]`.
    fn gelu_linear(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::linear(Self::exact_gelu(x), weight, None)
    }
}

on_plain_backends!(GeluLinear {});

impl<B: GeluLinear, C: CheckpointStrategy> GeluLinear for Autodiff<B, C> {
    fn gelu_linear(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        let parents = [x.node(), weight.node()];
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        let projected = B::gelu_linear(x.clone(), weight.clone());
        match Recorded.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((x, weight), projected),
            OpsKind::UnTracked(prepared) => prepared.finish(projected),
        }
    }
}

/// What the graph holds of the operation: its inputs.
#[derive(Debug)]
struct Recorded;

impl<B: Gelu> Backward<B, 2> for Recorded {
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        let (x, weight) = ops.state;
        let [for_x, for_weight] = ops.parents;
        if let Some(node) = for_weight {
            let own = B::linear_weight_backward(B::exact_gelu(x.clone()), gradient.clone());
            gradients.register::<B>(node.id, own);
        }
        if let Some(node) = for_x {
            let gradient = B::linear_x_backward(weight, gradient);
            gradients.register::<B>(node.id, B::exact_gelu_backward(x, gradient));
        }
    }
}
