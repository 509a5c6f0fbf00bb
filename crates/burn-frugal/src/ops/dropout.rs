//! Dropout whose masks are functions of keys, so that they can be made again, in parts and in any order.
//!
//! Whether a number is dropped is a hash of its column and of the number of its row. The numbers of rows are hashes of the
//! key of a sample, of a layer and of the place within the sample. No generator of the device is involved, so a mask does not
//! depend on what else is in the micro-batch or on what was drawn before.

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{
    Autodiff, AutodiffBackend, Backend, Capture, DType, Dispatch, IntDType, TensorMetadata,
    backend_extension, get_or_init_device_settings,
};
use burn::tensor::{Int, Shape, Tensor};

use crate::capture::{record, record_as};

/// Spreads columns over all 32 bits: an odd number near 2^32 divided by the golden ratio.
const COLUMN: u32 = 0x9E37_79B1;

/// Shifts and factors of the rounds that mix row and column; the low-bias pair that Wellons found by search ("Prospecting
/// for hash functions", 2018).
const ROUNDS: [(u32, u32); 2] = [(16, 0x7FEB_352D), (15, 0x846C_A68B)];

/// Uniform over all numbers of 32 bits: mixes a number with the place of what is drawn from it.
pub(crate) fn hash(row: u32, column: u32) -> u32 {
    let mixed = ROUNDS.into_iter().fold(
        row ^ column.wrapping_mul(COLUMN),
        |hash, (shift, factor)| (hash ^ (hash >> shift)).wrapping_mul(factor),
    );
    mixed ^ (mixed >> ROUNDS[0].0)
}

/// The number of each row, `[samples, outer, inner, 1]`, unsigned.
///
/// - `keys`: `[samples]`, unsigned: the key of each sample
/// - `path`: what the layer that drops is known by
pub(crate) fn row_numbers(
    keys: Tensor<1, Int>,
    path: u32,
    [outer, inner]: [usize; 2],
) -> Tensor<4, Int> {
    let rows = <Dispatch as Masks>::row_numbers(keys.into_dispatch(), path, outer, inner);
    Tensor::from_dispatch(rows)
}

/// What numbers are multiplied by when some are dropped: 0 or `1 / (1 - probability)`, `[samples, outer, inner, columns]`.
///
/// - `rows`: `[samples, outer, inner, 1]`, as [`row_numbers`] gives them
pub(crate) fn dropout_mask(rows: Tensor<4, Int>, columns: usize, probability: f64) -> Tensor<4> {
    let mask = <Dispatch as Masks>::dropout_mask(rows.into_dispatch(), columns, probability);
    Tensor::from_dispatch(mask)
}

/// The operations as Burn dispatches them.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(any(feature = "cuda", feature = "wgpu")),
    Capture,
    Autodiff
)]
pub(crate) trait Masks: Backend {
    /// See [`row_numbers`].
    fn row_numbers(keys: IntTensor<Self>, path: u32, outer: usize, inner: usize)
    -> IntTensor<Self>;

    /// See [`dropout_mask`].
    fn dropout_mask(rows: IntTensor<Self>, columns: usize, probability: f64) -> FloatTensor<Self>;
}

impl<B: Masks, C: CheckpointStrategy> Masks for Autodiff<B, C> {
    fn row_numbers(
        keys: IntTensor<Self>,
        path: u32,
        outer: usize,
        inner: usize,
    ) -> IntTensor<Self> {
        B::row_numbers(keys, path, outer, inner)
    }

    fn dropout_mask(rows: IntTensor<Self>, columns: usize, probability: f64) -> FloatTensor<Self> {
        Self::from_inner(B::dropout_mask(rows, columns, probability))
    }
}

impl Masks for Capture {
    fn row_numbers(
        keys: IntTensor<Self>,
        _path: u32,
        outer: usize,
        inner: usize,
    ) -> IntTensor<Self> {
        let rows = Shape::new([keys.shape()[0], outer, inner, 1]);
        let [rows] = record_as("row_numbers", [keys], [rows], DType::U32, 0);
        rows
    }

    fn dropout_mask(rows: IntTensor<Self>, columns: usize, _probability: f64) -> FloatTensor<Self> {
        let [samples, outer, inner, _] = rows.shape().dims();
        let mask = Shape::new([samples, outer, inner, columns]);
        let [mask] = record("dropout_mask", [rows], [mask], 0);
        mask
    }
}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
impl Masks for burn::backend::Cube {
    fn row_numbers(
        keys: IntTensor<Self>,
        path: u32,
        outer: usize,
        inner: usize,
    ) -> IntTensor<Self> {
        numbers_of_rows::<Self>(keys, path, outer, inner)
    }

    fn dropout_mask(rows: IntTensor<Self>, columns: usize, probability: f64) -> FloatTensor<Self> {
        mask::<Self>(rows, columns, probability)
    }
}

