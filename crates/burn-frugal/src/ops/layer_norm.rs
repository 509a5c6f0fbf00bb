//! Layer normalisation (Ba, Kiros and Hinton, 2016) that keeps its input and nothing else for the backward pass.
//!
//! Burn's autodiff takes it apart: about ten operations, whose results the graph keeps, each on one thread of a CPU.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Capture, Dispatch, TensorMetadata, backend_extension};
use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Shape, Tensor};

use crate::capture::record;

/// Normalises the last axis to mean 0 and variance 1, then scales and shifts each of its channels.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// Scale, `[channels]`; 1 at first.
    pub gamma: Param<Tensor<1>>,
    /// Shift, `[channels]`; 0 at first.
    pub beta: Param<Tensor<1>>,
    epsilon: f64,
}

impl LayerNorm {
    /// What PyTorch and Burn add to the variance if not told otherwise.
    pub const EPSILON: f64 = 1e-5;

    /// Of `channels`; `epsilon` is added to the variance.
    pub fn init(channels: usize, epsilon: f64, device: &Device) -> Self {
        Self {
            gamma: Initializer::Ones.init([channels], device),
            beta: Initializer::Zeros.init([channels], device),
            epsilon,
        }
    }

    /// `[.., channels]` to the same shape.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        Tensor::from_dispatch(<Dispatch as Normalise>::normalise(
            x.into_dispatch(),
            self.gamma.val().into_dispatch(),
            self.beta.val().into_dispatch(),
            self.epsilon,
        ))
    }
}

/// The gradients that the backward pass computes. Frozen parameters need none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The gradient of the input; scale and shift are frozen.
    Input,
    /// The gradients of scale and shift; no layer before this one is trained.
    Affine,
    /// The gradients of input, scale and shift.
    All,
}

impl Wanted {
    fn input(self) -> bool {
        self != Self::Affine
    }

    fn affine(self) -> bool {
        self != Self::Input
    }
}

/// Gradients of input, scale and shift, as far as they are wanted.
pub(crate) struct Parts<B: Backend> {
    x: Option<FloatTensor<B>>,
    gamma: Option<FloatTensor<B>>,
    beta: Option<FloatTensor<B>>,
}

/// Forward and backward pass on a backend that computes.
pub(crate) trait Kernel: Backend {
    /// - `x` and result: `[.., channels]`
    /// - `gamma`, `beta`: `[channels]`
    fn forward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        Self::layer_norm(x, gamma, Some(beta), epsilon)
    }

    /// Gradients from that of the result.
    fn backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        epsilon: f64,
        wanted: Wanted,
    ) -> Parts<Self> {
        backward_by_operations::<Self>(x, gamma, gradient, epsilon, wanted)
    }
}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
impl Kernel for burn::backend::Cube {}

/// [`Kernel::backward`] by operations that every backend has.
fn backward_by_operations<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    gradient: FloatTensor<B>,
    epsilon: f64,
    wanted: Wanted,
) -> Parts<B> {
    let shape = x.shape();
    let channels = gamma.shape()[0];
    let rows = shape.num_elements() / channels.max(1);
    let matrix = |tensor| B::float_reshape(tensor, Shape::new([rows, channels]));
    let (x, gradient) = (matrix(x), matrix(gradient));
    let gamma = B::float_reshape(gamma, Shape::new([1, channels]));
    let centred = B::float_sub(x.clone(), B::float_mean_dim(x, 1));
    let variance = B::float_mean_dim(B::float_mul(centred.clone(), centred.clone()), 1);
    let deviation = B::float_sqrt(B::float_add_scalar(variance, epsilon.into()));
    let normal = B::float_div(centred, deviation.clone()); // [rows, channels]

    let added_up = |tensor| B::float_reshape(B::float_sum_dim(tensor, 0), Shape::new([channels]));
    let for_gamma = || added_up(B::float_mul(gradient.clone(), normal.clone()));
    let gamma_and_beta = (wanted.affine()).then(|| (for_gamma(), added_up(gradient.clone())));
    let (for_gamma, for_beta) = gamma_and_beta.unzip();
    let for_x = wanted.input().then(|| {
        let scaled = B::float_mul(gradient, gamma);
        let along = B::float_mean_dim(B::float_mul(scaled.clone(), normal.clone()), 1);
        let shift = B::float_mean_dim(scaled.clone(), 1);
        let turned = B::float_sub(B::float_sub(scaled, shift), B::float_mul(normal, along));
        B::float_reshape(B::float_div(turned, deviation), shape)
    });
    Parts {
        x: for_x,
        gamma: for_gamma,
        beta: for_beta,
    }
}

