//! The whole model: image encoder and fine branch.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Embedding, EmbeddingConfig, Linear};
use burn::tensor::{Bool, Device, Int, Tensor};

use crate::aoa_stack::{AoaStack, AoaStackConfig};
use crate::bilinear::{BilinearAttention, BilinearAttentionConfig};
use crate::classifier::{Classifier, ClassifierConfig};
use crate::gru::{Gru, GruConfig};
use crate::image_encoder::{GridEncoder, GridEncoderConfig};
use crate::init::linear;

/// Attention maps of the bilinear fusion.
const GLIMPSES: usize = 2;

/// Configuration of [`Vqa`].
#[derive(Config, Debug)]
pub struct VqaConfig {
    /// Words of the vocabulary, padding (id 0) and unknown included.
    pub vocabulary: usize,
    /// Answers of the answer list.
    pub answers: usize,
    /// The image encoder.
    pub image_encoder: GridEncoderConfig,
    /// The fine branch.
    pub fine: FineBranchConfig,
}

/// Configuration of [`FineBranch`].
#[derive(Config, Debug)]
pub struct FineBranchConfig {
    /// Channels of a word embedding.
    pub word_dim: usize,
    /// Hidden size: channels of words, regions and the joint feature.
    pub hidden: usize,
    /// AoA layers.
    pub aoa_layers: usize,
    /// Attention heads; divides `hidden`.
    pub heads: usize,
    /// Dropout throughout the branch.
    pub dropout: f64,
}

/// What the model looks at.
#[derive(Debug, Clone)]
pub struct VqaInput {
    /// `[images, 3, height, width]`, normalised; every distinct image once.
    pub images: Tensor<4>,
    /// `[batch]`: the image of each sample.
    pub image_of: Tensor<1, Int>,
    /// `[batch, words]`: word ids, padded with 0 at the end.
    pub questions: Tensor<2, Int>,
}

/// Image encoder and fine branch.
#[derive(Module, Debug)]
pub struct Vqa {
    /// Gives region features; trained as its own parameter group.
    pub image_encoder: GridEncoder,
    /// Answers from words and regions.
    pub fine: FineBranch,
}

/// Fine branch: word embedding and GRU, AoA stack, bilinear fusion, classifier.
#[derive(Module, Debug)]
pub struct FineBranch {
    embedding: Embedding,
    gru: Gru,
    region_projection: Linear,
    stack: AoaStack,
    fusion: BilinearAttention,
    classifier: Classifier,
    dropout: Dropout,
}

impl VqaConfig {
    /// Creates the model with freshly drawn weights on `device`.
    pub fn init(&self, device: &Device) -> Vqa {
        Vqa {
            image_encoder: self.image_encoder.init(device),
            fine: self.fine.init(
                self.vocabulary,
                self.image_encoder.channels(),
                self.answers,
                device,
            ),
        }
    }
}

impl FineBranchConfig {
    /// Creates the branch for region features of `region_channels` channels.
    pub fn init(
        &self,
        vocabulary: usize,
        region_channels: usize,
        answers: usize,
        device: &Device,
    ) -> FineBranch {
        FineBranch {
            embedding: EmbeddingConfig::new(vocabulary, self.word_dim).init(device),
            gru: GruConfig::new(self.word_dim, self.hidden).init(device),
            region_projection: linear(region_channels, self.hidden).init(device),
            stack: AoaStackConfig::new(
                self.hidden,
                self.aoa_layers,
                self.heads,
                self.hidden / self.heads,
            )
            .with_dropout(self.dropout)
            .init(device),
            fusion: BilinearAttentionConfig::new(self.hidden, GLIMPSES)
                .with_dropout(self.dropout)
                .init(device),
            classifier: ClassifierConfig::new(self.hidden, 2 * self.hidden, answers)
                .with_dropout(self.dropout)
                .init(device),
            dropout: DropoutConfig::new(self.dropout).init(),
        }
    }
}

impl Vqa {
    /// Logits of the answers, `[batch, answers]`.
    pub fn forward(&self, input: VqaInput) -> Tensor<2> {
        let regions = self.image_encoder.forward(input.images);
        self.fine.forward(input.questions, regions, input.image_of)
    }
}

impl FineBranch {
    /// Logits of the answers.
    ///
    /// # Shapes
    ///
    /// - `questions`: `[batch, words]`
    /// - `regions`: `[images, regions, channels]`
    /// - `image_of`: `[batch]`
    /// - result: `[batch, answers]`
    pub fn forward(
        &self,
        questions: Tensor<2, Int>,
        regions: Tensor<3>,
        image_of: Tensor<1, Int>,
    ) -> Tensor<2> {
        let masked: Tensor<2, Bool> = questions.clone().equal_elem(0); // [batch, words]
        let words = self
            .gru
            .forward(self.dropout.forward(self.embedding.forward(questions)));
        let regions = self.region_projection.forward(regions); // [images, regions, hidden]
        let refined = self.stack.forward(words, Some(&masked), regions, image_of);
        let joint = self
            .fusion
            .forward(refined.words, refined.regions, masked.clone());

        let [batch, words, hidden] = joint.dims();
        let padding = masked
            .reshape([batch, words, 1])
            .expand([batch, words, hidden]);
        self.classifier.forward(
            joint
                .mask_fill(padding, 0.0)
                .sum_dim(1)
                .reshape([batch, hidden]),
        )
    }
}