/// [`row_numbers`] by operations that every backend has.
#[cfg(any(feature = "cuda", feature = "wgpu", test))]
fn numbers_of_rows<B: Backend>(
    keys: IntTensor<B>,
    path: u32,
    outer: usize,
    inner: usize,
) -> IntTensor<B> {
    let device = keys.device();
    let samples = keys.shape()[0];
    let path = B::int_full([1, 1, 1, 1].into(), path.into(), &device, IntDType::U32);
    let steps = [
        (path, [samples, 1, 1, 1]),
        (
            places::<B>(outer, [1, outer, 1, 1], &device),
            [samples, outer, 1, 1],
        ),
        (
            places::<B>(inner, [1, 1, inner, 1], &device),
            [samples, outer, inner, 1],
        ),
    ];
    let keys = B::int_reshape(keys, Shape::new([samples, 1, 1, 1]));
    steps.into_iter().fold(keys, |rows, (place, shape)| {
        mix::<B>(rows, place, Shape::new(shape))
    })
}

/// [`dropout_mask`] by operations that every backend has.
#[cfg(any(feature = "cuda", feature = "wgpu", test))]
fn mask<B: Backend>(rows: IntTensor<B>, columns: usize, probability: f64) -> FloatTensor<B> {
    let [samples, outer, inner, _] = rows.shape().dims();
    let device = rows.device();
    let float = get_or_init_device_settings::<B>(&device).float_dtype;
    let shape = Shape::new([samples, outer, inner, columns]);
    RowDropout::<B>::new(rows, probability).apply(B::float_ones(shape, &device, float))
}

/// 0, 1, 2 and so on, unsigned.
fn places<B: Backend>(count: usize, shape: [usize; 4], device: &B::Device) -> IntTensor<B> {
    let places = B::int_arange(0..count as i64, device, IntDType::U32);
    B::int_reshape(places, Shape::new(shape))
}

/// [`hash`] of rows and columns that are expanded to one shape.
fn mix<B: Backend>(rows: IntTensor<B>, columns: IntTensor<B>, shape: Shape) -> IntTensor<B> {
    let columns = B::int_mul_scalar(columns, COLUMN.into());
    let mut hash = B::bitwise_xor(
        B::int_expand(rows, shape.clone()),
        B::int_expand(columns, shape),
    );
    for (shift, factor) in ROUNDS {
        let high = B::bitwise_right_shift_scalar(hash.clone(), shift.into());
        hash = B::int_mul_scalar(B::bitwise_xor(hash, high), factor.into());
    }
    let high = B::bitwise_right_shift_scalar(hash.clone(), ROUNDS[0].0.into());
    B::bitwise_xor(hash, high)
}

/// Dropout of some rows of numbers.
#[derive(Debug, Clone)]
pub(crate) struct RowDropout<B: Backend> {
    /// `[.., 1]`, unsigned: the number of each row.
    pub(crate) rows: IntTensor<B>,
    /// How probable it is that a number is dropped, 0 to 1.
    probability: f64,
}

impl<B: Backend> RowDropout<B> {
    /// `rows`: `[.., 1]`, unsigned, the number of each row.
    pub(crate) fn new(rows: IntTensor<B>, probability: f64) -> Self {
        Self { rows, probability }
    }

    /// Dropout of a part of the rows, as `part` cuts it out.
    pub(crate) fn part(&self, part: impl FnOnce(IntTensor<B>) -> IntTensor<B>) -> Self {
        Self::new(part(self.rows.clone()), self.probability)
    }

    /// Numbers `[.., columns]` of which some are zero and the others are multiplied by `1 / (1 - probability)`.
    pub(crate) fn apply(&self, numbers: FloatTensor<B>) -> FloatTensor<B> {
        let device = self.rows.device();
        let shape = numbers.shape();
        let columns = shape[shape.num_dims() - 1];
        let place = places::<B>(columns, [1, 1, 1, columns], &device);
        let hash = mix::<B>(self.rows.clone(), place, shape);
        let bool_dtype = get_or_init_device_settings::<B>(&device).bool_dtype;
        let dropped = B::int_lower_elem(hash, self.threshold().into(), bool_dtype);
        let kept = B::float_mask_fill(numbers, dropped, 0.0.into());
        B::float_mul_scalar(kept, self.gain().into())
    }

    /// Hashes below this are dropped.
    fn threshold(&self) -> u32 {
        (self.probability * f64::from(u32::MAX)) as u32
    }

    /// What the numbers that are left are multiplied by.
    fn gain(&self) -> f64 {
        (1.0 - self.probability).recip()
    }
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::ops::FloatTensorOps;
    use burn::backend::ops::IntTensorOps;
    use burn::backend::tensor::{FloatTensor, IntTensor};
    use burn::backend::{Flex, FlexDevice, TensorMetadata};
    use burn::tensor::TensorData;
    use rayon::prelude::*;

    use super::{Masks, RowDropout, hash};

    /// Numbers of a task.
    const TASK: usize = 1 << 16;

    impl Masks for Flex {
        fn row_numbers(
            keys: IntTensor<Self>,
            path: u32,
            outer: usize,
            inner: usize,
        ) -> IntTensor<Self> {
            let keys = keys.to_contiguous();
            let samples = keys.storage::<u32>();
            let rows = samples.iter().flat_map(|&key| {
                let sample = hash(key, path);
                (0..outer as u32).flat_map(move |outer| {
                    let row = hash(sample, outer);
                    (0..inner as u32).map(move |inner| hash(row, inner))
                })
            });
            let shape = [samples.len(), outer, inner, 1];
            Self::int_from_data(
                TensorData::new(rows.collect::<Vec<_>>(), shape),
                &FlexDevice,
            )
        }

