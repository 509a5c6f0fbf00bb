//! Which numbers the operations of this crate multiply.

use std::cell::Cell;

use burn::tensor::{DType, FloatDType};

/// Precision of what products are made of: projections, products of attention and convolutions.
///
/// Operations take and give single precision whatever it is. In half precision they round both operands of a product, keep
/// the rounded operand for the backward pass in half the memory, and round the result. Everything else stays in single
/// precision: softmax, normalisation, losses, residual sums, weights and their gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Precision {
    /// 32 bits throughout.
    #[default]
    Single,
    /// 16 bits with 11 of precision, up to 65504: gradients need a loss scale.
    F16,
    /// 16 bits with 8 of precision and the range of single precision.
    Bf16,
}

thread_local! {
    static CURRENT: Cell<Precision> = const { Cell::new(Precision::Single) };
}

impl Precision {
    /// What operations on this thread multiply in.
    pub fn current() -> Self {
        CURRENT.get()
    }

    /// Runs `work` in this precision, on this thread. What a backward pass rebuilds is in the precision of its forward pass.
    pub fn run<T>(self, work: impl FnOnce() -> T) -> T {
        struct Restore(Precision);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let _restore = Restore(CURRENT.replace(self));
        work()
    }

    /// The type of operands; none in single precision.
    pub(crate) fn half(self) -> Option<FloatDType> {
        match self {
            Self::Single => None,
            Self::F16 => Some(FloatDType::F16),
            Self::Bf16 => Some(FloatDType::BF16),
        }
    }
}

/// The type if it is one of 16 bits.
pub(crate) fn half_of(dtype: DType) -> Option<FloatDType> {
    match dtype {
        DType::F16 => Some(FloatDType::F16),
        DType::BF16 => Some(FloatDType::BF16),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_precision_ends_with_the_work_even_when_it_panics() {
        let inner = Precision::Bf16.run(|| Precision::Single.run(Precision::current));
        assert_eq!(inner, Precision::Single);
        let unwound = std::panic::catch_unwind(|| Precision::F16.run(|| panic!("no memory")));
        assert!(unwound.is_err());
        assert_eq!(Precision::current(), Precision::Single);
    }
}
