//! A transformer block on windows.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use burn_frugal::{LayerNorm, RowKeys, dropout, gelu_linear, project};

use super::attention::WindowAttention;
use super::config::StageShape;
use super::init::dense;
use super::window::{Shift, join, partition};

/// Channels of the hidden layer for each channel of a block.
const MLP_RATIO: usize = 4;

/// Window attention and a two-layer perceptron, each normalised first and added to its input.
#[derive(Module, Debug)]
pub struct Block {
    norm1: LayerNorm,
    attn: WindowAttention,
    drop_path: f64,
    norm2: LayerNorm,
    mlp: Mlp,
    /// Rows and columns of a window.
    pub(super) window: usize,
    pub(super) shift: Option<Shift>,
}

impl Block {
    pub(super) fn new(
        shape: StageShape,
        shift: Option<Shift>,
        drop_path_rate: f64,
        device: &Device,
    ) -> Self {
        let StageShape {
            channels,
            heads,
            window,
            ..
        } = shape;
        let norm = || LayerNorm::init(channels, LayerNorm::EPSILON, device);
        Self {
            norm1: norm(),
            attn: WindowAttention::new(channels, heads, window, device),
            drop_path: drop_path_rate,
            norm2: norm(),
            mlp: Mlp::new(channels, device),
            window,
            shift,
        }
    }

    /// `[batch, rows, columns, channels]` to the same. Paths are dropped by `keys`, `[batch]`; without them none is.
    pub fn forward(&self, x: Tensor<4>, keys: Option<&RowKeys>) -> Tensor<4> {
        let drop = |branch, index| {
            let keys = keys.map(|keys| keys.fold_in(index));
            drop_path(branch, self.drop_path, keys.as_ref())
        };
        let attended = self.attend(self.norm1.forward(x.clone()));
        let x = x + drop(attended, 0);
        let transformed = self.mlp.forward(self.norm2.forward(x.clone()));
        x + drop(transformed, 1)
    }

    fn attend(&self, x: Tensor<4>) -> Tensor<4> {
        let grid = x.dims();
        let attend = |x, mask| {
            let windows = self.attn.forward(partition(x, self.window), mask);
            join(windows, grid, self.window)
        };
        match &self.shift {
            Some(shift) => shift.revert(attend(shift.apply(x), Some(shift.mask()))),
            None => attend(x, None),
        }
    }
}

/// Two linear layers with a GELU between them.
#[derive(Module, Debug)]
struct Mlp {
    fc1: Linear,
    fc2: Linear,
}

impl Mlp {
    fn new(channels: usize, device: &Device) -> Self {
        Self {
            fc1: dense(channels, MLP_RATIO * channels, device),
            fc2: dense(MLP_RATIO * channels, channels, device),
        }
    }

    /// `[.., channels]` to the same.
    fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        gelu_linear(project(x, &self.fc1), &self.fc2)
    }
}

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