        fn dropout_mask(
            rows: IntTensor<Self>,
            columns: usize,
            probability: f64,
        ) -> FloatTensor<Self> {
            let [samples, outer, inner, _] = rows.shape().dims();
            let mut mask = vec![1.0_f32; samples * outer * inner * columns];
            RowDropout::new(rows, probability).apply_in_place(&mut mask, columns);
            let shape = [samples, outer, inner, columns];
            Self::float_from_data(TensorData::new(mask, shape), &FlexDevice)
        }
    }

    impl RowDropout<Flex> {
        /// [`apply`](Self::apply) to numbers in single precision, row after row.
        pub(crate) fn apply_in_place(&self, numbers: &mut [f32], columns: usize) {
            let rows = self.rows.to_contiguous();
            let at_once = (TASK / columns.max(1)).max(1);
            numbers
                .par_chunks_mut((at_once * columns).max(1))
                .zip(rows.storage::<u32>().par_chunks(at_once))
                .for_each(|(numbers, rows)| {
                    for (numbers, row) in numbers.chunks_exact_mut(columns).zip(rows) {
                        self.apply_to_row(numbers, *row);
                    }
                });
        }

        fn apply_to_row(&self, numbers: &mut [f32], row: u32) {
            let (threshold, gain) = (self.threshold(), self.gain() as f32);
            for (number, column) in numbers.iter_mut().zip(0..) {
                let factor = if hash(row, column) < threshold {
                    0.0
                } else {
                    gain
                };
                *number *= factor;
            }
        }
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::backend::ops::IntTensorOps;
    use burn::backend::{Flex, FlexDevice};
    use burn::tensor::TensorData;

    use super::*;

    const SHAPE: [usize; 4] = [5, 3, 7, 33];

    fn keys(keys: Vec<u32>) -> IntTensor<Flex> {
        let shape = [keys.len()];
        Flex::int_from_data(TensorData::new(keys, shape), &FlexDevice)
    }

    /// The mask of the samples with this many keys from a first one on.
    fn mask_of(first: u32, samples: u32, path: u32) -> Vec<f32> {
        let [_, outer, inner, columns] = SHAPE;
        let keys = keys((first..first + samples).collect());
        let rows = Flex::row_numbers(keys, path, outer, inner);
        let mask = Flex::dropout_mask(rows, columns, 0.3);
        mask.into_data().try_to_vec().expect("single precision")
    }

    #[test]
    fn every_backend_draws_the_same_mask() {
        let [samples, outer, inner, columns] = SHAPE;
        let keys = || {
            keys(
                (0..samples as u32)
                    .map(|key| key.wrapping_mul(0x8765_4321))
                    .collect(),
            )
        };
        let own = Flex::row_numbers(keys(), u32::MAX - 6, outer, inner);
        let plain = numbers_of_rows::<Flex>(keys(), u32::MAX - 6, outer, inner);
        assert_eq!(own.clone().into_data(), plain.clone().into_data());
        for probability in [0.0, 0.25, 0.9] {
            assert_eq!(
                Flex::dropout_mask(own.clone(), columns, probability).into_data(),
                mask::<Flex>(plain.clone(), columns, probability).into_data(),
            );
        }
    }

    #[test]
    fn a_sample_meets_the_same_mask_in_any_batch() {
        let all = mask_of(0, 5, 1);
        let size = all.len() / 5;
        assert_eq!(mask_of(3, 1, 1), all[3 * size..4 * size]);
        assert_eq!(mask_of(1, 2, 1), all[size..3 * size]);
    }

    #[test]
    fn samples_layers_rows_and_columns_are_dropped_independently() {
        let all = mask_of(0, 5, 1);
        let size = all.len() / 5;
        let [_, outer, inner, columns] = SHAPE;
        let rows: Vec<_> = all.chunks(columns).collect();
        for (index, row) in rows.iter().enumerate() {
            assert!(!rows[..index].contains(row), "row {index} is there twice");
        }
        let of_columns: Vec<Vec<bool>> = (0..columns)
            .map(|column| rows.iter().map(|row| row[column] == 0.0).collect())
            .collect();
        for (index, column) in of_columns.iter().enumerate() {
            assert!(!of_columns[..index].contains(column), "column {index}");
        }
        // Two masks drop the same number in 0.3 * 0.3 of all places; six standard deviations.
        let other = mask_of(0, 5, 2);
        let both = all
            .iter()
            .zip(&other)
            .filter(|(a, b)| **a == 0.0 && **b == 0.0);
        let share = both.count() as f64 / all.len() as f64;
        assert!(
            (share - 0.09).abs() < 6.0 * (0.09 * 0.91 / all.len() as f64).sqrt(),
            "{share}"
        );
        assert_eq!(size, outer * inner * columns);
    }
}
