//! A fine branch for small data sets.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, Linear};
use burn::tensor::{Bool, Device, Int, Tensor};
use burn_frugal::{Checkpointing, dropout, project};
use model_api::DropoutKeys;

use crate::aoa_stack::{AoaStack, AoaStackConfig};
use crate::bilinear::{BilinearAttention, BilinearAttentionConfig};
use crate::classifier::{Classifier, ClassifierConfig};
use crate::gru::{Gru, GruConfig};
use crate::init::linear;

/// Configuration of [`CompactBranch`].
#[derive(Config, Debug)]
pub struct CompactBranchConfig {
    /// Word ids, padding (id 0) among them.
    pub vocabulary: usize,
    /// Channels of a region feature.
    pub region_dim: usize,
    /// Answers.
    pub answers: usize,
    /// Channels of a word embedding.
    pub word_dim: usize,
    /// Hidden size: channels of words, regions and the joint feature.
    pub hidden: usize,
    /// AoA layers.
    pub aoa_layers: usize,
    /// Attention heads; divides `hidden`.
    pub heads: usize,
    /// Attention maps of the bilinear fusion.
    pub glimpses: usize,
    /// Dropout throughout the branch.
    pub dropout: f64,
}

/// A small fine branch that learns from few samples: word embedding and GRU, AoA stack, bilinear fusion, classifier.
///
/// It differs from the published one ([`cfr::FineBranch`](crate::cfr::FineBranch)) in what makes it learn fast: padding is
/// masked throughout, layers begin at the size of their signal, and what a glimpse adds is normalised first.
#[derive(Module, Debug)]
pub struct CompactBranch {
    embedding: Embedding,
    gru: Gru,
    region_projection: Linear,
    stack: AoaStack,
    fusion: BilinearAttention,
    classifier: Classifier,
    dropout: f64,
}

impl CompactBranchConfig {
    /// Creates the branch with freshly drawn weights on `device`.
    pub fn init(&self, device: &Device) -> CompactBranch {
        CompactBranch {
            embedding: EmbeddingConfig::new(self.vocabulary, self.word_dim).init(device),
            gru: GruConfig::new(self.word_dim, self.hidden).init(device),
            region_projection: linear(self.region_dim, self.hidden).init(device),
            stack: AoaStackConfig::new(
                self.hidden,
                self.aoa_layers,
                self.heads,
                self.hidden / self.heads,
            )
            .with_dropout(self.dropout)
            .init(device),
            fusion: BilinearAttentionConfig::new(self.hidden, self.glimpses)
                .with_dropout(self.dropout)
                .init(device),
            classifier: ClassifierConfig::new(self.hidden, 2 * self.hidden, self.answers)
                .with_dropout(self.dropout)
                .init(device),
            dropout: self.dropout,
        }
    }
}

impl CompactBranch {
    /// As [`AoaStack::set_checkpointing`].
    pub fn set_checkpointing(&mut self, checkpointing: Checkpointing) {
        self.stack.set_checkpointing(checkpointing);
    }

    /// Logits of the answers.
    ///
    /// # Shapes
    ///
    /// - `questions`: `[batch, words]`
    /// - `regions`: `[images, regions, channels]`
    /// - `masked_regions`: `[images, regions]`, true where an image has no region; none: all images have as many
    /// - `image_of`: `[batch]`
    /// - `keys`: what dropout is drawn by; none: nothing is dropped
    /// - result: `[batch, answers]`
    pub fn forward(
        &self,
        questions: Tensor<2, Int>,
        regions: Tensor<3>,
        masked_regions: Option<&Tensor<2, Bool>>,
        image_of: Tensor<1, Int>,
        keys: Option<&DropoutKeys>,
    ) -> Tensor<2> {
        let part = |index| keys.map(|keys| keys.fold_in(index));
        let of_samples = |index| keys.map(|keys| keys.samples.fold_in(index));
        let masked: Tensor<2, Bool> = questions.clone().equal_elem(0); // [batch, words]
        let embedded = self.embedding.forward(questions);
        let embedded = dropout(embedded, self.dropout, of_samples(0).as_ref());
        let words = self.gru.forward(embedded);
        let regions = project(regions, &self.region_projection); // [images, regions, hidden]
        let refined = self.stack.forward(
            words,
            Some(&masked),
            regions,
            masked_regions,
            image_of,
            part(1).as_ref(),
        );
        let joint = self.fusion.forward(
            refined.words,
            refined.regions,
            masked.clone(),
            refined.masked_regions,
            of_samples(2).as_ref(),
        );

        let [batch, words, hidden] = joint.dims();
        let padding = masked
            .reshape([batch, words, 1])
            .expand([batch, words, hidden]);
        self.classifier.forward(
            joint
                .mask_fill(padding, 0.0)
                .sum_dim(1)
                .reshape([batch, hidden]),
            of_samples(3).as_ref(),
        )
    }
}
