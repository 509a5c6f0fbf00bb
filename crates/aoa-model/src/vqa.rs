//! The whole model: image encoder, fine branch, coarse branch, and their fusion.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{Device, Tensor};
use burn_frugal::{Checkpointing, capture};
use model_api::{DeviceBatch, ModelOutput, binary_cross_entropy, cross_entropy_of_probabilities};

use crate::cfr::FineInput;
use crate::fine::{FineBranch, FineBranchConfig};
use crate::fusion::{AnswerFusion, AnswerFusionConfig};
use crate::image_encoder::{ImageEncoder, ImageEncoderConfig};
use crate::xvlm::bert::{Context, Tokens};
use crate::xvlm::{ReadQuestions, WeightedAnswers, XVlm, XVlmConfig};

/// Parts of the model, as their dropout is told apart: the image encoder, the text encoder and the decoder of the coarse
/// branch, the fine branch.
const SEEING: usize = 0;
const READING: usize = 1;
const WRITING: usize = 2;
const CLASSIFYING: usize = 3;

/// Configuration of [`Vqa`]: at least one branch, and what it looks at.
#[derive(Config, Debug)]
pub struct VqaConfig {
    /// Answers of the answer list.
    pub answers: usize,
    /// The image encoder. A fine branch alone does without where the data set has region features.
    pub image_encoder: Option<ImageEncoderConfig>,
    /// The fine branch.
    pub fine: Option<FineBranchConfig>,
    /// The coarse branch.
    pub coarse: Option<XVlmConfig>,
    /// Weight of the fused answer in the loss, where there are two branches.
    #[config(default = 0.1)]
    pub fusion_ratio: f64,
    /// Whether image encoder and coarse branch are trained. If not, they have no gradient, keep no activations and drop
    /// nothing out.
    #[config(default = true)]
    pub tune_xvlm: bool,
    /// Whether the boxes of regions are appended to their features. Those of cells that do not know their position are
    /// where the fine branch is wide enough for them.
    #[config(default = true)]
    pub region_boxes: bool,
}

/// Visual question answering in two branches (Nguyen et al., "Coarse-to-Fine Reasoning for Visual Question Answering",
/// 2022) whose coarse one is X-VLM (Zeng et al., ICML 2022).
///
/// The fine branch classifies, the coarse one generates and ranks. Both give a probability to every answer, and a
/// weighted mean of the two, with weights learned for every answer, is the answer of the model.
#[derive(Module, Debug)]
pub struct Vqa {
    /// Encodes images for both branches.
    pub image_encoder: Option<ImageEncoder>,
    /// Answers from words and regions.
    pub fine: Option<FineBranch>,
    /// Answers word by word.
    pub coarse: Option<XVlm>,
    /// Joins the branches, where there are two.
    pub fusion: Option<AnswerFusion>,
    tune_xvlm: bool,
    region_boxes: bool,
    cell_boxes: bool,
}

/// What the branches make of a batch.
struct Encoded<'a> {
    /// Logits of the fine branch, `[batch, answers]`.
    fine: Option<Tensor<2>>,
    coarse: Option<EncodedQuestions<'a>>,
}

/// Questions as the coarse branch has read them, and the answers it may give.
struct EncodedQuestions<'a> {
    branch: &'a XVlm,
    questions: ReadQuestions,
    candidates: Tokens,
}

impl VqaConfig {
    /// Creates the model with freshly drawn weights on `device`.
    ///
    /// # Panics
    ///
    /// When the sizes of a part do not fit together.
    pub fn init(&self, device: &Device) -> Vqa {
        let image_encoder = self.image_encoder.as_ref().map(|part| part.init(device));
        let fine = self.fine.as_ref().map(|part| part.init(device));
        let coarse = self.coarse.as_ref().map(|part| part.init(device));
        let fusion = AnswerFusionConfig::new(2, self.answers, self.fusion_ratio);
        Vqa {
            fusion: (fine.is_some() && coarse.is_some()).then(|| fusion.init(device)),
            image_encoder: image_encoder.map(|part| self.tuned(part)),
            fine,
            coarse: coarse.map(|part| self.tuned(part)),
            tune_xvlm: self.tune_xvlm,
            region_boxes: self.region_boxes,
            cell_boxes: self.cell_boxes(),
        }
    }

    /// Whether the fine branch reads boxes of cells: one that is as wide as the states was made before they had any.
    fn cell_boxes(&self) -> bool {
        let encoder = self.image_encoder.as_ref();
        let width = encoder.map(|encoder| encoder.channels() + encoder.box_size());
        self.region_boxes && self.fine.as_ref().map(FineBranchConfig::region_dim) == width
    }

    fn tuned<M: Module>(&self, part: M) -> M {
        if self.tune_xvlm { part } else { part.freeze() }
    }
}

impl Vqa {
    /// Decides what the stacks of layers keep for the backward pass, everything at first: the image encoder, both encoders
    /// and the decoder of the coarse branch, the AoA layers of the fine one. Losses and gradients stay the same.
    #[must_use]
    pub fn with_checkpointing(mut self, checkpointing: Checkpointing) -> Self {
        if let Some(encoder) = &mut self.image_encoder {
            encoder.set_checkpointing(checkpointing);
        }
        if let Some(branch) = &mut self.fine {
            branch.set_checkpointing(checkpointing);
        }
        if let Some(branch) = &mut self.coarse {
            branch.set_checkpointing(checkpointing);
        }
        self
    }

