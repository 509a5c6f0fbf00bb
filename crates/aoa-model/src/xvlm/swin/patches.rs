//! From pixels to cells, and from cells to fewer cells.

use burn::module::Module;
use burn::nn::Linear;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Tensor};
use burn_frugal::{LayerNorm, convolve, project};

use super::init::dense_without_bias;

/// Turns each patch of the image into a cell: a convolution as large as its stride, and a layer normalisation.
#[derive(Module, Debug)]
pub struct PatchEmbedding {
    proj: Conv2d,
    norm: LayerNorm,
}

impl PatchEmbedding {
    pub(super) fn new(patch_size: usize, channels: usize, device: &Device) -> Self {
        Self {
            proj: Conv2dConfig::new([3, channels], [patch_size; 2])
                .with_stride([patch_size; 2])
                .init(device),
            norm: LayerNorm::init(channels, LayerNorm::EPSILON, device),
        }
    }

    /// Cells of the images.
    ///
    /// # Shapes
    ///
    /// - `images`: `[batch, 3, height, width]`, normalised
    /// - result: `[batch, height / patch, width / patch, channels]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        self.norm
            .forward(convolve(images, &self.proj).permute([0, 2, 3, 1]))
    }
}

/// Merges 2 x 2 cells into one with twice the channels.
#[derive(Module, Debug)]
pub struct PatchMerging {
    norm: LayerNorm,
    reduction: Linear,
}

impl PatchMerging {
    pub(super) fn new(channels: usize, device: &Device) -> Self {
        Self {
            norm: LayerNorm::init(4 * channels, LayerNorm::EPSILON, device),
            reduction: dense_without_bias(4 * channels, 2 * channels, device),
        }
    }

    /// `[batch, rows, columns, channels]` to `[batch, rows / 2, columns / 2, 2 * channels]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, rows, columns, channels] = x.dims();
        // The four cells are joined column by column: top left, bottom left, top right, bottom right.
        let x = x
            .reshape([batch, rows / 2, 2, columns / 2, 2, channels])
            .permute([0, 1, 3, 4, 2, 5])
            .reshape([batch, rows / 2, columns / 2, 4 * channels]);
        project(self.norm.forward(x), &self.reduction)
    }
}
