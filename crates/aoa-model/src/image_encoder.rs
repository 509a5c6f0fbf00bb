//! A small convolutional image encoder that turns an image into region features.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{LayerNorm, LayerNormConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Tensor, TensorData};

use crate::init::RECTIFIED;

/// Pixels of the image that one region covers along an axis.
const REGION_PIXELS: usize = 16;
/// Configuration of [`GridEncoder`].
#[derive(Config, Debug)]
pub struct GridEncoderConfig {
    /// Height and width of the image, in pixels: a multiple of 16.
    pub image_size: usize,
    /// Channels of the second stage; the first has half, the regions have twice as many.
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

    /// Creates the encoder with freshly drawn weights on `device`.
    ///
    /// # Panics
    ///
    /// When `image_size` is not a positive multiple of 16.
    pub fn init(&self, device: &Device) -> GridEncoder {
        assert!(
            self.image_size > 0 && self.image_size.is_multiple_of(REGION_PIXELS),
            "the grid encoder needs an image size that is a multiple of {REGION_PIXELS}, not {}",
            self.image_size
        );
        let channels = self.channels();
        let conv = |from, to, stride| {
            Conv2dConfig::new([from, to], [3, 3])
                .with_stride([stride; 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_initializer(RECTIFIED)
                .init(device)
        };
        let stages = [3, self.width / 2, self.width, channels, channels];
        GridEncoder {
            reduce: stages
                .windows(2)
                .map(|stage| conv(stage[0], stage[1], 2))
                .collect(),
            mix: conv(channels, channels, 1),
            norm: LayerNormConfig::new(channels).init(device),
            position: grid_positions(self.image_size / REGION_PIXELS, channels, device),
        }
    }
}

/// First embedding of the grid positions, `[side * side, channels]`: each channel is a random direction of the image
/// plane, so that left of and above are linear from the start.
fn grid_positions(side: usize, channels: usize, device: &Device) -> Param<Tensor<2>> {
    let at = |index: usize| (2 * index + 1) as f32 / side as f32 - 1.0; // centre of a cell, -1 to 1
    let coordinates = (0..side * side).flat_map(|cell| [at(cell % side), at(cell / side)]);
    let coordinates = TensorData::new(coordinates.collect::<Vec<_>>(), [side * side, 2]);
    let directions = Tensor::<2>::random([2, channels], Distribution::Normal(0.0, 1.0), device);
    let positions = Tensor::<2>::from_data(coordinates, device).matmul(directions);
    // Through plain data, so that the embedding is a leaf.
    Param::from_tensor(Tensor::from_data(positions.into_data(), device))
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
            .fold(images, |x, conv| relu(conv.forward(x)));
        let x = x.clone() + relu(self.mix.forward(x));
        let x = x.flatten::<3>(2, 3).swap_dims(1, 2); // [images, regions, channels]
        self.norm.forward(x) + self.position.val().unsqueeze()
    }
}
