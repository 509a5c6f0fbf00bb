//! Dropout that is drawn by key.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use crate::ops::{dropout_mask, hash, row_numbers};

/// Where every path of layers begins. Not 0, which hashes to itself.
const ROOT: u32 = 0x6A09_E667;

/// Keys of the rows of a batch.
#[derive(Debug, Clone)]
pub struct RowKeys {
    /// `[rows]`, unsigned.
    keys: Tensor<1, Int>,
    /// The layer.
    path: u32,
}

impl RowKeys {
    /// A key for each row. Equal keys drop the same.
    pub fn new(keys: Vec<u32>, device: &Device) -> Self {
        let shape = [keys.len()];
        Self {
            keys: Tensor::from_data(TensorData::new(keys, shape), (device, DType::U32)),
            path: ROOT,
        }
    }

    /// Keys of a layer, or of a group of layers: another `index`, other masks.
    #[must_use]
    pub fn fold_in(&self, index: usize) -> Self {
        Self {
            keys: self.keys.clone(),
            path: hash(self.path, index as u32 + 1),
        }
    }

    /// The number of each of `outer` times `inner` rows of each of the `rows` of the batch, `[rows, outer, inner, 1]`.
    ///
    /// # Panics
    ///
    /// When there is not a key for each row of the batch.
    pub(crate) fn numbers(&self, rows: usize, extents: [usize; 2]) -> Tensor<4, Int> {
        assert_eq!(self.keys.dims(), [rows], "keys of the rows of the batch");
        row_numbers(self.keys.clone(), self.path, extents)
    }
}

/// `x` of which numbers are dropped with a probability and the others multiplied by `1 / (1 - probability)`
/// (Srivastava et al., 2014). Without keys `x` as it is, which is how a model is evaluated.
///
/// # Shapes
///
/// - `x`: `[rows, .., columns]`, of at most four axes
pub fn dropout<const D: usize>(
    x: Tensor<D>,
    probability: f64,
    keys: Option<&RowKeys>,
) -> Tensor<D> {
    let Some(keys) = keys.filter(|_| probability > 0.0) else {
        return x;
    };
    let shape = x.dims();
    let columns = shape[D - 1];
    let mut extents = [1; 2];
    for (extent, size) in extents.iter_mut().rev().zip(shape[1..D - 1].iter().rev()) {
        *extent = *size;
    }
    let mask = dropout_mask(keys.numbers(shape[0], extents), columns, probability);
    let mask = mask.reshape(shape).cast(x.dtype());
    x * mask
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    fn keys(keys: impl IntoIterator<Item = u32>) -> RowKeys {
        RowKeys::new(keys.into_iter().collect(), &Device::flex())
    }

    fn ones<const D: usize>(shape: [usize; D]) -> Tensor<D> {
        Tensor::ones(shape, &Device::flex())
    }

    #[test]
    fn the_share_is_dropped_and_the_rest_is_scaled() {
        let keys = keys(0..40);
        let dropped = dropout(ones([40, 6, 50]), 0.3, Some(&keys)).into_data();
        let values: Vec<f32> = dropped.try_to_vec().expect("single precision");
        let kept = values.iter().filter(|value| **value != 0.0);
        assert!(kept.clone().all(|value| (value * 0.7 - 1.0).abs() < 1e-6));
        let share = 1.0 - kept.count() as f64 / values.len() as f64;
        assert!((share - 0.3).abs() < 0.03, "{share}");
    }

    #[test]
    fn without_keys_or_a_probability_nothing_is_dropped() {
        let x = ones([2, 3]);
        assert_eq!(dropout(x.clone(), 0.9, None).into_data(), x.to_data());
        let keys = keys(0..2);
        assert_eq!(
            dropout(x.clone(), 0.0, Some(&keys)).into_data(),
            x.to_data()
        );
    }

    #[test]
    fn layers_drop_otherwise_at_every_depth() {
        let root = keys([7]);
        let mut seen = Vec::new();
        for keys in [
            root.clone(),
            root.fold_in(0),
            root.fold_in(1),
            root.fold_in(0).fold_in(1),
            root.fold_in(1).fold_in(0),
        ] {
            let mask = dropout(ones([1, 64]), 0.5, Some(&keys)).into_data();
            assert!(!seen.contains(&mask));
            seen.push(mask);
        }
    }

    #[test]
    fn the_length_of_a_text_does_not_move_its_mask() {
        let keys = keys([3, 4]);
        let long = dropout(ones([2, 9, 16]), 0.5, Some(&keys));
        let short = dropout(ones([2, 5, 16]), 0.5, Some(&keys));
        assert_eq!(long.narrow(1, 0, 5).into_data(), short.into_data());
    }

    #[test]
    #[should_panic(expected = "keys of the rows of the batch")]
    fn rows_without_keys_are_refused() {
        let _ = dropout(ones([3, 4]), 0.5, Some(&keys([1, 2])));
    }
}
