//! A small convolutional image encoder that turns an image into region features.

use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use burn_frugal::{LayerNorm, convolve};

use super::error::ImageEncoderError;
use crate::init::RECTIFIED;

/// Pixels of the image that one region covers along an axis.
const REGION_PIXELS: usize = 16;

/// Configuration of [`GridEncoder`].
#[derive(Config, Debug)]
pub struct GridEncoderConfig {
    /// Height and width of the image, in pixels: a multiple of 16.
    pub image_size: usize,
    /// Channels of the third stage; every stage has twice as many as the one before, the regions twice as many again.
    pub width: usize,
}

/// Convolutional encoder that gives a grid of region features, one for every 16 x 16 pixels.
///
/// Four 3 x 3 convolutions with stride 2 and a residual one, each followed by a rectifier; then layer normalisation and
/// a learned embedding of the grid position. Small strides first: a stem of large patches learns shapes several times
/// more slowly. Nothing in it is computed over the batch, so its result does not depend on how a batch is sliced.
#[derive(Module, Debug)]
pub struct GridEncoder {
    reduce: Vec<Conv2d>,
    mix: Conv2d,
    norm: LayerNorm,
    /// `[regions, channels]`
    position: Param<Tensor<2>>,
}

impl GridEncoderConfig {
    /// Channels of a region feature.
    pub fn channels(&self) -> usize {
        2 * self.width
    }

    /// Regions of an image.
    pub fn regions(&self) -> usize {
        (self.image_size / REGION_PIXELS).pow(2)
    }

    /// Checks that the image is made of whole regions.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub fn validate(&self) -> Result<(), ImageEncoderError> {
        if self.image_size == 0 {
            return Err(ImageEncoderError::Zero { key: "image_size" });
        }
        if !self.image_size.is_multiple_of(REGION_PIXELS) {
            return Err(ImageEncoderError::Patches {
                image_size: self.image_size,
                patch_size: REGION_PIXELS,
            });
        }
        Ok(())
    }

    /// Creates the encoder with freshly drawn weights on `device`.
    ///
    /// # Panics
    ///
    /// When [`validate`](Self::validate) finds an error, with its text.
    pub fn init(&self, device: &Device) -> GridEncoder {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let channels = self.channels();
        let conv = |from, to, stride| {
            Conv2dConfig::new([from, to], [3, 3])
                .with_stride([stride; 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_initializer(RECTIFIED)
                .init(device)
        };
        let stages = [
            3,
            self.width.div_ceil(4),
            self.width.div_ceil(2),
            self.width,
            channels,
        ];
        GridEncoder {
            reduce: stages
                .windows(2)
                .map(|stage| conv(stage[0], stage[1], 2))
                .collect(),
            mix: conv(channels, channels, 1),
            norm: LayerNorm::init(channels, LayerNorm::EPSILON, device),
            position: Initializer::Normal {
                mean: 0.0,
                std: 0.5,
            }
            .init([self.regions(), channels], device),
        }
    }
}

impl GridEncoder {
    /// Encodes images.
    ///
    /// # Shapes
    ///
    /// - `images`: `[images, 3, height, width]`, normalised
    /// - result: `[images, regions, channels]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<3> {
        // [images, channels, height / 16, width / 16]
        let x = self
            .reduce
            .iter()
            .fold(images, |x, conv| relu(convolve(x, conv)));
        let x = x.clone() + relu(convolve(x, &self.mix));
        let x = x.flatten::<3>(2, 3).swap_dims(1, 2); // [images, regions, channels]
        self.norm.forward(x) + self.position.val().unsqueeze()
    }
}
