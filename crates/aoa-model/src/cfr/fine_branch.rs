//! The fine branch: what each word, entity and region says about the answer.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Bool, Device, Int, Tensor};
use burn_frugal::{Checkpointing, RowKeys};
use model_api::DropoutKeys;

use super::fc_net::{FcNet, FcNetConfig};
use super::fusion::{BanFusion, BanFusionConfig};
use super::masked::Masked;
use super::question_embedding::{QuestionEmbedding, QuestionEmbeddingConfig};
use super::word_embedding::{WordEmbedding, WordEmbeddingConfig};
use crate::aoa_stack::{AoaStack, AoaStackConfig, Refined};
use crate::classifier::{Classifier, ClassifierActivation, ClassifierConfig};

/// Configuration of [`FineBranch`].
#[derive(Config, Debug)]
pub struct FineBranchConfig {
    /// Words of the vocabulary that question, entities and statistical words share; the id of padding is this number.
    pub words: usize,
    /// Channels of one embedding table; every embedding has two.
    pub word_dim: usize,
    /// Channels of a region feature.
    pub region_dim: usize,
    /// Hidden size: channels of words, regions and the joint feature.
    pub hidden: usize,
    /// Answers.
    pub answers: usize,
    /// Layers of attention on attention.
    pub aoa_layers: usize,
    /// Attention heads of such a layer.
    pub heads: usize,
    /// Channels of one head; `heads * dim_head` need not be `hidden`.
    pub dim_head: usize,
    /// Attention maps of the fusion of question and image.
    pub glimpses: usize,
    /// Weight of the entities in the question; none: there are no entities.
    pub entity_weight: Option<f64>,
    /// Weight of the regions in the statistical words; none: there are no statistical words.
    pub statistical_weight: Option<f64>,
    /// Whether the second embedding tables are trained; see [`WordEmbeddingConfig::train_second`].
    #[config(default = false)]
    pub train_second: bool,
    /// Dropout in the layers of attention on attention and in the classifier.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Dropout of the fusions; see [`BanFusionConfig::dropout`].
    #[config(default = "[0.2, 0.5]")]
    pub fusion_dropout: [f64; 2],
    /// Non-linearity of the classifier.
    #[config(default = "ClassifierActivation::Swish")]
    pub activation: ClassifierActivation,
}

/// What the fine branch looks at.
///
/// Regions and statistical words belong to an image and are given once for each image, whatever the number of questions
/// about it.
#[derive(Debug, Clone)]
pub struct FineInput {
    /// `[batch, words]`
    pub question: Tensor<2, Int>,
    /// `[batch, entities]`: words of the entities that the question names.
    pub entities: Option<Tensor<2, Int>>,
    /// `[batch]`: the image of each sample.
    pub image_of: Tensor<1, Int>,
    /// `[images, regions, region_dim]`
    pub regions: Tensor<3>,
    /// `[images, regions]`, true where an image has no region; none: all images have as many.
    pub masked_regions: Option<Tensor<2, Bool>>,
    /// `[images, statistical words]`: words that the training questions suggest for the objects of the image.
    pub statistical_words: Option<Tensor<2, Int>>,
}

/// Fine branch of coarse-to-fine reasoning (Nguyen et al., "Coarse-to-Fine Reasoning for Visual Question Answering", 2022)
/// with attention on attention (Huang et al., ICCV 2019) between its fusions.
///
/// The question is fused with its entities, the statistical words of the image with its regions. A stack of attention
/// on attention refines both, a last fusion joins them, and the sum over its positions is classified.
///
/// The published model builds every fusion with as many glimpses as the last one, though the first two use one only.
/// Members that are never used do not exist here; a checkpoint has them as `qe_joint.b_net.1` and the like.
#[derive(Module, Debug)]
pub struct FineBranch {
    /// Embedding of the question.
    pub w_emb: WordEmbedding,
    /// Encoder of the question.
    pub q_emb: QuestionEmbedding,
    /// The question's entities, where they are used.
    pub entities: Option<Entities>,
    /// How regions reach the hidden size.
    pub image: ImageSide,
    aoa: AoaStack,
    vq_joint: BanFusion,
    classifier: Classifier,
}

/// Brings entities into the question.
#[derive(Module, Debug)]
pub struct Entities {
    /// Embedding of the entities.
    pub ew_emb: WordEmbedding,
    qe_joint: BanFusion,
}

