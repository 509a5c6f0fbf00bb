//! The stack of AoA layers shared by the question and the image.

use burn::config::Config;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Bool, Device, Int, Tensor};
use burn_frugal::{Checkpointing, Stack, identity, operand};
use model_api::DropoutKeys;

use crate::attention::{AttentionOnAttention, AttentionOnAttentionConfig};

/// Configuration of [`AoaStack`].
#[derive(Config, Debug)]
pub struct AoaStackConfig {
    /// Channels of words and regions.
    pub dim: usize,
    /// Layers.
    pub layers: usize,
    /// Attention heads of a layer.
    pub heads: usize,
    /// Channels of one head; `heads * dim_head` need not be `dim`.
    pub dim_head: usize,
    /// Dropout on attention weights and on each layer's output.
    #[config(default = 0.0)]
    pub dropout: f64,
}

/// AoA layers that first refine the question by itself and then, with the same weights, the image by
/// itself and by the refined question. Every application has a residual connection.
#[derive(Module, Debug)]
pub struct AoaStack {
    layers: Vec<AttentionOnAttention>,
    #[module(skip)]
    stack: Stack,
}

/// Words and regions as the stack returns them.
#[derive(Debug, Clone)]
pub struct Refined {
    /// `[batch, words, dim]`
    pub words: Tensor<3>,
    /// `[batch, regions, dim]`
    pub regions: Tensor<3>,
    /// `[batch, regions]`, true where the image of a sample has no region; none: no region is masked.
    pub masked_regions: Option<Tensor<2, Bool>>,
}

impl AoaStackConfig {
    /// Creates the stack with freshly drawn weights on `device`.
    pub fn init(&self, device: &Device) -> AoaStack {
        let layer = AttentionOnAttentionConfig::new(self.dim, self.heads, self.dim_head)
            .with_dropout(self.dropout)
            .with_output_dropout(self.dropout);
        AoaStack {
            layers: (0..self.layers).map(|_| layer.init(device)).collect(),
            stack: Stack::default(),
        }
    }
}

impl AoaStack {
    /// Decides what is kept for the backward pass, everything at first. A layer is one refinement of the words, or both
    /// steps of the regions.
    pub fn set_checkpointing(&mut self, checkpointing: Checkpointing) {
        self.stack.checkpointing = checkpointing;
        for layer in &mut self.layers {
            layer.set_checkpointing(checkpointing);
        }
    }

    /// Refines words and regions.
    ///
    /// Until the first look at the question a region depends on its image alone, so the first
    /// self-attention runs once an image, and only then is the image repeated for each of its samples.
    ///
    /// # Shapes
    ///
    /// - `words`: `[batch, words, dim]`
    /// - `masked_words`: `[batch, words]`, true for padding; none: no word is masked
    /// - `regions`: `[images, regions, dim]`
    /// - `masked_regions`: `[images, regions]`, true for padding, which no region looks at; none: no region is masked
    /// - `image_of`: `[batch]`, the image of each sample
    /// - `keys`: what dropout is drawn by; none: nothing is dropped
    pub fn forward(
        &self,
        words: Tensor<3>,
        masked_words: Option<&Tensor<2, Bool>>,
        regions: Tensor<3>,
        masked_regions: Option<&Tensor<2, Bool>>,
        image_of: Tensor<1, Int>,
        keys: Option<&DropoutKeys>,
    ) -> Refined {
        let masked = masked_words.cloned();
        let pass = self.stack.pass(&self.layers, &words);
        let words = {
            let masked = masked.clone();
            let keys = keys.map(|keys| keys.samples.fold_in(0));
            pass.run(
                &self.layers,
                words,
                None,
                false,
                move |index, layer, words, _| {
                    let keys = keys.as_ref().map(|keys| keys.fold_in(index));
                    layer.forward(words.clone(), None, masked.clone(), keys.as_ref()) + words
                },
            )
        };
        let masked_images = masked_regions.cloned();
        // In front of the first look at the question a row is an image, behind it a sample.
        let masked_samples = masked_images
            .clone()
            .map(|masked| masked.select(0, image_of.clone()));
        if self.layers.is_empty() {
            return Refined {
                words,
                regions: regions.select(0, image_of),
                masked_regions: masked_samples,
            };
        }
        let masked_regions = masked_samples.clone();
        let [own_keys, cross_keys] = [1, 2].map(|use_of| keys.map(|keys| keys.fold_in(use_of)));
        let look =
            move |index, layer: &AttentionOnAttention, regions: Tensor<3>, words: Option<&_>| {
                let own = regions.is_tracked().then(|| with_own_nodes(layer.clone()));
                let layer = own.as_ref().unwrap_or(layer);
                let keys = own_keys.as_ref().map(|keys| match index {
                    0 => keys.images.fold_in(index),
                    _ => keys.samples.fold_in(index),
                });
                let own_mask = match index {
                    0 => masked_images.clone(),
                    _ => masked_samples.clone(),
                };
                let regions =
                    layer.forward(regions.clone(), None, own_mask, keys.as_ref()) + regions;
                let regions = match index {
                    0 => regions.select(0, image_of.clone()), // [batch, regions, dim]
                    _ => regions,
                };
                let keys = cross_keys.as_ref().map(|keys| keys.samples.fold_in(index));
                let words = words.cloned();
                layer.forward(regions.clone(), words, masked.clone(), keys.as_ref()) + regions
            };
        let regions = pass.run(
            &self.layers,
            regions,
            Some(operand(words.clone())),
            true,
            look,
        );
        Refined {
            words: identity(words),
            regions,
            masked_regions,
        }
    }
}

/// The layer with parameters that are steps of their own.
///
/// A layer is used for the words and twice for the regions. So its gradient is the sum of a part from either, with or
/// without checkpointing.
fn with_own_nodes(layer: AttentionOnAttention) -> AttentionOnAttention {
    struct OwnNodes;
    impl ModuleMapper for OwnNodes {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(identity)
        }
    }
    layer.map(&mut OwnNodes)
}
