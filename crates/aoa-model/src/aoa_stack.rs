//! The stack of AoA layers shared by the question and the image.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Bool, Device, Int, Tensor};

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
}

/// Words and regions as the stack returns them.
#[derive(Debug, Clone)]
pub struct Refined {
    /// `[batch, words, dim]`
    pub words: Tensor<3>,
    /// `[batch, regions, dim]`
    pub regions: Tensor<3>,
}

impl AoaStackConfig {
    /// Creates the stack with freshly drawn weights on `device`.
    pub fn init(&self, device: &Device) -> AoaStack {
        let layer = AttentionOnAttentionConfig::new(self.dim, self.heads, self.dim_head)
            .with_dropout(self.dropout)
            .with_output_dropout(self.dropout);
        AoaStack {
            layers: (0..self.layers).map(|_| layer.init(device)).collect(),
        }
    }
}

impl AoaStack {
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
    /// - `image_of`: `[batch]`, the image of each sample
    pub fn forward(
        &self,
        words: Tensor<3>,
        masked_words: Option<&Tensor<2, Bool>>,
        regions: Tensor<3>,
        image_of: Tensor<1, Int>,
    ) -> Refined {
        let words = self.layers.iter().fold(words, |words, layer| {
            layer.forward(words.clone(), None, masked_words.cloned()) + words
        });
        let mut layers = self.layers.iter();
        let Some(first) = layers.next() else {
            return Refined {
                words,
                regions: regions.select(0, image_of),
            };
        };
        let look = |layer: &AttentionOnAttention, regions: Tensor<3>| {
            layer.forward(regions.clone(), Some(words.clone()), masked_words.cloned()) + regions
        };
        let regions = first.forward(regions.clone(), None, None) + regions;
        let regions = look(first, regions.select(0, image_of)); // [batch, regions, dim]
        let regions = layers.fold(regions, |regions, layer| {
            look(layer, layer.forward(regions.clone(), None, None) + regions)
        });
        Refined { words, regions }
    }
}
