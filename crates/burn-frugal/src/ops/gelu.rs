//! GELU (Hendrycks and Gimpel, 2016): the exact form, forward and backward, on every backend.
//!
//! Burn's own gradient is that of the tanh approximation on backends that do not bring one, and on the CPU both passes run on
//! one thread, number by number.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::ActivationOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Capture, Dispatch, backend_extension};
use burn::tensor::Tensor;

/// `x Φ(x)`, with the normal distribution `Φ`: of any shape.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as Gelu>::exact_gelu(x.into_dispatch()))
}

/// The operation as Burn dispatches it.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(any(feature = "cuda", feature = "wgpu")),
    Capture,
    Autodiff
)]
pub(crate) trait Gelu: Backend {
    /// See [`gelu`].
    fn exact_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::gelu(x)
    }

    /// The gradient of `x` from that of the result: `gradient (Φ(x) + x φ(x))`, with the normal density `φ`.
    fn exact_gelu_backward(x: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        by_operations::<Self>(x, gradient)
    }
}

/// [`Gelu::exact_gelu_backward`] by operations that every backend has.
fn by_operations<B: Backend>(x: FloatTensor<B>, gradient: FloatTensor<B>) -> FloatTensor<B> {
    let below = B::float_erf(B::float_mul_scalar(x.clone(), FRAC_1_SQRT_2.into()));
    let below = B::float_mul_scalar(B::float_add_scalar(below, 1.0.into()), 0.5.into());
    let square = B::float_mul(x.clone(), x.clone());
    let density = B::float_exp(B::float_mul_scalar(square, (-0.5).into()));
    let density = B::float_mul_scalar(density, TAU.sqrt().recip().into());
    let slope = B::float_add(below, B::float_mul(x, density));
    B::float_mul(gradient, slope)
}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
impl Gelu for burn::backend::Cube {}

impl Gelu for Capture {
    /// Recorded as Burn's own, which takes what ours does.
    fn exact_gelu_backward(x: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::gelu_backward(x, gradient)
    }
}

impl<B: Gelu, C: CheckpointStrategy> Gelu for Autodiff<B, C> {
    fn exact_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let parents = [x.node()];
        let x = x.into_primitive();
        match Recorded.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(x.clone(), B::exact_gelu(x)),
            OpsKind::UnTracked(prepared) => prepared.finish(B::exact_gelu(x)),
        }
    }
}

/// What the graph holds of the operation: its input.
#[derive(Debug)]
struct Recorded;

