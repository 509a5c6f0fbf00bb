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

/// Gradients of input, scale and shift.
pub(crate) struct Parts<B: Backend> {
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
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
    ) -> Parts<Self> {
        backward_by_operations::<Self>(x, gamma, gradient, epsilon)
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

    let vector = |tensor| B::float_reshape(tensor, Shape::new([channels]));
    let for_gamma = B::float_sum_dim(B::float_mul(gradient.clone(), normal.clone()), 0);
    let for_beta = B::float_sum_dim(gradient.clone(), 0);
    let scaled = B::float_mul(gradient, gamma);
    let along = B::float_mean_dim(B::float_mul(scaled.clone(), normal.clone()), 1);
    let shift = B::float_mean_dim(scaled.clone(), 1);
    let turned = B::float_sub(B::float_sub(scaled, shift), B::float_mul(normal, along));
    Parts {
        x: B::float_reshape(B::float_div(turned, deviation), shape),
        gamma: vector(for_gamma),
        beta: vector(for_beta),
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
    ) -> Parts<Self> {
        let (shape, channels) = (x.shape(), gamma.shape());
        // What the tasks add to the gradients of scale and shift.
        let rows = shape.num_elements() / channels[0].max(1);
        let workspace = 2 * channels[0] * rows.div_ceil(TASK_ROWS);
        let made = [shape, channels.clone(), channels];
        let read = [x, gamma, gradient];
        let [x, gamma, beta] = record("layer norm backward", read, made, workspace);
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
        let Parts { x, gamma, beta } = B::backward(x, gamma, gradient, epsilon);
        for (node, own) in ops.parents.into_iter().zip([x, gamma, beta]) {
            if let Some(node) = node {
                gradients.register::<B>(node.id, own);
            }
        }
    }
}

