//! Stochastic depth.

use burn::tensor::Tensor;
use burn_frugal::{RowKeys, dropout};

/// Drops a residual branch for whole samples with a probability and scales the kept ones by `1 / (1 - rate)` (Huang et al.,
/// "Deep Networks with Stochastic Depth", ECCV 2016). Without keys, `[batch]`, nothing is dropped.
///
/// `branch` is `[batch, rows, columns, channels]`, of any sizes; the result has the same.
pub fn drop_path(branch: Tensor<4>, rate: f64, keys: Option<&RowKeys>) -> Tensor<4> {
    let Some(keys) = keys.filter(|_| rate > 0.0) else {
        return branch;
    };
    let samples = Tensor::ones([branch.dims()[0], 1, 1, 1], &branch.device());
    branch * dropout(samples, rate, Some(keys))
}
