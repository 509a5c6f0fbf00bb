//! Dropout on attention weights that can be drawn again, tile by tile and in any order.
//!
//! Whether a weight is dropped is a hash of its column and of a number that was drawn for its row. The numbers of the
//! rows come from the device's generator and are kept; the mask is not.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, IntDType, TensorMetadata, get_or_init_device_settings};
use burn::tensor::Shape;

/// Spreads columns over all 32 bits: an odd number near 2^32 divided by the golden ratio.
const COLUMN: u32 = 0x9E37_79B1;

/// Shifts and factors of the rounds that mix row and column; the low-bias pair that Wellons found by search ("Prospecting
/// for hash functions", 2018).
const ROUNDS: [(u32, u32); 2] = [(16, 0x7FEB_352D), (15, 0x846C_A68B)];

/// Dropout of the weights of some rows.
#[derive(Debug, Clone)]
pub(crate) struct RowDropout<B: Backend> {
    /// `[.., 1]`, unsigned: the number of each row.
    pub(super) rows: IntTensor<B>,
    /// How probable it is that a weight is dropped, 0 to 1.
    probability: f64,
}

impl<B: Backend> RowDropout<B> {
    /// `rows`: `[.., 1]`, a random number for each row. `None` where nothing is dropped.
    pub(super) fn new(rows: IntTensor<B>, probability: f64) -> Option<Self> {
        (probability > 0.0).then(|| Self {
            rows: B::int_cast(rows, IntDType::U32),
            probability,
        })
    }

    /// The same for a part of the rows, as `part` cuts it out.
    pub(super) fn part(&self, part: impl FnOnce(IntTensor<B>) -> IntTensor<B>) -> Self {
        Self {
            rows: part(self.rows.clone()),
            probability: self.probability,
        }
    }

    /// Weights `[.., columns]` of which some are zero and the others larger by as much as these were.
    pub(super) fn apply(&self, weights: FloatTensor<B>) -> FloatTensor<B> {
        let device = self.rows.device();
        let shape = weights.shape();
        let columns = shape[shape.num_dims() - 1];
        let mut by_column = vec![1; shape.num_dims()];
        by_column[shape.num_dims() - 1] = columns;

        let column = B::int_arange(0..columns as i64, &device, IntDType::U32);
        let column = B::int_mul_scalar(column, COLUMN.into());
        let column = B::int_reshape(column, Shape::from(by_column));
        let mut hash = B::bitwise_xor(
            B::int_expand(self.rows.clone(), shape.clone()),
            B::int_expand(column, shape),
        );
        for (shift, factor) in ROUNDS {
            let high = B::bitwise_right_shift_scalar(hash.clone(), shift.into());
            hash = B::int_mul_scalar(B::bitwise_xor(hash, high), factor.into());
        }
        let high = B::bitwise_right_shift_scalar(hash.clone(), ROUNDS[0].0.into());
        let hash = B::bitwise_xor(hash, high);

        let bool_dtype = get_or_init_device_settings::<B>(&device).bool_dtype;
        let dropped = B::int_lower_elem(hash, self.threshold().into(), bool_dtype);
        let kept = B::float_mask_fill(weights, dropped, 0.0.into());
        B::float_mul_scalar(kept, self.gain().into())
    }

    /// Hashes below this are dropped.
    fn threshold(&self) -> u32 {
        (self.probability * f64::from(u32::MAX)) as u32
    }

    /// What the weights that are left are multiplied by.
    fn gain(&self) -> f64 {
        (1.0 - self.probability).recip()
    }
}

/// Uniform over all numbers of 32 bits.
#[cfg(feature = "flex")]
fn hash(row: u32, column: u32) -> u32 {
    let mixed = ROUNDS.into_iter().fold(
        row ^ column.wrapping_mul(COLUMN),
        |hash, (shift, factor)| (hash ^ (hash >> shift)).wrapping_mul(factor),
    );
    mixed ^ (mixed >> ROUNDS[0].0)
}

#[cfg(feature = "flex")]
impl RowDropout<burn::backend::Flex> {
    /// [`apply`](Self::apply) to weights in single precision, row after row.
    pub(super) fn apply_in_place(&self, weights: &mut [f32], columns: usize) {
        use rayon::prelude::*;

        /// Weights of a task.
        const TASK: usize = 1 << 16;

        let rows = self.rows.to_contiguous();
        let at_once = (TASK / columns).max(1);
        weights
            .par_chunks_mut(at_once * columns)
            .zip(rows.storage::<u32>().par_chunks(at_once))
            .for_each(|(weights, rows)| {
                for (weights, row) in weights.chunks_exact_mut(columns).zip(rows) {
                    self.apply_to_row(weights, *row);
                }
            });
    }

    fn apply_to_row(&self, weights: &mut [f32], row: u32) {
        let (threshold, gain) = (self.threshold(), self.gain() as f32);
        for (weight, column) in weights.iter_mut().zip(0..) {
            let factor = if hash(row, column) < threshold {
                0.0
            } else {
                gain
            };
            *weight *= factor;
        }
    }
}
