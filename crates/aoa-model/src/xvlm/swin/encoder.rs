//! The encoder.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_frugal::{Checkpointing, LayerNorm, RowKeys, Stack};

use super::block::Block;
use super::config::SwinConfig;
use super::patches::{PatchEmbedding, PatchMerging};
use super::window::Shift;

/// The name that a `PyTorch` checkpoint has for the parameter at `path` of a [`Swin`].
///
/// All matrices, bias tables included, are stored there with their axes swapped.
pub fn pytorch_name(path: &str) -> String {
    match path.rsplit_once('.') {
        Some((norm, "gamma")) => format!("{norm}.weight"),
        Some((norm, "beta")) => format!("{norm}.bias"),
        _ => path.to_owned(),
    }
}

/// Swin transformer that gives one token for each cell of its last stage and their mean in front.
///
/// The parts are public so that a caller may stop between them. Nothing is computed over the batch.
#[derive(Module, Debug)]
pub struct Swin {
    /// Patches to cells.
    pub patch_embed: PatchEmbedding,
    /// The stages.
    pub layers: Vec<Stage>,
    norm: LayerNorm,
    /// Height and width of the image, in pixels.
    image_size: usize,
    #[module(skip)]
    stack: Stack,
}

/// Blocks of one resolution.
#[derive(Module, Debug)]
pub struct Stage {
    /// The blocks; every second one shifts the grid where there is more than one window.
    pub blocks: Vec<Block>,
    /// Halves the resolution for the next stage; the last one has none.
    pub downsample: Option<PatchMerging>,
}

impl SwinConfig {
    /// Creates the encoder with freshly drawn weights on `device`.
    ///
    /// # Panics
    ///
    /// When [`validate`](Self::validate) finds an error, with its text.
    pub fn init(&self, device: &Device) -> Swin {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let mut rates = self.drop_path_rates().into_iter();
        let stages = self.depths.len();
        let layers = (0..stages).map(|stage| {
            let rates: Vec<f64> = rates.by_ref().take(self.depths[stage]).collect();
            self.init_stage(stage, &rates, device)
        });
        Swin {
            patch_embed: PatchEmbedding::new(self.patch_size, self.embed_dim, device),
            layers: layers.collect(),
            norm: LayerNorm::init(self.channels(), LayerNorm::EPSILON, device),
            image_size: self.image_size,
            stack: Stack::default(),
        }
    }

    fn init_stage(&self, stage: usize, drop_path_rates: &[f64], device: &Device) -> Stage {
        let shape = self.stage(stage);
        let shift = Shift::new(shape.resolution, shape.window, shape.shift, device);
        let blocks = drop_path_rates.iter().enumerate().map(|(index, rate)| {
            let shift = shift.clone().filter(|_| index % 2 == 1);
            Block::new(shape, shift, *rate, device)
        });
        Stage {
            blocks: blocks.collect(),
            downsample: (stage + 1 < self.depths.len())
                .then(|| PatchMerging::new(shape.channels, device)),
        }
    }
}

impl Swin {
    /// Decides what the blocks keep for the backward pass, everything at first. The merging behind the last block of a
    /// stage is part of it.
    pub fn set_checkpointing(&mut self, checkpointing: Checkpointing) {
        self.stack.checkpointing = checkpointing;
    }

    /// Encodes images.
    ///
    /// # Shapes
    ///
    /// - `images`: `[batch, 3, image_size, image_size]`, normalised
    /// - `keys`: what paths are dropped by, `[batch]`; none: no path is dropped
    /// - result: `[batch, 1 + cells, channels]`
    ///
    /// # Panics
    ///
    /// When the images have another size than the configuration says.
    pub fn forward(&self, images: Tensor<4>, keys: Option<&RowKeys>) -> Tensor<3> {
        let [_, _, height, width] = images.dims();
        assert_eq!(
            [height, width],
            [self.image_size; 2],
            "height and width of the images, and what the encoder was made for"
        );
        let x = self.patch_embed.forward(images);
        let blocks: Vec<_> = self.layers.iter().flat_map(Stage::mergers).collect();
        let pass = self.stack.pass(&self.layers, &x);
        let keys = keys.cloned();
        let x = pass.run(&blocks, x, None, true, move |index, block, x, _| {
            let keys = keys.as_ref().map(|keys| keys.fold_in(index));
            merged(block, x, keys.as_ref())
        });
        let cells = self.norm.forward(x).flatten::<3>(1, 2); // [batch, cells, channels]
        Tensor::cat(vec![cells.clone().mean_dim(1), cells], 1)
    }
}

impl Stage {
    /// `[batch, rows, columns, channels]` to the grid of the next stage,
    /// `[batch, rows / 2, columns / 2, 2 * channels]`, or to the same shape in the last stage. No path is dropped.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let blocks = self.mergers();
        blocks.iter().fold(x, |x, block| merged(block, x, None))
    }

    /// Each block with what comes behind it.
    fn mergers(&self) -> Vec<(Block, Option<PatchMerging>)> {
        let last = self.blocks.len().saturating_sub(1);
        let behind = |index| self.downsample.clone().filter(|_| index == last);
        let blocks = self.blocks.iter().cloned().enumerate();
        blocks
            .map(|(index, block)| (block, behind(index)))
            .collect()
    }
}

/// A block and the merging behind it, if there is one.
fn merged(
    (block, downsample): &(Block, Option<PatchMerging>),
    x: Tensor<4>,
    keys: Option<&RowKeys>,
) -> Tensor<4> {
    let x = block.forward(x, keys);
    match downsample {
        Some(downsample) => downsample.forward(x),
        None => x,
    }
}
