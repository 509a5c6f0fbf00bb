//! Element by element on the CPU, on all threads.
//!
//! Burn's CPU backend does this on one thread. Each number follows from its operands alone, so the number of threads changes
//! no bit of a result. Where memory can be reused, it is: over the operand that nothing else needs.

use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, FlexDevice, TensorMetadata};
use burn::tensor::TensorData;
use rayon::prelude::*;

/// Numbers of a task: a few microseconds of work, and as many as lie in the first cache of a core.
const TASK: usize = 1 << 13;

/// `change` of every number, in single precision.
pub(super) fn map(x: FloatTensor<Flex>, change: impl Fn(f32) -> f32 + Sync) -> FloatTensor<Flex> {
    let mut x = row_by_row(x);
    if x.is_unique() {
        x.storage_mut::<f32>()
            .par_chunks_mut(TASK)
            .for_each(|numbers| {
                for number in numbers {
                    *number = change(*number);
                }
            });
        return x;
    }
    let numbers = x.storage::<f32>();
    let mut changed = vec![0.0; numbers.len()];
    let tasks = changed.par_chunks_mut(TASK).zip(numbers.par_chunks(TASK));
    tasks.for_each(|(changed, numbers)| {
        for (changed, number) in changed.iter_mut().zip(numbers) {
            *changed = change(*number);
        }
    });
    Flex::float_from_data(TensorData::new(changed, x.shape()), &FlexDevice)
}

/// `combine` of the numbers at every place of two tensors of one shape, in single precision.
pub(super) fn zip(
    first: FloatTensor<Flex>,
    second: FloatTensor<Flex>,
    combine: impl Fn(f32, f32) -> f32 + Sync,
) -> FloatTensor<Flex> {
    let (mut first, mut second) = (row_by_row(first), row_by_row(second));
    if second.is_unique() {
        combine_into(second.storage_mut(), first.storage(), |b, a| combine(a, b));
        return second;
    }
    if first.is_unique() {
        combine_into(first.storage_mut(), second.storage(), combine);
        return first;
    }
    let mut combined = first.storage::<f32>().to_vec();
    combine_into(&mut combined, second.storage(), combine);
    Flex::float_from_data(TensorData::new(combined, first.shape()), &FlexDevice)
}

fn combine_into(into: &mut [f32], other: &[f32], combine: impl Fn(f32, f32) -> f32 + Sync) {
    let tasks = into.par_chunks_mut(TASK).zip(other.par_chunks(TASK));
    tasks.for_each(|(into, other)| {
        for (into, other) in into.iter_mut().zip(other) {
            *into = combine(*into, *other);
        }
    });
}

/// The tensor in memory of its own order; the only handle to it where there was one.
fn row_by_row(tensor: FloatTensor<Flex>) -> FloatTensor<Flex> {
    // The borrowing form hands back a second handle, so the first one is dropped.
    let contiguous = tensor.to_contiguous();
    drop(tensor);
    contiguous
}
