//! From single to half precision and back, around products.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
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

/// How a backend multiplies numbers of half precision.
pub(crate) trait HalfProducts: Backend {
    /// Rounded to 16 bits.
    fn rounded(x: FloatTensor<Self>, half: FloatDType) -> FloatTensor<Self> {
        Self::float_cast(x, half)
    }

    /// 16 bits as single precision.
    fn widened(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_cast(x, FloatDType::F32)
    }

    /// An operand as the backend multiplies it, of one in single or half precision.
    fn factor(x: FloatTensor<Self>, half: Option<FloatDType>) -> FloatTensor<Self> {
        match half {
            Some(half) => Self::float_cast(x, half),
            None => x,
        }
    }

    /// A product of factors, in single precision.
    fn product(made: FloatTensor<Self>, half: Option<FloatDType>) -> FloatTensor<Self> {
        match half {
            Some(_) => Self::float_cast(made, FloatDType::F32),
            None => made,
        }
    }
}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
impl HalfProducts for burn::backend::Cube {}

/// As the CPU does it: factors are rounded numbers in single precision.
impl HalfProducts for Capture {
    fn rounded(x: FloatTensor<Self>, half: FloatDType) -> FloatTensor<Self> {
        let shape = x.shape();
        let [rounded] = record_as(ROUND, [x], [shape], half.into(), 0);
        rounded
    }

    fn widened(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let shape = x.shape();
        let [widened] = record_as(WIDEN, [x], [shape], DType::F32, 0);
        widened
    }

    fn factor(x: FloatTensor<Self>, half: Option<FloatDType>) -> FloatTensor<Self> {
        match half {
            None => x,
            Some(_) if half_of(x.dtype()).is_some() => Self::widened(x),
            Some(_) => in_place(x),
        }
    }

    fn product(made: FloatTensor<Self>, half: Option<FloatDType>) -> FloatTensor<Self> {
        match half {
            Some(_) => in_place(made),
            None => made,
        }
    }
}

fn in_place(x: FloatTensor<Capture>) -> FloatTensor<Capture> {
    let shape = x.shape();
    let [rounded] = record_as(ELEMENTWISE, [x], [shape], DType::F32, 0);
    rounded
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
