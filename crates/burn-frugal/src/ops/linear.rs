//! A linear layer whose matrix gets its gradient from one product.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::ModuleOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, TensorMetadata, backend_extension};
use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{FloatDType, Tensor};

use super::half::{HalfProducts, operand};
use crate::precision::half_of;

/// `x` through a linear layer: `[.., input]` to `[.., output]`, multiplied in the thread's
/// [`Precision`](crate::Precision).
///
/// Burn multiplies by a matrix that is repeated along the leading axes of `x`, so the gradient of the matrix is at first
/// one for each entry of these axes, and then their sum: of an image encoder, many times what any activation takes.
pub fn project<const D: usize>(x: Tensor<D>, linear: &Linear) -> Tensor<D> {
    let bias = linear.bias.as_ref().map(Param::val);
    project_by(x, linear.weight.val(), bias)
}

/// The same with a matrix `[input, output]` and a bias `[output]` that may have been computed.
pub fn project_by<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    let x = operand(x).into_dispatch();
    let projected = <Dispatch as Project>::project(x, weight.into_dispatch());
    let projected = Tensor::from_dispatch(projected);
    match bias {
        Some(bias) => projected + bias.unsqueeze(),
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
pub(crate) trait Project: Backend {
    /// `x`: `[.., input]`, in half precision where the product is; `weight`: `[input, output]`.
    fn project(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self>;
}

on_plain_backends!(Project {
    fn project(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        let half = half_of(x.dtype());
        let [x, weight] = [x, weight].map(|factor| Self::factor(factor, half));
        Self::product(Self::linear(x, weight, None), half)
    }
});

impl<B: Project + HalfProducts, C: CheckpointStrategy> Project for Autodiff<B, C> {
    fn project(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        let parents = [x.node(), weight.node()];
        let trained = [x.is_tracked(), weight.is_tracked()];
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        match Recorded.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let kept = Kept {
                    x: trained[1].then(|| x.clone()),
                    weight: trained[0].then(|| weight.clone()),
                    half: half_of(x.dtype()),
                };
                prepared.finish(kept, B::project(x, weight))
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::project(x, weight)),
        }
    }
}

/// What the graph holds of the operation: the input where the matrix is trained, and the matrix where the input has a
/// gradient.
#[derive(Debug)]
struct Recorded;

#[derive(Debug, Clone)]
struct Kept<B: Backend> {
    x: Option<FloatTensor<B>>,
    weight: Option<FloatTensor<B>>,
    /// What the product is in.
    half: Option<FloatDType>,
}

impl<B: HalfProducts> Backward<B, 2> for Recorded {
    type State = Kept<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let Kept { x, weight, half } = ops.state;
        let gradient = B::factor(gradients.consume::<B>(&ops.node), half);
        let [for_x, for_weight] = ops.parents;
        if let (Some(node), Some(x)) = (for_weight, x) {
            let own = B::linear_weight_backward(B::factor(x, half), gradient.clone());
            gradients.register::<B>(node.id, B::product(own, half));
        }
        if let (Some(node), Some(weight)) = (for_x, weight) {
            let own = B::linear_x_backward(B::factor(weight, half), gradient);
            gradients.register::<B>(node.id, B::product(own, half));
        }
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::module::Module;
    use burn::nn::LinearConfig;
    use burn::tensor::{Device, Distribution, TensorData, Tolerance};

    use super::*;
    use crate::capture;

    /// Output, and gradients of input and matrix, of a layer on `[2, 5, 3, 7]` whose output has the weights of `upstream`.
    fn check(trained: bool) {
        let device = Device::flex().autodiff();
        let layer = LinearConfig::new(7, 4).init(&device);
        let layer = if trained { layer } else { layer.no_grad() };
        let uniform = Distribution::Uniform(-1.0, 1.0);
        let [x, same] = {
            let x = Tensor::<4>::random([2, 5, 3, 7], uniform, &device);
            [x.clone().detach().require_grad(), x.detach().require_grad()]
        };
        let upstream = Tensor::<4>::random([2, 5, 3, 4], uniform, &device);
        let output = project(x.clone(), &layer);
        let mut gradients = (output.clone() * upstream.clone()).sum().backward();
        let for_layer = layer.weight.val().grad_remove(&mut gradients);

        let expected = layer.forward(same.clone());
        let mut by_burn = (expected.clone() * upstream).sum().backward();
        let burns = layer.weight.val().grad_remove(&mut by_burn);
        output.into_data().assert_eq(&expected.into_data(), true);
        let close = |own: TensorData, burns: &TensorData| {
            own.assert_approx_eq::<f32>(burns, Tolerance::absolute(1e-5));
        };
        let [own, burns_own] = [
            x.grad_remove(&mut gradients),
            same.grad_remove(&mut by_burn),
        ];
        let (Some(own), Some(burns_own)) = (own, burns_own) else {
            panic!("the input has a gradient");
        };
        close(own.into_data(), &burns_own.into_data());
        assert_eq!(for_layer.is_some(), trained);
        if let (Some(own), Some(burns)) = (for_layer, burns) {
            close(own.into_data(), &burns.into_data());
        }
    }

    #[test]
    fn it_is_the_linear_layer_and_so_are_its_gradients() {
        check(true);
        check(false);
    }

    #[test]
    fn nothing_is_larger_than_input_and_output() {
        let device = Device::capture();
        let captured = device.capture_scope(|scope| {
            let device = device.clone().autodiff();
            let layer = LinearConfig::new(16, 16).with_bias(false).init(&device);
            let x = Tensor::<4>::ones([4, 6, 2, 16], &device);
            capture::backward(project(x, &layer).sum());
            scope.complete([], [])
        });
        let operations = captured.expect("the scope is whole").graph.operations;
        let largest = operations.iter().flat_map(burn_ir::OperationIr::outputs);
        let largest = largest.map(|made| made.shape.num_elements()).max();
        assert_eq!(largest, Some(4 * 6 * 2 * 16));
    }
}