/// Rows that a task of the CPU takes. What the tasks add to the gradients of scale and shift is summed in their order, so it
/// must not depend on the number of threads.
const TASK_ROWS: usize = 32;

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::flex::FlexTensor;
    use burn::backend::ops::FloatTensorOps;
    use burn::backend::ops::ModuleOps;
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{DType, Flex, FlexDevice, TensorMetadata};
    use burn::tensor::TensorData;
    use rayon::prelude::*;

    use super::{Kernel, Parts, TASK_ROWS, backward_by_operations};
    use crate::ops::flex::{row_by_row, sum_by};

    impl Kernel for Flex {
        fn forward(
            x: FloatTensor<Self>,
            gamma: FloatTensor<Self>,
            beta: FloatTensor<Self>,
            epsilon: f64,
        ) -> FloatTensor<Self> {
            if x.dtype() != DType::F32 {
                return Self::layer_norm(x, gamma, Some(beta), epsilon);
            }
            let [x, gamma, beta] = [x, gamma, beta].map(row_by_row);
            let numbers = x.storage::<f32>();
            let [gamma, beta] = [&gamma, &beta].map(FlexTensor::storage::<f32>);
            let channels = gamma.len().max(1);
            let mut made = vec![0.0; numbers.len()];
            let task = TASK_ROWS * channels;
            let tasks = made.par_chunks_mut(task).zip(numbers.par_chunks(task));
            tasks.for_each(|(made, numbers)| {
                let rows = made.chunks_exact_mut(channels);
                for (made, numbers) in rows.zip(numbers.chunks_exact(channels)) {
                    let (mean, scale) = statistics(numbers, epsilon as f32);
                    let factors = gamma.iter().zip(beta);
                    for ((made, number), (gamma, beta)) in made.iter_mut().zip(numbers).zip(factors)
                    {
                        *made = (number - mean) * scale * gamma + beta;
                    }
                }
            });
            Self::float_from_data(TensorData::new(made, x.shape()), &FlexDevice)
        }

        fn backward(
            x: FloatTensor<Self>,
            gamma: FloatTensor<Self>,
            gradient: FloatTensor<Self>,
            epsilon: f64,
        ) -> Parts<Self> {
            if x.dtype() != DType::F32 {
                return backward_by_operations::<Self>(x, gamma, gradient, epsilon);
            }
            let [x, gamma, gradient] = [x, gamma, gradient].map(row_by_row);
            let [numbers, scales, upstream] =
                [&x, &gamma, &gradient].map(FlexTensor::storage::<f32>);
            let channels = scales.len().max(1);
            let task = TASK_ROWS * channels;
            let mut for_x = vec![0.0; numbers.len()];
            let tasks = for_x.par_chunks_mut(task);
            let tasks = tasks
                .zip(numbers.par_chunks(task))
                .zip(upstream.par_chunks(task));
            let added = tasks.map(|((for_x, numbers), upstream)| {
                let mut added = vec![0.0; 2 * channels];
                let (for_gamma, for_beta) = added.split_at_mut(channels);
                let rows = for_x.chunks_exact_mut(channels);
                let rows = rows.zip(numbers.chunks_exact(channels));
                for ((for_x, numbers), upstream) in rows.zip(upstream.chunks_exact(channels)) {
                    let (mean, scale) = statistics(numbers, epsilon as f32);
                    for (channel, made) in for_x.iter_mut().enumerate() {
                        let normal = (numbers[channel] - mean) * scale;
                        for_gamma[channel] += upstream[channel] * normal;
                        for_beta[channel] += upstream[channel];
                        *made = upstream[channel] * scales[channel];
                    }
                    let shift = sum_by([for_x], |[g]| g) / channels as f32;
                    let along = sum_by([for_x, numbers], |[g, x]| g * (x - mean) * scale);
                    let along = along / channels as f32;
                    for (made, number) in for_x.iter_mut().zip(numbers) {
                        *made = scale * (*made - shift - (number - mean) * scale * along);
                    }
                }
                added
            });
            let added: Vec<Vec<f32>> = added.collect();
            let mut total = vec![0.0; 2 * channels];
            for added in added {
                for (total, added) in total.iter_mut().zip(added) {
                    *total += added;
                }
            }
            let for_beta = total.split_off(channels);
            let tensor = |numbers: Vec<f32>, shape| {
                Self::float_from_data(TensorData::new(numbers, shape), &FlexDevice)
            };
            Parts {
                x: tensor(for_x, x.shape()),
                gamma: tensor(total, gamma.shape()),
                beta: tensor(for_beta, gamma.shape()),
            }
        }
    }

    /// Mean of a row, and one divided by its deviation.
    fn statistics(row: &[f32], epsilon: f32) -> (f32, f32) {
        let count = row.len().max(1) as f32;
        let mean = sum_by([row], |[number]| number) / count;
        let variance = sum_by([row], |[number]| (number - mean) * (number - mean)) / count;
        (mean, (variance + epsilon).sqrt().recip())
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::backend::Flex;
    use burn::backend::ops::FloatTensorOps;
    use burn::tensor::{Distribution, TensorData, Tolerance};

    use super::*;

    const EPSILON: f64 = 1e-5;

    fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
        Tensor::random(shape, Distribution::Normal(0.5, 2.0), device)
    }

    /// Result and gradients of input, scale and shift in double precision, from their definition.
    fn exact(x: &[f64], gamma: &[f64], beta: &[f64], upstream: &[f64]) -> [Vec<f64>; 4] {
        let channels = gamma.len();
        let forward = |x: &[f64], gamma: &[f64], beta: &[f64]| -> Vec<f64> {
            let rows = x.chunks_exact(channels).flat_map(|row| {
                let mean = row.iter().sum::<f64>() / channels as f64;
                let variance =
                    row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / channels as f64;
                let of = move |x: f64| (x - mean) / (variance + EPSILON).sqrt();
                let channels = row.iter().zip(gamma.iter().zip(beta));
                channels
                    .map(move |(x, (gamma, beta))| of(*x) * gamma + beta)
                    .collect::<Vec<_>>()
            });
            rows.collect()
        };
        let loss = |x: &[f64], gamma: &[f64], beta: &[f64]| -> f64 {
            let made = forward(x, gamma, beta);
            made.iter()
                .zip(upstream)
                .map(|(made, weight)| made * weight)
                .sum()
        };
        let slope = |of: &dyn Fn(&[f64]) -> f64, at: &[f64]| -> Vec<f64> {
            let step = 1e-5;
            let one = |index: usize| {
                let moved = |by: f64| {
                    let mut at = at.to_vec();
                    at[index] += by;
                    of(&at)
                };
                (moved(step) - moved(-step)) / (2.0 * step)
            };
            (0..at.len()).map(one).collect()
        };
        [
            forward(x, gamma, beta),
            slope(&|x| loss(x, gamma, beta), x),
            slope(&|gamma| loss(x, gamma, beta), gamma),
            slope(&|beta| loss(x, gamma, beta), beta),
        ]
    }

    fn numbers<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
        tensor.to_data().iter::<f64>().collect()
    }

    #[track_caller]
    fn close(found: &[f64], exact: &[f64], what: &str) {
        assert_eq!(found.len(), exact.len(), "{what}");
        let largest = exact
            .iter()
            .fold(1.0_f64, |largest, one| largest.max(one.abs()));
        for (found, exact) in found.iter().zip(exact) {
            assert!(
                (found - exact).abs() < 2e-5 * largest,
                "{what}: {found} instead of {exact}"
            );
        }
    }

    #[test]
    fn result_and_gradients_are_those_of_the_definition() {
        let device = Device::flex().autodiff();
        for (rows, channels) in [(1, 1), (3, 5), (2, 64), (70, 33)] {
            let mut norm = LayerNorm::init(channels, EPSILON, &device);
            norm.gamma = Param::from_tensor(random([channels], &device));
            norm.beta = Param::from_tensor(random([channels], &device));
            let x = random([rows, 1, channels], &device).require_grad();
            let weights = random([rows, 1, channels], &device);
            let y = norm.forward(x.clone());
            let gradients = (y.clone() * weights.clone()).sum().backward();
            let [expected, for_x, for_gamma, for_beta] = exact(
                &numbers(&x),
                &numbers(&norm.gamma.val()),
                &numbers(&norm.beta.val()),
                &numbers(&weights),
            );
            close(&numbers(&y), &expected, "result");
            let found = x.grad(&gradients).expect("the input is tracked");
            close(&numbers(&found), &for_x, "input");
            let found = norm
                .gamma
                .val()
                .grad(&gradients)
                .expect("the scale is trained");
            close(&numbers(&found), &for_gamma, "scale");
            let found = norm
                .beta
                .val()
                .grad(&gradients)
                .expect("the shift is trained");
            close(&numbers(&found), &for_beta, "shift");
        }
    }

    #[test]
    fn the_gradients_that_every_backend_has_are_the_same() {
        let device = Device::flex();
        let tensor = |data: TensorData| Flex::float_from_data(data, &burn::backend::FlexDevice);
        let [x, upstream] = [0, 1].map(|_| random([40, 24], &device).into_data());
        let gamma = random([24], &device).into_data();
        let arguments = || {
            (
                tensor(x.clone()),
                tensor(gamma.clone()),
                tensor(upstream.clone()),
            )
        };
        let (a, b, c) = arguments();
        let own = <Flex as Kernel>::backward(a, b, c, EPSILON);
        let (a, b, c) = arguments();
        let plain = backward_by_operations::<Flex>(a, b, c, EPSILON);
        let pairs = [
            (own.x, plain.x),
            (own.gamma, plain.gamma),
            (own.beta, plain.beta),
        ];
        for (own, plain) in pairs {
            let close = Tolerance::absolute(1e-4);
            own.into_data()
                .assert_approx_eq::<f32>(&plain.into_data(), close);
        }
    }

    #[test]
    fn threads_change_no_bit_and_rows_do_not_see_each_other() {
        let device = Device::flex().autodiff();
        let norm = LayerNorm::init(100, EPSILON, &device);
        let x = random([333, 100], &device).require_grad();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("a pool of threads").install(|| {
                let y = norm.forward(x.clone());
                let gradients = y.clone().square().sum().backward();
                let found = x.grad(&gradients).expect("tracked").into_data();
                let scale = norm
                    .gamma
                    .val()
                    .grad(&gradients)
                    .expect("trained")
                    .into_data();
                (y.into_data(), found, scale)
            })
        };
        let one = with(1);
        for threads in [2, 7] {
            assert!(with(threads) == one, "{threads} threads");
        }
        let alone = norm.forward(x.clone().narrow(0, 40, 1)).into_data();
        let within = norm.forward(x.clone()).narrow(0, 40, 1).into_data();
        alone.assert_eq(&within, true);
        let none: Tensor<2> = Tensor::zeros([0, 100], &device);
        assert_eq!(norm.forward(none).dims(), [0, 100]);
    }
}
