//! Element by element on the CPU, on all threads.
//!
//! Burn's CPU backend does this on one thread. Each number follows from its operands alone, so the number of threads changes
//! no bit of a result. Where memory can be reused, it is: over the operand that nothing else needs.

use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, FlexDevice, TensorMetadata};
use burn::tensor::TensorData;
use rayon::prelude::*;

/// Numbers that are summed side by side: as many as the compiler still keeps in vector registers.
const LANES: usize = 32;

/// Numbers of a task: a few microseconds of work, and as many as lie in the first cache of a core.
pub(super) const TASK: usize = 1 << 13;

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
pub(super) fn row_by_row(tensor: FloatTensor<Flex>) -> FloatTensor<Flex> {
    // The borrowing form hands back a second handle, so the first one is dropped.
    let contiguous = tensor.to_contiguous();
    drop(tensor);
    contiguous
}

/// Folds a row, [`LANES`] numbers side by side.
pub(super) fn reduce(row: &[f32], start: f32, fold: impl Fn(f32, f32) -> f32) -> f32 {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut lanes = [start; LANES];
    for chunk in chunks {
        for (lane, number) in lanes.iter_mut().zip(chunk) {
            *lane = fold(*lane, *number);
        }
    }
    lanes.iter().chain(rest).copied().fold(start, fold)
}

/// Sum over the places of rows of one length, [`LANES`] of them side by side.
pub(super) fn sum_by<const N: usize>(rows: [&[f32]; N], of: impl Fn([f32; N]) -> f32) -> f32 {
    let split = rows.map(|row| row.as_chunks::<LANES>());
    let mut lanes = [0.0; LANES];
    for chunk in 0..split.first().map_or(0, |(chunks, _)| chunks.len()) {
        let chunks = split.map(|(chunks, _)| &chunks[chunk]);
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum += of(chunks.map(|chunk| chunk[lane]));
        }
    }
    let rest = split.map(|(_, rest)| rest);
    let rest = (0..rest.first().map_or(0, |rest| rest.len()))
        .map(|place| of(rest.map(|rest| rest[place])));
    lanes.into_iter().chain(rest).sum()
}

/// `e^x` for `x <= 0` in steps that the compiler vectorises, unlike the library's: `2^n e^r` with
/// `n` whole and `|r| <= ln(2) / 2`, and Taylor's series for `e^r`, whose remainder is below 6e-9.
#[inline]
pub(super) fn exp(x: f32) -> f32 {
    /// The upper bits of ln 2, so few that their product with `n` is exact, and the rest.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    /// `1 / k!` from `k = 7` down to 0.
    const SERIES: [f32; 8] = [
        1.0 / 5040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ];
    /// 1.5 * 2^23: the last bits of its sum with a small whole number are that number.
    const WHOLE: f32 = 12_582_912.0;
    /// Exponent of 1 in the bits of a number.
    const EXPONENT_OF_ONE: f32 = 127.0;
    /// Below it `e^x` leaves the normal numbers of single precision.
    const SMALLEST: f32 = -87.0;

    let n = (x * std::f32::consts::LOG2_E).round_ties_even();
    let r = x - n * LN_2[0] - n * LN_2[1];
    let series = SERIES.into_iter().fold(0.0, |sum, factor| sum * r + factor);
    let power = f32::from_bits((n + WHOLE + EXPONENT_OF_ONE).to_bits() << 23);
    if x < SMALLEST { 0.0 } else { series * power }
}