    /// Loss of each sample, `[batch]`: that of the fine branch (binary cross-entropy over the answer list), that of the
    /// coarse branch where it is trained (negative log-likelihood of the right answers), and where there are both
    /// branches, a fraction of the binary cross-entropy of the fused answer.
    ///
    /// The fused answer teaches the fine branch and the fusion. It takes the coarse branch as it is: ranking candidates
    /// with all activations kept would need more memory than the rest of the model.
    ///
    /// Dropout is drawn by the keys of the batch; without them nothing is dropped.
    ///
    /// # Panics
    ///
    /// When an input is missing that a part needs.
    pub(crate) fn losses_of(&self, batch: DeviceBatch) -> Tensor<1> {
        let (targets, right) = (batch.targets.clone(), batch.right.clone());
        let keys = batch.dropout.clone();
        let encoded = self.encode(batch);
        let mut losses = Vec::new();
        if let Some(logits) = &encoded.fine {
            losses.push(binary_cross_entropy(logits.clone(), targets.clone()));
        }
        if let Some(read) = &encoded.coarse
            && self.tune_xvlm
        {
            let right = WeightedAnswers {
                tokens: read.candidates.select(right.answers),
                weights: right.weights,
                question_of: right.sample_of,
            };
            let keys = keys.map(|keys| keys.answers.fold_in(WRITING));
            losses.push(read.branch.losses(&read.questions, right, keys.as_ref()));
        }
        if let (
            Some(fusion),
            Encoded {
                fine: Some(fine),
                coarse: Some(read),
            },
        ) = (&self.fusion, encoded)
        {
            let coarse = capture::enter_graph(read.probabilities());
            let fused = fusion.forward(&[sigmoid(fine), coarse]);
            return fusion.loss(cross_entropy_of_probabilities(fused, targets), losses);
        }
        losses
            .pop()
            .unwrap_or_else(|| panic!("a model has a branch that is trained"))
    }

    /// Answers the questions.
    ///
    /// # Panics
    ///
    /// When an input is missing that a part needs.
    pub(crate) fn answers_to(&self, batch: DeviceBatch) -> ModelOutput {
        let batch = DeviceBatch {
            dropout: None,
            ..batch
        };
        match (&self.fusion, self.encode(batch)) {
            (
                Some(fusion),
                Encoded {
                    fine: Some(fine),
                    coarse: Some(read),
                },
            ) => {
                let branches = [sigmoid(fine.clone()), read.probabilities()];
                let fused = fusion.forward(&branches);
                let [_, coarse] = branches;
                ModelOutput {
                    probabilities: fused.clone() / fused.sum_dim(1),
                    branches: vec![("fine", softmax(fine, 1)), ("coarse", coarse)],
                }
            }
            (_, Encoded { fine, coarse }) => ModelOutput {
                probabilities: fine
                    .map(|logits| softmax(logits, 1))
                    .or_else(|| coarse.map(|read| read.probabilities()))
                    .unwrap_or_else(|| panic!("a model has a branch")),
                branches: Vec::new(),
            },
        }
    }

    /// Dropout is drawn by the keys of the batch; parts that are not trained drop nothing.
    fn encode(&self, input: DeviceBatch) -> Encoded<'_> {
        let keys = input.dropout.as_ref();
        let tuned = keys.filter(|_| self.tune_xvlm);
        let encoded = self.image_encoder.as_ref().map(|encoder| {
            let images = input.images.unwrap_or_else(|| missing("images"));
            let keys = tuned.map(|keys| keys.images.fold_in(SEEING));
            (encoder, encoder.forward(images, keys.as_ref()))
        });
        let coarse = self.coarse.as_ref().map(|branch| {
            let pieces = input.pieces.unwrap_or_else(|| missing("word pieces"));
            let (_, states) = encoded.as_ref().unwrap_or_else(|| missing("image states"));
            let images = Context::new(states.clone(), None, Some(input.image_of.clone()));
            let reading_keys = tuned.map(|keys| keys.samples.fold_in(READING));
            EncodedQuestions {
                branch,
                questions: branch.read(
                    Tokens::padded(pieces.questions),
                    &images,
                    reading_keys.as_ref(),
                ),
                candidates: Tokens::padded(pieces.answers),
            }
        });
        let fine = self.fine.as_ref().map(|branch| {
            let masked_regions = input
                .regions
                .as_ref()
                .and_then(|found| found.masked.clone());
            let regions = input.regions.map(|found| {
                if self.region_boxes {
                    Tensor::cat(vec![found.features, found.boxes], 2)
                } else {
                    found.features
                }
            });
            let regions = regions.or_else(|| {
                let (encoder, states) = encoded?;
                let cells = encoder.cells(states);
                let boxes = self.cell_boxes.then(|| encoder.boxes(&cells)).flatten();
                Some(match boxes {
                    Some(boxes) => {
                        let [images, _, _] = cells.dims();
                        Tensor::cat(vec![cells, boxes.unsqueeze().repeat_dim(0, images)], 2)
                    }
                    None => cells,
                })
            });
            let input = FineInput {
                question: input.questions,
                entities: input.entities,
                image_of: input.image_of,
                regions: regions.unwrap_or_else(|| missing("regions")),
                masked_regions,
                statistical_words: input.statistical_words,
            };
            let keys = keys.map(|keys| keys.fold_in(CLASSIFYING));
            branch.forward(input, keys.as_ref())
        });
        Encoded { fine, coarse }
    }
}

impl EncodedQuestions<'_> {
    /// Probability of every candidate, `[batch, answers]`, without a graph and without dropout.
    fn probabilities(&self) -> Tensor<2> {
        capture::valid(self.branch).probabilities(
            &self.questions.clone().without_autodiff(),
            &self.candidates.clone().without_autodiff(),
        )
    }
}

fn missing<T>(input: &str) -> T {
    panic!("the model needs {input}, and there are none")
}