/// How regions reach the hidden size.
#[derive(Module, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a model has one, and its weights dwarf it"
)]
pub enum ImageSide {
    /// They refine the statistical words of the image, which then stand for it.
    Statistical(StatisticalWords),
    /// By a projection.
    Projected(FcNet),
}

/// Brings regions into the statistical words of an image.
#[derive(Module, Debug)]
pub struct StatisticalWords {
    /// Embedding of the statistical words.
    pub sw_emb: WordEmbedding,
    /// Encoder of the statistical words.
    pub s_emb: QuestionEmbedding,
    vs_joint: BanFusion,
}

impl FineBranchConfig {
    /// Creates the branch with freshly drawn weights on `device`.
    pub fn init(&self, device: &Device) -> FineBranch {
        let embedding = || {
            WordEmbeddingConfig::new(self.words, self.word_dim)
                .with_train_second(self.train_second)
                .init(device)
        };
        let encoder = || QuestionEmbeddingConfig::new(2 * self.word_dim, self.hidden).init(device);
        let fusion = |dim, glimpses, omega| {
            BanFusionConfig::new(self.hidden, dim, glimpses, omega)
                .with_dropout(self.fusion_dropout)
                .init(device)
        };
        let image = match self.statistical_weight {
            Some(omega) => ImageSide::Statistical(StatisticalWords {
                sw_emb: embedding(),
                s_emb: encoder(),
                vs_joint: fusion(self.region_dim, 1, omega),
            }),
            None => ImageSide::Projected(
                FcNetConfig::new(vec![self.region_dim, self.hidden], false)
                    .with_dropout(Some(self.fusion_dropout[0]))
                    .init(device),
            ),
        };
        FineBranch {
            w_emb: embedding(),
            q_emb: encoder(),
            entities: self.entity_weight.map(|omega| Entities {
                ew_emb: embedding(),
                qe_joint: fusion(2 * self.word_dim, 1, omega),
            }),
            image,
            aoa: AoaStackConfig::new(self.hidden, self.aoa_layers, self.heads, self.dim_head)
                .with_dropout(self.dropout)
                .init(device),
            vq_joint: fusion(self.hidden, self.glimpses, 1.0),
            classifier: ClassifierConfig::new(self.hidden, 2 * self.hidden, self.answers)
                .with_dropout(self.dropout)
                .with_activation(self.activation.clone())
                .init(device),
        }
    }
}

impl FineBranch {
    /// As [`AoaStack::set_checkpointing`].
    pub fn set_checkpointing(&mut self, checkpointing: Checkpointing) {
        self.aoa.set_checkpointing(checkpointing);
    }

    /// Attention maps of the fusion of question and image.
    pub fn glimpses(&self) -> usize {
        self.vq_joint.glimpses()
    }

    /// Logits of the answers, `[batch, answers]`. Dropout is drawn by `keys`; without them nothing is dropped.
    ///
    /// # Panics
    ///
    /// When an optional input is given that the configuration does not have, or the other way round.
    pub fn forward(&self, input: FineInput, keys: Option<&DropoutKeys>) -> Tensor<2> {
        let part = |index| keys.map(|keys| keys.fold_in(index));
        let of_samples = |index| keys.map(|keys| keys.samples.fold_in(index));
        let of_images = keys.map(|keys| keys.images.fold_in(1));
        let words = self.words(input.question, input.entities, of_samples(0).as_ref());
        let masked = input.masked_regions.as_ref();
        // Statistical words that stand for an image were fused with its regions alone; there are no others behind them.
        let standing = masked.filter(|_| input.statistical_words.is_none());
        let standing = standing.cloned();
        let regions = self.regions(
            input.regions,
            masked,
            input.statistical_words,
            of_images.as_ref(),
        );
        let refined = self.refine(
            words,
            regions,
            standing.as_ref(),
            input.image_of,
            part(2).as_ref(),
        );
        let joint = self.join(refined, of_samples(3).as_ref());
        self.classify(joint, of_samples(4).as_ref())
    }

