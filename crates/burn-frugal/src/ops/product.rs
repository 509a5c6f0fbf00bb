//! Products of two tensors, neither of which need be a parameter, in the thread's precision.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, TensorMetadata, backend_extension};
use burn::module::Param;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;
use burn::tensor::ops::ConvOptions;

use super::half::{HalfProducts, operand};
use crate::precision::{Precision, half_of};

/// The product of matrices, `[.., rows, inner]` times `[.., inner, columns]`, multiplied in the thread's [`Precision`].
///
/// # Panics
///
/// When the leading axes differ.
pub fn product<const D: usize>(left: Tensor<D>, right: Tensor<D>) -> Tensor<D> {
    let leading = D.saturating_sub(2);
    assert_eq!(
        left.dims()[..leading],
        right.dims()[..leading],
        "a product is one of as many matrices as another"
    );
    multiply(left, right, Kind::Matrices)
}

/// Images `[batch, channels, height, width]` through a convolution, multiplied in the thread's [`Precision`]. One whose
/// padding follows the size of the image (`PaddingConfig2d::Same`) stays in single precision.
pub fn convolve(images: Tensor<4>, convolution: &Conv2d) -> Tensor<4> {
    let padding = match &convolution.padding {
        PaddingConfig2d::Valid => [(0, 0); 2],
        PaddingConfig2d::Explicit(top, left, bottom, right) => [(*top, *bottom), (*left, *right)],
        PaddingConfig2d::Same => return convolution.forward(images),
    };
    if Precision::current() == Precision::Single {
        return convolution.forward(images);
    }
    let options = ConvOptions {
        stride: convolution.stride,
        padding,
        dilation: convolution.dilation,
        groups: convolution.groups,
    };
    let made = multiply(images, convolution.weight.val(), Kind::Convolution(options));
    match convolution.bias.as_ref().map(Param::val) {
        Some(bias) => {
            let [channels] = bias.dims();
            made + bias.reshape([1, channels, 1, 1])
        }
        None => made,
    }
}

fn multiply<const D: usize>(left: Tensor<D>, right: Tensor<D>, kind: Kind) -> Tensor<D> {
    let [left, right] = [left, right].map(|factor| operand(factor).into_dispatch());
    Tensor::from_dispatch(<Dispatch as Multiply>::multiply(left, right, kind))
}

/// What a product is of.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Matrices, as many as the leading axes have entries.
    Matrices,
    /// Images and the kernels of a convolution.
    Convolution(ConvOptions<2>),
}

impl Kind {
    fn forward<B: Backend>(self, left: FloatTensor<B>, right: FloatTensor<B>) -> FloatTensor<B> {
        match self {
            Self::Matrices => B::float_matmul(left, right),
            Self::Convolution(options) => B::conv2d(left, right, None, options),
        }
    }

    /// Gradient of the left factor from that of the product.
    fn left<B: Backend>(
        self,
        [left, right]: [FloatTensor<B>; 2],
        gradient: FloatTensor<B>,
    ) -> FloatTensor<B> {
        match self {
            Self::Matrices => B::float_matmul(gradient, B::float_transpose(right)),
            Self::Convolution(options) => B::conv2d_x_backward(left, right, gradient, options),
        }
    }

    /// Gradient of the right factor.
    fn right<B: Backend>(
        self,
        [left, right]: [FloatTensor<B>; 2],
        gradient: FloatTensor<B>,
    ) -> FloatTensor<B> {
        match self {
            Self::Matrices => B::float_matmul(B::float_transpose(left), gradient),
            Self::Convolution(options) => B::conv2d_weight_backward(left, right, gradient, options),
        }
    }
}

/// The operation as Burn dispatches it.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(any(feature = "cuda", feature = "wgpu")),
    Capture,
    Autodiff
)]
pub(crate) trait Multiply: Backend {
    /// Of factors in single or in half precision; the result is in single precision.
    fn multiply(left: FloatTensor<Self>, right: FloatTensor<Self>, kind: Kind)
    -> FloatTensor<Self>;
}

on_plain_backends!(Multiply {
    fn multiply(
        left: FloatTensor<Self>,
        right: FloatTensor<Self>,
        kind: Kind,
    ) -> FloatTensor<Self> {
        let half = half_of(left.dtype());
        let [left, right] = [left, right].map(|factor| Self::factor(factor, half));
        Self::product(kind.forward::<Self>(left, right), half)
    }
});

impl<B: Multiply + HalfProducts, C: CheckpointStrategy> Multiply for Autodiff<B, C> {
    fn multiply(
        left: FloatTensor<Self>,
        right: FloatTensor<Self>,
        kind: Kind,
    ) -> FloatTensor<Self> {
        let parents = [left.node(), right.node()];
        let factors = [left.into_primitive(), right.into_primitive()];
        let [left, right] = factors.clone();
        let made = B::multiply(left, right, kind.clone());
        match Recorded.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((factors, kind), made),
            OpsKind::UnTracked(prepared) => prepared.finish(made),
        }
    }
}

