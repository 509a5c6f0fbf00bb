//! A linear layer behind a GELU that keeps one of the two large tensors.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::ModuleOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, TensorMetadata, backend_extension};
use burn::nn::Linear;
use burn::tensor::Tensor;

use super::gelu::Gelu;
use super::half::{HalfProducts, operand};
use crate::precision::half_of;

/// `linear(gelu(x))`, with the exact GELU (Hendrycks and Gimpel, 2016): `[.., input]` to `[.., output]`.
///
/// The backward pass computes `gelu(x)` once more instead of keeping it beside `x`: in a transformer these are the two
/// largest tensors of a block next to the attention weights.
pub fn gelu_linear<const D: usize>(x: Tensor<D>, linear: &Linear) -> Tensor<D> {
    let projected = <Dispatch as GeluLinear>::gelu_linear(
        operand(x).into_dispatch(),
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
pub(crate) trait GeluLinear: Backend {
    /// `x`: `[.., input]`, in half precision where the product is; `weight`: `[input, output]`.
    fn gelu_linear(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self>;
}

on_plain_backends!(GeluLinear {
    fn gelu_linear(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        let half = half_of(x.dtype());
        let input = Self::factor(Self::exact_gelu(Self::widened(x)), half);
        Self::product(Self::linear(input, Self::factor(weight, half), None), half)
    }
});

impl<B: GeluLinear + Gelu + HalfProducts, C: CheckpointStrategy> GeluLinear for Autodiff<B, C> {
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

impl<B: Gelu + HalfProducts> Backward<B, 2> for Recorded {
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let (x, weight) = ops.state;
        let half = half_of(x.dtype());
        let gradient = B::factor(gradients.consume::<B>(&ops.node), half);
        let [for_x, for_weight] = ops.parents;
        if let Some(node) = for_weight {
            let input = B::factor(B::exact_gelu(B::widened(x.clone())), half);
            let own = B::linear_weight_backward(input, gradient.clone());
            gradients.register::<B>(node.id, B::product(own, half));
        }
        if let Some(node) = for_x {
            let own = B::linear_x_backward(B::factor(weight, half), gradient);
            let own = B::product(own, half);
            gradients.register::<B>(node.id, B::exact_gelu_backward(B::widened(x), own));
        }
    }
}
