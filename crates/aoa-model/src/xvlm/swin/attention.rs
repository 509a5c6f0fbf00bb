//! Self-attention within windows.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};
use burn_frugal::{project, window_attention};

use super::init::{SMALL_NORMAL, dense};

/// Multi-head self-attention of the cells of a window, with a learned bias for each offset between two cells
/// (Liu et al., 2021, equation 4): `softmax(q k^T / sqrt(d) + bias + mask) v`.
#[derive(Module, Debug)]
pub(super) struct WindowAttention {
    /// `[channels, 3 * channels]`: queries, keys, values.
    qkv: Linear,
    /// `[heads, (2 * window - 1)^2]`, offsets row by row. Turned around like the matrix of a linear layer: `PyTorch` has
    /// the heads last.
    relative_position_bias_table: Param<Tensor<2>>,
    proj: Linear,
    /// `[window * window, 2 * window - 1]`, see [`offsets`]. A constant.
    offsets: Tensor<2>,
    heads: usize,
}

impl WindowAttention {
    pub(super) fn new(channels: usize, heads: usize, window: usize, device: &Device) -> Self {
        let reach = 2 * window - 1;
        Self {
            qkv: dense(channels, 3 * channels, device),
            relative_position_bias_table: SMALL_NORMAL.init([heads, reach * reach], device),
            proj: dense(channels, channels, device),
            offsets: Tensor::from_data(offsets(window), device),
            heads,
        }
    }

    /// Attends within each window.
    ///
    /// # Shapes
    ///
    /// - `x`: `[batch * windows, cells, channels]`, the windows of an image next to each other
    /// - `mask`: `[windows, cells, cells]`, added to the scores
    /// - result: `[batch * windows, cells, channels]`
    pub(super) fn forward(&self, x: Tensor<3>, mask: Option<Tensor<3>>) -> Tensor<3> {
        let [count, cells, channels] = x.dims();
        let dim_head = channels / self.heads;
        let qkv = project(x, &self.qkv).reshape([count, cells, 3 * self.heads, dim_head]);
        let mask = mask.unwrap_or_else(|| Tensor::zeros([1, cells, cells], &qkv.device()));
        let bias = self.position_bias().unsqueeze();
        let attended = window_attention(qkv, bias, mask.unsqueeze_dim(1));
        project(attended, &self.proj)
    }

    /// The bias of every pair of cells, `[heads, cells, cells]`.
    ///
    /// The table is looked up by products with one-hot rows, along one axis after the other. They give exactly the
    /// entries, as reading by index would; but the gradient of reading by index is a sum over all pairs that a GPU
    /// kernel of Burn computes one after the other.
    fn position_bias(&self) -> Tensor<3> {
        let [pairs, reach] = self.offsets.dims();
        let window = reach.div_ceil(2);
        let offsets = self.offsets.clone().unsqueeze::<3>(); // [1, pairs, reach]
        let table = self
            .relative_position_bias_table
            .val()
            .reshape([self.heads, reach, reach]);
        offsets
            .clone()
            .matmul(table)
            .matmul(offsets.swap_dims(1, 2)) // [heads, pairs of rows, pairs of columns]
            .reshape([self.heads, window, window, window, window])
            .permute([0, 1, 3, 2, 4]) // [heads, query row, query column, key row, key column]
            .reshape([self.heads, pairs, pairs])
    }
}

/// `[window * window, 2 * window - 1]`: row `query * window + key` is one at `query - key + window - 1`, where the bias
/// of that offset along an axis is stored.
fn offsets(window: usize) -> TensorData {
    let reach = 2 * window - 1;
    let mut rows = vec![0.0_f32; window * window * reach];
    for query in 0..window {
        for key in 0..window {
            rows[(query * window + key) * reach + query + window - 1 - key] = 1.0;
        }
    }
    TensorData::new(rows, [window * window, reach])
}
