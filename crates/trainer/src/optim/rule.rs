//! Rules that update every number of a parameter by itself.

use std::ops::{Add, Div, Mul, Sub};

use burn::optim::AdaptiveMomentumState;
use burn::tensor::Tensor;

use rayon::prelude::*;

use super::host::{CHUNK, HostTensor};

/// How an optimizer with two moments treats one number of a parameter in one step.
pub(super) trait Rule: Sync {
    /// New parameter, first and second moment from the old ones and the gradient. Moments start at zero.
    fn update<N: Number>(&self, parameter: N, gradient: N, moments: [N; 2]) -> (N, [N; 2]);
}

/// What a rule is written in: one number, or all numbers of a tensor.
///
/// On the CPU a rule runs number by number in one pass over memory, elsewhere operation by operation. It is written
/// once, so both give the same bits where the operations do.
pub(super) trait Number:
    Clone + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// Times a constant.
    fn times(self, factor: f32) -> Self;
    /// Plus a constant.
    fn plus(self, term: f32) -> Self;
    /// Distance from zero.
    fn magnitude(self) -> Self;
    /// Square root.
    fn root(self) -> Self;
    /// The larger of the two.
    fn or_larger(self, other: Self) -> Self;
}

// Inlined, so that the compiler sees the whole rule and puts it into vector registers.
impl Number for f32 {
    #[inline]
    fn times(self, factor: f32) -> Self {
        self * factor
    }

    #[inline]
    fn plus(self, term: f32) -> Self {
        self + term
    }

    #[inline]
    fn magnitude(self) -> Self {
        self.abs()
    }

    #[inline]
    fn root(self) -> Self {
        self.sqrt()
    }

    #[inline]
    fn or_larger(self, other: Self) -> Self {
        self.max(other)
    }
}

impl<const D: usize> Number for Tensor<D> {
    fn times(self, factor: f32) -> Self {
        self.mul_scalar(factor)
    }

    fn plus(self, term: f32) -> Self {
        self.add_scalar(term)
    }

    fn magnitude(self) -> Self {
        self.abs()
    }

    fn root(self) -> Self {
        self.sqrt()
    }

    fn or_larger(self, other: Self) -> Self {
        self.max_pair(other)
    }
}

/// The step that follows `state`, counted from 1.
pub(super) fn next_step<const D: usize>(state: Option<&AdaptiveMomentumState<D>>) -> usize {
    state.map_or(1, |state| state.time + 1)
}

/// Takes the step that follows `state`.
pub(super) fn step<const D: usize, R: Rule>(
    rule: &R,
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    state: Option<AdaptiveMomentumState<D>>,
) -> (Tensor<D>, Option<AdaptiveMomentumState<D>>) {
    let time = next_step(state.as_ref());
    let [moment_1, moment_2] = match state {
        Some(state) => [state.moment_1, state.moment_2],
        None => [parameter.zeros_like(), parameter.zeros_like()],
    };
    let (parameter, [moment_1, moment_2]) =
        match HostTensor::take([parameter, gradient, moment_1, moment_2]) {
            Ok(on_host) => in_one_pass(rule, on_host),
            Err([parameter, gradient, moment_1, moment_2]) => {
                rule.update(parameter, gradient, [moment_1, moment_2])
            }
        };
    let state = AdaptiveMomentumState {
        time,
        moment_1,
        moment_2,
        max_moment_2: None,
    };
    (parameter, Some(state))
}

/// Updates number by number, in place.
fn in_one_pass<const D: usize, R: Rule>(
    rule: &R,
    [mut parameter, mut gradient, mut moment_1, mut moment_2]: [HostTensor<D>; 4],
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let chunks = (
        parameter.numbers().par_chunks_mut(CHUNK),
        gradient.numbers().par_chunks(CHUNK),
        moment_1.numbers().par_chunks_mut(CHUNK),
        moment_2.numbers().par_chunks_mut(CHUNK),
    );
    chunks.into_par_iter().for_each(|(p, g, m, v)| {
        let moments = m.iter_mut().zip(v);
        for ((p, g), (m, v)) in p.iter_mut().zip(g).zip(moments) {
            (*p, [*m, *v]) = rule.update(*p, *g, [*m, *v]);
        }
    });
    (
        parameter.into_tensor(),
        [moment_1, moment_2].map(HostTensor::into_tensor),
    )
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::super::{AdamW, AdamWForm, Adamax};
    use super::*;

    /// Takes three steps in one pass and operation by operation, and compares every bit.
    fn assert_same<R: Rule>(rule: impl Fn(usize) -> R) {
        let device = Device::flex();
        // More than a chunk, so that several threads share the work, and not a multiple of anything.
        let shape = [CHUNK / 100 + 3, 137];
        let random = || Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), &device);
        let mut whole = random();
        let mut state = None;
        let mut parts = (whole.clone(), [whole.zeros_like(), whole.zeros_like()]);
        for time in 1..=3 {
            let rule = rule(time);
            let gradient = random();
            assert_eq!(next_step(state.as_ref()), time);
            (whole, state) = step(&rule, whole, gradient.clone(), state);
            parts = rule.update(parts.0, gradient, parts.1);
        }
        let state = state.expect("a step has a state");
        assert_eq!(whole.into_data(), parts.0.into_data());
        let moments = parts.1.map(Tensor::into_data);
        assert_eq!(
            [state.moment_1, state.moment_2].map(Tensor::into_data),
            moments
        );
    }

    #[test]
    fn one_pass_gives_the_bits_of_single_operations() {
        for weight_decay in [0.0, 0.01] {
            let adamax = Adamax {
                beta_1: 0.9,
                beta_2: 0.999,
                epsilon: 1e-8,
                weight_decay,
                rate_factor: 1.0,
            };
            assert_same(|time| adamax.rule(2e-3, time));
            for form in [AdamWForm::Torch, AdamWForm::Xvlm] {
                let adamw = AdamW {
                    beta_1: 0.9,
                    beta_2: 0.98,
                    epsilon: 1e-8,
                    weight_decay,
                    rate_factor: 1.0,
                    form,
                };
                assert_same(|time| adamw.rule(2e-3, time));
            }
        }
    }
}