impl Kernel for Capture {
    fn forward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        _epsilon: f64,
    ) -> FloatTensor<Self> {
        let shape = x.shape();
        let [normalised] = record("layer norm", [x, gamma, beta], [shape], 0);
        normalised
    }

    fn backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        _epsilon: f64,
        wanted: Wanted,
    ) -> Parts<Self> {
        const NAME: &str = "layer norm backward";
        let (shape, channels) = (x.shape(), gamma.shape());
        // What the tasks add to the gradients of scale and shift.
        let rows = shape.num_elements() / channels[0].max(1);
        let workspace = 2 * channels[0] * rows.div_ceil(TASK_ROWS);
        let read = [x, gamma, gradient];
        let (x, affine) = match wanted {
            Wanted::Input => {
                let [x] = record(NAME, read, [shape], 0);
                (Some(x), None)
            }
            Wanted::Affine => {
                let made = [channels.clone(), channels];
                (None, Some(record(NAME, read, made, workspace)))
            }
            Wanted::All => {
                let made = [shape, channels.clone(), channels];
                let [x, gamma, beta] = record(NAME, read, made, workspace);
                (Some(x), Some([gamma, beta]))
            }
        };
        let (gamma, beta) = affine.map(<(_, _)>::from).unzip();
        Parts { x, gamma, beta }
    }
}

/// The operation as Burn dispatches it.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(any(feature = "cuda", feature = "wgpu")),
    Capture,
    Autodiff
)]
pub(crate) trait Normalise: Backend {
    /// See [`Kernel::forward`].
    fn normalise(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self>;
}

on_plain_backends!(Normalise {
    fn normalise(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        <Self as Kernel>::forward(x, gamma, beta, epsilon)
    }
});

impl<B: Kernel, C: CheckpointStrategy> Normalise for Autodiff<B, C> {
    fn normalise(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        let parents = [x.node(), gamma.node(), beta.node()];
        let (x, gamma, beta) = (
            x.into_primitive(),
            gamma.into_primitive(),
            beta.into_primitive(),
        );
        let kept = (x.clone(), gamma.clone(), epsilon);
        let normalised = B::forward(x, gamma, beta, epsilon);
        match Recorded.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(kept, normalised),
            OpsKind::UnTracked(prepared) => prepared.finish(normalised),
        }
    }
}

/// What the graph holds of the operation: input and scale.
#[derive(Debug)]
struct Recorded;

impl<B: Kernel> Backward<B, 3> for Recorded {
    type State = (FloatTensor<B>, FloatTensor<B>, f64);

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        let (x, gamma, epsilon) = ops.state;
        let wanted = match &ops.parents {
            [Some(_), None, None] => Wanted::Input,
            [None, ..] => Wanted::Affine,
            _ => Wanted::All,
        };
        let Parts { x, gamma, beta } = B::backward(x, gamma, gradient, epsilon, wanted);
        for (node, own) in ops.parents.into_iter().zip([x, gamma, beta]) {
            if let (Some(node), Some(own)) = (node, own) {
                gradients.register::<B>(node.id, own);
            }
        }
    }
}

/// Rows that a task of the CPU takes. What the tasks add to the gradients of scale and shift is summed in their order, so it
/// must not depend on the number of threads.
const TASK_ROWS: usize = 32;

#[cfg(feature = "flex")]
mod flex;
#[cfg(all(test, feature = "flex"))]
mod tests;
