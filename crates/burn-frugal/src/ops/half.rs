//! From single to half precision and back, around products.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
#[cfg(any(feature = "cuda", feature = "wgpu"))]
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, Backend, Capture, DType, Dispatch, TensorMetadata, backend_extension,
};
use burn::tensor::{FloatDType, Tensor};

use crate::capture::{ELEMENTWISE, ROUND, WIDEN, record_as};
use crate::precision::{Precision, half_of};

#[cfg(feature = "flex")]
mod flex;

/// `x` as an operand of products: in half precision where the thread computes in it, and as it is otherwise.
///
/// Operations do this to their inputs themselves. Where several look at one tensor, rounding it once before them keeps one
/// copy of it for the backward pass instead of one for each.
///
/// Only operations of this crate, and those that move numbers, may be given the result: Burn's arithmetic has no promotion
/// of types. Its gradient is in single precision.
pub fn operand<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let half = Precision::current().half();
    match half.filter(|_| half_of(x.dtype()).is_none()) {
        Some(half) => Tensor::from_dispatch(<Dispatch as Narrow>::narrow(x.into_dispatch(), half)),
        None => x,
    }
}

/// How a backend multiplies numbers of half precision: as the CPU does, which has no such products and multiplies rounded
/// numbers in single precision, if it does not say otherwise.
pub(crate) trait HalfProducts: Backend {
    /// Rounded to 16 bits.
    fn rounded(x: FloatTensor<Self>, half: FloatDType) -> FloatTensor<Self>;

    /// In single precision; 16 bits become wider, and anything else is itself.
    fn widened(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The nearest numbers that 16 bits can hold, in single precision; over `x` where nothing else needs it.
    fn nearest(x: FloatTensor<Self>, half: FloatDType) -> FloatTensor<Self>;

    /// An operand as the backend multiplies it, of one in single or half precision.
    fn factor(x: FloatTensor<Self>, half: Option<FloatDType>) -> FloatTensor<Self> {
        match half {
            None => x,
            Some(_) if half_of(x.dtype()).is_some() => Self::widened(x),
            Some(half) => Self::nearest(x, half),
        }
    }

    /// A product of factors, in single precision.
    fn product(made: FloatTensor<Self>, half: Option<FloatDType>) -> FloatTensor<Self> {
        match half {
            None => made,
            Some(half) => Self::nearest(made, half),
        }
    }
}

/// GPUs multiply 16 bits themselves.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
impl HalfProducts for burn::backend::Cube {
    fn rounded(x: FloatTensor<Self>, half: FloatDType) -> FloatTensor<Self> {
        Self::float_cast(x, half)
    }

    fn widened(x: FloatTensor<Self>) -> FloatTensor<Self> {
        match half_of(x.dtype()) {
            Some(_) => Self::float_cast(x, FloatDType::F32),
            None => x,
        }
    }

    fn nearest(x: FloatTensor<Self>, half: FloatDType) -> FloatTensor<Self> {
        Self::widened(Self::rounded(x, half))
    }

    fn factor(x: FloatTensor<Self>, half: Option<FloatDType>) -> FloatTensor<Self> {
        match half {
            Some(half) => Self::rounded(x, half),
            None => x,
        }
    }

    fn product(made: FloatTensor<Self>, _half: Option<FloatDType>) -> FloatTensor<Self> {
        Self::widened(made)
    }
}

impl HalfProducts for Capture {
    fn rounded(x: FloatTensor<Self>, half: FloatDType) -> FloatTensor<Self> {
        recorded(ROUND, x, half.into())
    }

    fn widened(x: FloatTensor<Self>) -> FloatTensor<Self> {
        match half_of(x.dtype()) {
            Some(_) => recorded(WIDEN, x, DType::F32),
            None => x,
        }
    }

    fn nearest(x: FloatTensor<Self>, _half: FloatDType) -> FloatTensor<Self> {
        recorded(ELEMENTWISE, x, DType::F32)
    }
}

/// Records a kernel whose result has the shape of its operand.
fn recorded(name: &'static str, x: FloatTensor<Capture>, dtype: DType) -> FloatTensor<Capture> {
    let shape = x.shape();
    let [made] = record_as(name, [x], [shape], dtype, 0);
    made
}

/// The operation as Burn dispatches it.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(any(feature = "cuda", feature = "wgpu")),
    Capture,
    Autodiff
)]
pub(crate) trait Narrow: Backend {
    /// Rounds to 16 bits.
    fn narrow(x: FloatTensor<Self>, half: FloatDType) -> FloatTensor<Self>;
}

on_plain_backends!(Narrow {
    fn narrow(x: FloatTensor<Self>, half: FloatDType) -> FloatTensor<Self> {
        Self::rounded(x, half)
    }
});

impl<B: HalfProducts, C: CheckpointStrategy> Narrow for Autodiff<B, C> {
    fn narrow(x: FloatTensor<Self>, half: FloatDType) -> FloatTensor<Self> {
        let parents = [x.node()];
        let rounded = B::rounded(x.into_primitive(), half);
        match Recorded.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((), rounded),
            OpsKind::UnTracked(prepared) => prepared.finish(rounded),
        }
    }
}

/// The graph holds nothing of the operation: rounding lets gradients through.
#[derive(Debug)]
struct Recorded;

impl<B: Backend> Backward<B, 1> for Recorded {
    type State = ();

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        if let [Some(node)] = ops.parents {
            gradients.register::<B>(node.id, gradient);
        }
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests;
