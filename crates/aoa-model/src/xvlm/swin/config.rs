//! Sizes of the encoder, and which of them fit together.

use burn::config::Config;

use crate::image_encoder::ImageEncoderError;

/// Configuration of [`Swin`](super::Swin).
#[derive(Config, Debug)]
pub struct SwinConfig {
    /// Height and width of the image, in pixels: a multiple of `patch_size`.
    pub image_size: usize,
    /// Height and width of an attention window, in cells. A stage whose grid is no larger has one window that covers it.
    pub window: usize,
    /// Channels of the first stage; each further stage has twice as many.
    pub embed_dim: usize,
    /// Blocks of each stage.
    pub depths: Vec<usize>,
    /// Attention heads of each stage.
    pub heads: Vec<usize>,
    /// Height and width of a patch, in pixels.
    #[config(default = 4)]
    pub patch_size: usize,
    /// Drop path rate of the last block; it rises linearly from 0 at the first.
    #[config(default = 0.1)]
    pub drop_path_rate: f64,
}

/// Sizes of one stage.
#[derive(Debug, Clone, Copy)]
pub(super) struct StageShape {
    /// Rows and columns of the grid.
    pub(super) resolution: usize,
    /// Rows and columns of a window.
    pub(super) window: usize,
    /// Cells by which odd blocks shift the grid.
    pub(super) shift: usize,
    pub(super) channels: usize,
    pub(super) heads: usize,
}

impl SwinConfig {
    /// The encoder of X-VLM base for question answering: Swin-B for images of 480 pixels, with windows of 15 cells so
    /// that they divide the 120, 60, 30 and 15 cells of its stages.
    pub fn xvlm_base() -> Self {
        Self::new(480, 15, 128, vec![2, 2, 18, 2], vec![4, 8, 16, 32])
    }

    /// Channels of the encoder's output.
    pub fn channels(&self) -> usize {
        self.embed_dim << self.depths.len().saturating_sub(1)
    }

    /// Tokens of the encoder's output: one for each cell of the last stage, and the mean in front.
    ///
    /// # Panics
    ///
    /// When `patch_size` is 0, which [`validate`](Self::validate) refuses.
    pub fn tokens(&self) -> usize {
        let merged = self.depths.len().saturating_sub(1);
        1 + ((self.image_size / self.patch_size) >> merged).pow(2)
    }

    /// Drop path rate of every block, from the first stage to the last.
    pub fn drop_path_rates(&self) -> Vec<f64> {
        let blocks: usize = self.depths.iter().sum();
        let last = blocks.saturating_sub(1).max(1) as f64;
        (0..blocks)
            .map(|block| self.drop_path_rate * block as f64 / last)
            .collect()
    }

    /// Checks that patches, windows, merging and heads come out even.
    ///
    /// # Errors
    ///
    /// The first thing that does not fit, with its numbers.
    pub fn validate(&self) -> Result<(), ImageEncoderError> {
        let sizes = [
            ("image_size", self.image_size),
            ("patch_size", self.patch_size),
            ("window", self.window),
            ("embed_dim", self.embed_dim),
        ];
        if let Some((key, _)) = sizes.into_iter().find(|(_, size)| *size == 0) {
            return Err(ImageEncoderError::Zero { key });
        }
        if !self.image_size.is_multiple_of(self.patch_size) {
            return Err(ImageEncoderError::Patches {
                image_size: self.image_size,
                patch_size: self.patch_size,
            });
        }
        if self.depths.is_empty() || self.depths.len() != self.heads.len() {
            return Err(ImageEncoderError::Stages {
                depths: self.depths.len(),
                heads: self.heads.len(),
            });
        }
        if !(0.0..1.0).contains(&self.drop_path_rate) {
            return Err(ImageEncoderError::DropPath {
                rate: self.drop_path_rate,
            });
        }
        (0..self.depths.len()).try_for_each(|stage| self.validate_stage(stage))
    }

    fn validate_stage(&self, stage: usize) -> Result<(), ImageEncoderError> {
        let StageShape {
            resolution,
            window,
            channels,
            heads,
            ..
        } = self.stage(stage);
        if !channels.is_multiple_of(heads) {
            return Err(ImageEncoderError::Heads {
                stage,
                channels,
                heads,
            });
        }
        if !resolution.is_multiple_of(window) {
            return Err(ImageEncoderError::Windows {
                stage,
                resolution,
                window,
            });
        }
        if stage + 1 < self.depths.len() && !resolution.is_multiple_of(2) {
            return Err(ImageEncoderError::Merging { stage, resolution });
        }
        Ok(())
    }

    /// Sizes of a stage. Where the grid is no larger than the window there is nothing to shift.
    pub(super) fn stage(&self, stage: usize) -> StageShape {
        let resolution = (self.image_size / self.patch_size) >> stage;
        let window = self.window.min(resolution);
        StageShape {
            resolution,
            window,
            shift: if resolution > window { window / 2 } else { 0 },
            channels: self.embed_dim << stage,
            heads: self.heads[stage],
        }
    }
}
