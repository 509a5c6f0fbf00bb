//! The image encoders to choose from.

mod error;
mod grid;

pub use error::ImageEncoderError;
pub use grid::{GridEncoder, GridEncoderConfig};

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use burn_frugal::{Checkpointing, RowKeys};

use crate::xvlm::swin::{Swin, SwinConfig};

/// Numbers of a box.
const BOX_SIZE: usize = 6;

/// Configuration of [`ImageEncoder`].
#[derive(Config, Debug)]
pub enum ImageEncoderConfig {
    /// A small convolutional one, which learns from few images.
    Grid(GridEncoderConfig),
    /// That of X-VLM.
    Swin(SwinConfig),
}

/// Encodes images as states, one for each cell of a grid.
#[derive(Module, Debug)]
pub enum ImageEncoder {
    /// See [`GridEncoder`].
    Grid(GridEncoder),
    /// See [`Swin`].
    Swin(Swin),
}

impl ImageEncoderConfig {
    /// Channels of a state.
    pub fn channels(&self) -> usize {
        match self {
            Self::Grid(config) => config.channels(),
            Self::Swin(config) => config.channels(),
        }
    }

    /// Numbers of the box of each cell; 0 if cells have learned their position already.
    pub fn box_size(&self) -> usize {
        match self {
            Self::Grid(_) => 0,
            Self::Swin(_) => BOX_SIZE,
        }
    }

    /// Checks that the sizes fit together.
    ///
    /// # Errors
    ///
    /// The first thing that does not fit, with its numbers.
    pub fn validate(&self) -> Result<(), ImageEncoderError> {
        match self {
            Self::Grid(config) => config.validate(),
            Self::Swin(config) => config.validate(),
        }
    }

    /// Creates the encoder with freshly drawn weights on `device`.
    ///
    /// # Panics
    ///
    /// When [`validate`](Self::validate) finds an error.
    pub fn init(&self, device: &Device) -> ImageEncoder {
        match self {
            Self::Grid(config) => ImageEncoder::Grid(config.init(device)),
            Self::Swin(config) => ImageEncoder::Swin(config.init(device)),
        }
    }
}

impl ImageEncoder {
    /// Decides what is kept for the backward pass, everything at first. The small encoder keeps everything always.
    pub fn set_checkpointing(&mut self, checkpointing: Checkpointing) {
        match self {
            Self::Grid(_) => {}
            Self::Swin(encoder) => encoder.set_checkpointing(checkpointing),
        }
    }

    /// States of the images: `[images, 3, height, width]` to `[images, states, channels]`. Paths are dropped by `keys`,
    /// `[images]`; without them none is.
    ///
    /// # Panics
    ///
    /// When the images have another size than the configuration says.
    pub fn forward(&self, images: Tensor<4>, keys: Option<&RowKeys>) -> Tensor<3> {
        match self {
            Self::Grid(encoder) => encoder.forward(images),
            Self::Swin(encoder) => encoder.forward(images, keys),
        }
    }

    /// Edges and size of the part of the image that each cell stands for: left, top, right, bottom, width and height,
    /// `[cells, 6]`. None if cells have learned their position already.
    ///
    /// They are counted in halves of the image from its middle, -1 to 1, so that they are about as large as the channels
    /// of a state: a transformer that is trained from nothing is told nothing else of where its windows lie.
    pub fn boxes(&self, cells: &Tensor<3>) -> Option<Tensor<2>> {
        match self {
            Self::Grid(_) => None,
            Self::Swin(_) => {
                let side = cells.dims()[1].isqrt();
                let part = 2.0 / side as f32;
                let edge = |index: usize| index as f32 * part - 1.0;
                let boxes = (0..side * side).flat_map(|cell| {
                    let [row, column] = [cell / side, cell % side];
                    [
                        edge(column),
                        edge(row),
                        edge(column + 1),
                        edge(row + 1),
                        part,
                        part,
                    ]
                });
                let boxes = TensorData::new(boxes.collect(), [side * side, BOX_SIZE]);
                Some(Tensor::from_data(boxes, &cells.device()))
            }
        }
    }

    /// The states that stand for a part of the image each, `[images, cells, channels]`: all but the mean that [`Swin`]
    /// puts in front.
    pub fn cells(&self, states: Tensor<3>) -> Tensor<3> {
        match self {
            Self::Grid(_) => states,
            Self::Swin(_) => {
                let cells = states.dims()[1] - 1;
                states.narrow(1, 1, cells)
            }
        }
    }
}
