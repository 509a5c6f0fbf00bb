//! The loss scale of training in f16 (Micikevicius et al., "Mixed Precision Training", ICLR 2018).

use config_schema::{Config, PrecisionMode};
use serde::{Deserialize, Serialize};

/// What the loss is multiplied by, so that small gradients do not vanish in 16 bits; the gradients are divided by it.
///
/// It is a power of two, so apart from numbers that over- or underflow nothing depends on it. Where a gradient overflows, the
/// scale is halved and the effective batch is taken again: no sample is lost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossScale {
    /// A power of two.
    scale: f64,
    /// Steps since it last changed.
    good_steps: usize,
    /// Steps after which it is doubled; 0: never.
    growth_steps: usize,
}

impl LossScale {
    /// The scale that a run begins with; none where its numbers need none.
    pub fn of(settings: &Config) -> Option<Self> {
        let settings = &settings.precision;
        let scale = f64::from(settings.loss_scale_exponent).exp2();
        (settings.mode == PrecisionMode::F16)
            .then(|| Self::new(scale, settings.loss_scale_growth_steps))
    }

    /// A scale that is doubled after `growth_steps` steps without an overflow; 0: never. `scale` is a power of two.
    pub fn new(scale: f64, growth_steps: usize) -> Self {
        Self {
            scale,
            good_steps: 0,
            growth_steps,
        }
    }

    /// What the loss is multiplied by.
    pub fn factor(&self) -> f64 {
        self.scale
    }

    /// Puts another power of two in its place.
    pub(crate) fn begin(&mut self, scale: f64) {
        self.scale = scale;
    }

    /// Halves the scale after an overflow. False where it is the smallest one, so that the gradient itself is at fault.
    pub fn overflowed(&mut self) -> bool {
        if self.scale <= SMALLEST {
            return false;
        }
        self.scale /= 2.0;
        self.good_steps = 0;
        true
    }

    /// Takes note of a step without overflow, and doubles the scale after enough of them.
    pub fn step_ended(&mut self) {
        self.good_steps += 1;
        if self.growth_steps > 0 && self.good_steps >= self.growth_steps {
            // A larger one would overflow single precision.
            self.scale = (self.scale * 2.0).min(LARGEST);
            self.good_steps = 0;
        }
    }
}

/// The smallest scale: with it, gradients up to 2^40 are numbers of 16 bits.
const SMALLEST: f64 = 1.0 / (1_u64 << 24) as f64;

/// The largest scale: the sum of squares of scaled gradients is a number of single precision.
const LARGEST: f64 = (1_u64 << 40) as f64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_f16_has_a_scale() {
        let mut settings = Config::default();
        assert_eq!(LossScale::of(&settings), None);
        settings.precision.mode = PrecisionMode::F16;
        let scale = LossScale::of(&settings).expect("f16 has one");
        assert_eq!(scale, LossScale::new(65536.0, 2000));
    }

    #[test]
    fn below_the_smallest_scale_the_gradient_is_at_fault() {
        let mut scale = LossScale {
            scale: 2.0 * SMALLEST,
            good_steps: 3,
            growth_steps: 0,
        };
        assert!(scale.overflowed());
        assert!(!scale.overflowed());
        assert_eq!(
            scale,
            LossScale {
                scale: SMALLEST,
                good_steps: 0,
                growth_steps: 0
            }
        );
    }

    #[test]
    fn without_growth_it_stays() {
        let mut scale = LossScale {
            scale: 4.0,
            good_steps: 0,
            growth_steps: 0,
        };
        (0..10).for_each(|_| scale.step_ended());
        assert!((scale.factor() - 4.0).abs() < f64::EPSILON);
    }
}