impl<B: Gelu> Backward<B, 1> for Recorded {
    type State = FloatTensor<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        if let [Some(node)] = ops.parents {
            gradients.register::<B>(node.id, B::exact_gelu_backward(ops.state, gradient));
        }
    }
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::ops::ActivationOps;
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{DType, Flex};

    use super::Gelu;
    use crate::ops::flex::{exp, map, zip};

    /// `erf(x) = x P(x^2) / Q(x^2)` up to 4, where it is 1 in single precision: a least-squares fit of our own, weighted
    /// towards the smallest largest error. P and Q, from the constant on.
    #[expect(clippy::approx_constant, reason = "it is a coefficient of the fit")]
    const ERF: [[f32; 6]; 2] = [
        [
            1.128_379,
            0.196_247_6,
            0.053_467_292,
            0.004_003_583_5,
            0.000_288_039_3,
            1.974_832_2e-6,
        ],
        [
            1.0,
            0.507_251_1,
            0.116_475_86,
            0.015_444_3,
            0.001_216_343_2,
            3.748_077e-5,
        ],
    ];

    impl Gelu for Flex {
        fn exact_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
            match x.dtype() {
                DType::F32 => map(x, |x| x * below(x)),
                _ => Self::gelu(x),
            }
        }

        fn exact_gelu_backward(
            x: FloatTensor<Self>,
            gradient: FloatTensor<Self>,
        ) -> FloatTensor<Self> {
            match x.dtype() {
                DType::F32 => zip(x, gradient, |x, gradient| {
                    gradient * (below(x) + x * density(x))
                }),
                _ => Self::gelu_backward(x, gradient),
            }
        }
    }

    /// `Φ(x)`.
    #[inline]
    fn below(x: f32) -> f32 {
        0.5 + 0.5 * erf(x * std::f32::consts::FRAC_1_SQRT_2)
    }

    /// Within 4e-7.
    #[inline]
    fn erf(x: f32) -> f32 {
        let x = x.clamp(-4.0, 4.0);
        let square = x * x;
        let [above, below] = ERF.map(|coefficients| horner(&coefficients, square));
        (x * above / below).clamp(-1.0, 1.0)
    }

    /// `φ(x)`, relative to it within 4e-6; 0 if `e^(-x^2 / 2)` is below the normal numbers.
    #[inline]
    fn density(x: f32) -> f32 {
        const FACTOR: f32 = 0.398_942_3; // 1 / sqrt(2 pi)
        FACTOR * exp(-0.5 * x * x)
    }

    #[inline]
    fn horner(coefficients: &[f32], x: f32) -> f32 {
        let from_last = coefficients.iter().rev();
        from_last.fold(0.0, |sum, coefficient| sum * x + coefficient)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// `erf` by its Taylor series, which converges for every number, in double precision.
        fn series(x: f64) -> f64 {
            let mut term = x;
            let mut sum = x;
            for n in 1..200 {
                let n = f64::from(n);
                term *= -x * x / n;
                sum += term / (2.0 * n + 1.0);
            }
            sum * 2.0 / std::f64::consts::PI.sqrt()
        }

        #[test]
        fn they_are_as_exact_as_said() {
            for step in -60_000..=60_000 {
                let x = step as f32 * 1e-4;
                let exact = if x.abs() < 4.5 {
                    series(f64::from(x))
                } else {
                    f64::from(x.signum())
                };
                assert!(
                    (f64::from(erf(x)) - exact).abs() < 4e-7,
                    "erf({x}) is {}",
                    erf(x)
                );
                let exact = (-0.5 * f64::from(x).powi(2)).exp() / std::f64::consts::TAU.sqrt();
                let relative = f64::from(density(x)) / exact - 1.0;
                assert!(relative.abs() < 4e-6, "density({x}) is off by {relative}");
            }
        }

        #[test]
        #[expect(clippy::float_cmp, reason = "the limits are exact")]
        fn what_is_far_out_or_no_number_stays_so() {
            for (x, gelu) in [(40.0, 40.0), (1e30, 1e30), (f32::INFINITY, f32::INFINITY)] {
                assert_eq!(x * below(x), gelu);
                assert_eq!(below(x) + x.min(1e30) * density(x), 1.0);
            }
            assert_eq!(-40.0 * below(-40.0), 0.0);
            assert_eq!(density(-1e19), 0.0);
            assert!(below(f32::NAN).is_nan(), "so value and gradient are, too");
        }
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::{Device, Distribution, Tolerance, activation};

    use super::*;

    /// Numbers and a weight for each result.
    fn numbers<const D: usize>(shape: [usize; D]) -> [Tensor<D>; 2] {
        let device = Device::flex().autodiff();
        let [x, weights] = [-6.0, 0.0]
            .map(|from| Tensor::random(shape, Distribution::Uniform(from, 6.0), &device));
        [x.require_grad(), weights]
    }

    fn gradient<const D: usize>(x: &Tensor<D>, y: Tensor<D>, weights: &Tensor<D>) -> Tensor<D> {
        let gradients = (y * weights.clone()).sum().backward();
        Tensor::from_inner(x.grad(&gradients).expect("it is tracked"))
    }

    #[test]
    fn values_and_gradients_are_those_of_burn_on_the_cpu() {
        fn check<const D: usize>(shape: [usize; D]) {
            let [x, weights] = numbers(shape);
            let own = gelu(x.clone());
            let burns = activation::gelu(x.clone());
            let close = Tolerance::absolute(3e-6);
            own.to_data()
                .assert_approx_eq::<f32>(&burns.to_data(), close);
            let [own, burns] = [own, burns].map(|y| gradient(&x, y, &weights).into_data());
            own.assert_approx_eq::<f32>(&burns, Tolerance::absolute(2e-5));
        }
        check([0]);
        check([1]);
        check([3, 0, 2]);
        check([7, 5, 13]);
        check([3, 5_000]);
    }

    #[test]
    fn the_gradient_that_every_backend_has_is_the_exact_one() {
        use burn::backend::Flex;
        let [x, gradient] = numbers([4, 33]).map(|x| x.without_autodiff().into_data());
        let tensor = |data: &burn::tensor::TensorData| {
            <Flex as burn::backend::ops::FloatTensorOps<Flex>>::float_from_data(
                data.clone(),
                &burn::backend::FlexDevice,
            )
        };
        let own = Flex::exact_gelu_backward(tensor(&x), tensor(&gradient));
        let plain = by_operations::<Flex>(tensor(&x), tensor(&gradient));
        own.into_data()
            .assert_approx_eq::<f32>(&plain.into_data(), Tolerance::absolute(2e-5));
    }

    #[test]
    fn parts_and_transposed_numbers_are_read_in_their_own_order() {
        let [x, weights] = numbers([6, 40]);
        let part = |x: &Tensor<2>| x.clone().slice([1..5, 3..20]).swap_dims(0, 1);
        let whole = part(&gelu(x.clone()));
        let own = gelu(part(&x));
        own.to_data().assert_eq(&whole.to_data(), true);
        let [own, whole] =
            [own, whole].map(|y| gradient(&x, y.clone() * part(&weights), &y.ones_like()));
        own.into_data().assert_eq(&whole.into_data(), true);
        assert!(
            x.to_data().iter::<f32>().any(|x| x < 0.0),
            "the numbers are as they were"
        );
    }

    #[test]
    fn threads_change_no_bit() {
        let [x, weights] = numbers([64, 1_003]);
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("a pool of threads").install(|| {
                let y = gelu(x.clone());
                let gradient = gradient(&x, y.clone(), &weights);
                (y.into_data(), gradient.into_data())
            })
        };
        let one = with(1);
        for threads in [2, 7] {
            assert_eq!(with(threads), one);
        }
    }
}