    /// Encoded words of the question, fused with its entities: `[batch, words, hidden]`.
    ///
    /// # Panics
    ///
    /// When entities are given and not configured, or the other way round.
    pub fn words(
        &self,
        question: Tensor<2, Int>,
        entities: Option<Tensor<2, Int>>,
        keys: Option<&RowKeys>,
    ) -> Tensor<3> {
        let words = self.q_emb.forward(self.w_emb.forward(question));
        match (&self.entities, entities) {
            (Some(part), Some(entities)) => {
                let entities = part.ew_emb.forward(entities); // [batch, entities, 2 * word_dim]
                part.qe_joint
                    .forward(words, entities, Masked::NONE, None, keys)
            }
            (None, None) => words,
            _ => panic!("entities are given exactly where they are configured"),
        }
    }

    /// What stands for each image: its statistical words fused with its regions, `[images, statistical words, hidden]`, or
    /// its projected regions, `[images, regions, hidden]`. Masked regions, `[images, regions]`, get no attention.
    ///
    /// # Panics
    ///
    /// When statistical words are given and not configured, or the other way round.
    pub fn regions(
        &self,
        regions: Tensor<3>,
        masked_regions: Option<&Tensor<2, Bool>>,
        statistical_words: Option<Tensor<2, Int>>,
        keys: Option<&RowKeys>,
    ) -> Tensor<3> {
        match (&self.image, statistical_words) {
            (ImageSide::Statistical(part), Some(words)) => {
                let words = part.s_emb.forward(part.sw_emb.forward(words));
                let masked = Masked {
                    x: None,
                    y: masked_regions,
                };
                part.vs_joint.forward(words, regions, masked, None, keys)
            }
            (ImageSide::Projected(projection), None) => projection.forward(regions, keys),
            _ => panic!("statistical words are given exactly where they are configured"),
        }
    }

    /// Refines words `[batch, words, hidden]` and regions `[images, regions, hidden]` by attention on attention; see
    /// [`AoaStack::forward`]. No word is masked: padding was read by the encoder like a word.
    pub fn refine(
        &self,
        words: Tensor<3>,
        regions: Tensor<3>,
        masked_regions: Option<&Tensor<2, Bool>>,
        image_of: Tensor<1, Int>,
        keys: Option<&DropoutKeys>,
    ) -> Refined {
        self.aoa
            .forward(words, None, regions, masked_regions, image_of, keys)
    }

    /// Words joined with regions, `[batch, words, hidden]`.
    pub fn join(&self, refined: Refined, keys: Option<&RowKeys>) -> Tensor<3> {
        let Refined {
            words,
            regions,
            masked_regions,
        } = refined;
        let masked = Masked {
            x: None,
            y: masked_regions.as_ref(),
        };
        self.vq_joint.forward(words, regions, masked, None, keys)
    }

    /// Logits `[batch, answers]` from the joint feature `[batch, words, hidden]`.
    pub fn classify(&self, joint: Tensor<3>, keys: Option<&RowKeys>) -> Tensor<2> {
        self.classifier
            .forward(joint.sum_dim(1).squeeze_dim(1), keys)
    }
}

/// Name in a PyTorch checkpoint of the parameter at a path of [`FineBranch`] or of any part of it.
///
/// Matrices of linear layers and recurrent units are `[out, in]` there and `[in, out]` here; embedding tables and all
/// else have the same layout in both, but for the gain of weight normalisation, which has no axis there.
pub fn pytorch_name(path: &str) -> String {
    let name = [
        ("entities.", ""),
        ("image.Statistical.", ""),
        ("image.Projected.", "v_projection."),
        ("maps.Plain.", "h_"),
        ("maps.Normed.", "h_"),
        ("maps.Linear.", "h_net."),
        (".Linear.", "."),
        ("hidden.", "main.0."),
        ("output.", "main.3."),
        ("aoa.layers.", "aoa."),
        (".aoa.weight", ".aoa.0.weight"),
        (".aoa.bias", ".aoa.0.bias"),
    ]
    .iter()
    .fold(path.to_owned(), |name, (here, there)| {
        name.replace(here, there)
    });
    match name.split_once("rnn.") {
        Some((front, unit)) => format!("{front}rnn.{}", recurrent_name(unit)),
        None => name,
    }
}

/// `0.reverse.input.weight` to `weight_ih_l0_reverse`.
fn recurrent_name(unit: &str) -> String {
    match unit.split('.').collect::<Vec<_>>()[..] {
        [layer, direction, projection, kind] => {
            let source = if projection == "input" { "ih" } else { "hh" };
            let suffix = if direction == "reverse" {
                "_reverse"
            } else {
                ""
            };
            format!("{kind}_{source}_l{layer}{suffix}")
        }
        _ => unit.to_owned(),
    }
}
