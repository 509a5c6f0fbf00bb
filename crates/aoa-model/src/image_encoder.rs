//! A small convolutional image encoder that turns an image into region features.

use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{LayerNorm, LayerNormConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use crate::init::RECTIFIED;

/// Pixels of the image that one region covers along an axis.
const REGION_PIXELS: usize = 8;
/// Pixels of the image that one patch of the first convolution covers along an axis.
const PATCH_PIXELS: usize = 4;

/// Configuration of [`GridEncoder`].
#[derive(Config, Debug)]
pub struct GridEncoderConfig {
    /// Height and width of the image, in pixels: a multiple of 8.
    pub image_size: usize,
    /// Channels of the first stage; the regions have twice as many.
    pub width: usize,
}

/// Convolutional encoder that gives a grid of region features, one for every 8 x 8 pixels.
///
/// Patches of 4 x 4 pixels, a strided 3 x 3 convolution, one residual 3 x 3 convolution, layer
/// normalisation, a learned embedding of the grid position. It has no statistics over the batch, so its
/// result does not depend on how a batch is sliced.
#[derive(Module, Debug)]
pub struct GridEncoder {
    patches: Conv2d,
    reduce: Conv2d,
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

    /// Creates the encoder with freshly drawn weights on `device`.
    ///
    /// # Panics
    ///
    /// When `image_size` is not a positive multiple of 8.
    pub fn init(&self, device: &Device) -> GridEncoder {
        assert!(
            self.image_size > 0 && self.image_size.is_multiple_of(REGION_PIXELS),
            "the grid encoder needs an image size that is a multiple of {REGION_PIXELS}, not {}",
            self.image_size
        );
        let same = PaddingConfig2d::Explicit(1, 1, 1, 1);
        let channels = self.channels();
        GridEncoder {
            patches: Conv2dConfig::new([3, self.width], [PATCH_PIXELS; 2]).with_stride([PATCH_PIXELS; 2]).with_initializer(RECTIFIED).init(device),
            reduce: Conv2dConfig::new([self.width, channels], [3, 3])
                .with_stride([2, 2])
                .with_padding(same.clone())
                .with_initializer(RECTIFIED)
                .init(device),
            mix: Conv2dConfig::new([channels, channels], [3, 3]).with_padding(same).with_initializer(RECTIFIED).init(device),
            norm: LayerNormConfig::new(channels).init(device),
            position: Initializer::Normal { mean: 0.0, std: 0.5 }.init([self.regions(), channels], device),
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
        let x = relu(self.patches.forward(images)); // [images, width, height / 4, width / 4]
        let x = relu(self.reduce.forward(x)); // [images, channels, height / 8, width / 8]
        let x = x.clone() + relu(self.mix.forward(x));
        let x = x.flatten::<3>(2, 3).swap_dims(1, 2); // [images, regions, channels]
        self.norm.forward(x) + self.position.val().unsqueeze()
    }
}
