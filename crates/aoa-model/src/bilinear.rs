//! Bilinear attention between the words of a question and the regions of an image.

use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::nn::Linear;
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Bool, Device, Tensor};
use burn_frugal::{LayerNorm, RowKeys, dropout, operand, product, project};

use crate::init::{linear, rectified};

/// Score of a masked cell before the softmax.
const MASKED_SCORE: f32 = -1e9;

/// Configuration of [`BilinearAttention`].
#[derive(Config, Debug)]
pub struct BilinearAttentionConfig {
    /// Channels of the words, the regions and the joint space.
    pub dim: usize,
    /// Attention maps, one after the other refining the words.
    pub glimpses: usize,
    /// Dropout in front of the projections.
    #[config(default = 0.0)]
    pub dropout: f64,
}

/// Low-rank bilinear attention with residual glimpses (Kim et al., "Bilinear Attention Networks",
/// NeurIPS 2018, equations 5, 6 and 12).
///
/// Every glimpse has one attention map over all word-region pairs. The pooled joint feature of a
/// glimpse is added to every word, and the next glimpse pools with the words so refined.
#[derive(Module, Debug)]
pub struct BilinearAttention {
    word_map: Linear,
    region_map: Linear,
    /// `[glimpses, dim]`; a bias would not matter in front of the softmax.
    map_weight: Param<Tensor<2>>,
    glimpses: Vec<Glimpse>,
    dropout: f64,
}

#[derive(Module, Debug)]
struct Glimpse {
    words: Linear,
    regions: Linear,
    /// The pooled product of two rectified projections is some twenty times smaller than the words it is added
    /// to; without this the image would hardly be heard in the first thousand steps.
    norm: LayerNorm,
    output: Linear,
}

impl BilinearAttentionConfig {
    /// Creates the module with freshly drawn weights on `device`.
    pub fn init(&self, device: &Device) -> BilinearAttention {
        let square = || linear(self.dim, self.dim).init(device);
        let before_rectifier = || rectified(self.dim, self.dim).init(device);
        BilinearAttention {
            word_map: before_rectifier(),
            region_map: before_rectifier(),
            map_weight: Initializer::Normal {
                mean: 0.0,
                std: (self.dim as f64).powf(-0.5),
            }
            .init([self.glimpses, self.dim], device),
            glimpses: (0..self.glimpses)
                .map(|_| Glimpse {
                    words: before_rectifier(),
                    regions: before_rectifier(),
                    norm: LayerNorm::init(self.dim, LayerNorm::EPSILON, device),
                    output: square(),
                })
                .collect(),
            dropout: self.dropout,
        }
    }
}

impl BilinearAttention {
    /// Joins words and regions; the result has the words' shape.
    ///
    /// # Shapes
    ///
    /// - `words`: `[batch, words, dim]`
    /// - `regions`: `[batch, regions, dim]`
    /// - `masked_words`: `[batch, words]`, true for padding, which gets no attention
    /// - `masked_regions`: `[batch, regions]`, true for padding, which gets no attention; none: no region is masked
    /// - `keys`: what dropout is drawn by, `[batch]`; none: nothing is dropped
    /// - result: `[batch, words, dim]`
    pub fn forward(
        &self,
        words: Tensor<3>,
        regions: Tensor<3>,
        masked_words: Tensor<2, Bool>,
        masked_regions: Option<Tensor<2, Bool>>,
        keys: Option<&RowKeys>,
    ) -> Tensor<3> {
        let drop = |x, place| {
            let keys = keys.map(|keys| keys.fold_in(place));
            dropout(x, self.dropout, keys.as_ref())
        };
        let [batch, tokens, dim] = words.dims();
        let count = regions.dims()[1];
        let maps = self.attention(
            [drop(words.clone(), 0), drop(regions.clone(), 1)],
            masked_words,
            masked_regions,
        );
        let regions = operand(drop(regions, 2)); // once for all glimpses

        let mut words = words;
        for (index, glimpse) in self.glimpses.iter().enumerate() {
            let map = maps
                .clone()
                .narrow(1, index, 1)
                .reshape([batch, tokens, count]);
            let left = relu(project(drop(words.clone(), 3 + index), &glimpse.words));
            let right = relu(project(regions.clone(), &glimpse.regions)); // [batch, regions, dim]
            // sum over words t and regions r of left[t] map[t, r] right[r]: contract the regions first.
            let pooled = (left * product(map, right)).sum_dim(1); // [batch, 1, dim]
            let joint = project(glimpse.norm.forward(pooled), &glimpse.output);
            words = words + joint.expand([batch, tokens, dim]);
        }
        words
    }

    /// Attention maps `[batch, glimpses, words, regions]` of words and regions; each sums to one over its cells.
    fn attention(
        &self,
        [words, regions]: [Tensor<3>; 2],
        masked_words: Tensor<2, Bool>,
        masked_regions: Option<Tensor<2, Bool>>,
    ) -> Tensor<4> {
        let [batch, tokens, dim] = words.dims();
        let count = regions.dims()[1];
        let maps = self.glimpses.len();
        let left = relu(project(words, &self.word_map));
        let right = relu(project(regions, &self.region_map));
        let weighted = left.reshape([batch, 1, tokens, dim])
            * self.map_weight.val().reshape([1, maps, 1, dim]);
        let weighted = weighted.reshape([batch, maps * tokens, dim]);
        let scores = product(weighted, right.swap_dims(1, 2)) // [batch, maps * words, regions]
            .reshape([batch, maps, tokens, count]);
        let masked = masked_words
            .reshape([batch, 1, tokens, 1])
            .expand([batch, maps, tokens, count]);
        let scores = scores.mask_fill(masked, MASKED_SCORE);
        let scores = match masked_regions {
            Some(masked) => scores.mask_fill(
                masked
                    .reshape([batch, 1, 1, count])
                    .expand([batch, maps, tokens, count]),
                MASKED_SCORE,
            ),
            None => scores,
        };
        softmax(scores.reshape([batch, maps, tokens * count]), 2)
            .reshape([batch, maps, tokens, count])
    }
}