/// What the graph holds of the operation: its factors.
#[derive(Debug)]
struct Recorded;

impl<B: HalfProducts> Backward<B, 2> for Recorded {
    type State = ([FloatTensor<B>; 2], Kind);

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let ([left, right], kind) = ops.state;
        let half = half_of(left.dtype());
        let gradient = B::factor(gradients.consume::<B>(&ops.node), half);
        let factors = [left, right].map(|factor| B::factor(factor, half));
        let [for_left, for_right] = ops.parents;
        if let Some(node) = for_left {
            let own = kind.clone().left::<B>(factors.clone(), gradient.clone());
            gradients.register::<B>(node.id, B::product(own, half));
        }
        if let Some(node) = for_right {
            let own = kind.right::<B>(factors, gradient);
            gradients.register::<B>(node.id, B::product(own, half));
        }
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::nn::conv::Conv2dConfig;
    use burn::tensor::{Device, Distribution, Tolerance};

    use super::*;

    fn numbers<const D: usize>(shape: [usize; D]) -> Tensor<D> {
        let device = Device::flex().autodiff();
        Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), &device)
    }

    /// Result and gradients of both factors, where the result has the weights of `upstream`.
    fn all<const D: usize, const R: usize>(
        factors: &[Tensor<D>; 2],
        upstream: &Tensor<R>,
        of: impl Fn([Tensor<D>; 2]) -> Tensor<R>,
    ) -> Vec<burn::tensor::TensorData> {
        let factors = factors.clone().map(|one| one.detach().require_grad());
        let made = of(factors.clone());
        let mut gradients = (made.clone() * upstream.clone()).sum().backward();
        let gradients = factors.map(|one| one.grad_remove(&mut gradients).expect("it has one"));
        let mut all = vec![made.into_data()];
        all.extend(gradients.map(Tensor::into_data));
        all
    }

    #[test]
    fn in_single_precision_it_is_the_product_of_matrices() {
        let factors = [numbers([2, 3, 5]), numbers([2, 3, 5])];
        let upstream = numbers([2, 3, 3]);
        let own = all(&factors, &upstream, |[a, b]| product(a, b.swap_dims(1, 2)));
        let burns = all(&factors, &upstream, |[a, b]| a.matmul(b.swap_dims(1, 2)));
        assert_eq!(own, burns);
    }

    #[test]
    fn in_half_precision_it_is_near_and_not_the_same() {
        let factors = [numbers([2, 16, 50]), numbers([2, 16, 50])];
        let upstream = numbers([2, 16, 16]);
        let of = |[a, b]: [Tensor<3>; 2]| product(a, b.swap_dims(1, 2));
        let single = all(&factors, &upstream, of);
        // Each factor and the result are off by half a unit in the last of 8 or 11 digits.
        for (precision, unit) in [
            (Precision::Bf16, 2_f64.powi(-8)),
            (Precision::F16, 2_f64.powi(-11)),
        ] {
            let half = precision.run(|| all(&factors, &upstream, of));
            for (half, single) in half.iter().zip(&single) {
                assert_ne!(half, single);
                half.assert_approx_eq::<f32>(single, Tolerance::absolute(12.0 * unit));
            }
        }
    }

    #[test]
    fn a_convolution_in_half_precision_is_near() {
        let device = Device::flex().autodiff();
        let padding = PaddingConfig2d::Explicit(1, 0, 2, 1);
        let layer = Conv2dConfig::new([3, 5], [3, 2])
            .with_stride([2, 1])
            .with_padding(padding);
        let layer = layer.init(&device);
        let images = numbers([2, 3, 9, 8]);
        let single = convolve(images.clone(), &layer);
        let half = Precision::Bf16.run(|| convolve(images.clone(), &layer));
        half.clone()
            .into_data()
            .assert_approx_eq::<f32>(&single.clone().into_data(), Tolerance::absolute(0.05));
        assert_ne!(half.clone().into_data(), single.clone().into_data());
        let [by_half, by_single] = [half, single].map(|made| {
            let mut gradients = made.square().sum().backward();
            layer
                .weight
                .val()
                .grad_remove(&mut gradients)
                .expect("it is trained")
                .into_data()
        });
        by_half.assert_approx_eq::<f32>(&by_single, Tolerance::relative(0.05).set_absolute(0.5));
    }

    #[test]
    #[should_panic(expected = "as many matrices")]
    fn matrices_are_not_repeated() {
        product(numbers([2, 3, 5]), numbers([1, 5, 3]));
    }
}
