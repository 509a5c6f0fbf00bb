//! The whole model: image encoder, fine branch, coarse branch, and their fusion.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{Device, Int, Tensor};

use crate::capture;
use crate::cfr::FineInput;
use crate::checkpointing::Checkpointing;
use crate::dropout::DropoutKeys;
use crate::fine::{FineBranch, FineBranchConfig};
use crate::fusion::{AnswerFusion, AnswerFusionConfig};
use crate::image_encoder::{ImageEncoder, ImageEncoderConfig};
use crate::loss::{binary_cross_entropy, cross_entropy_of_probabilities};
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

/// What the model looks at. Images, regions and statistical words are given once each, whatever the number of questions
/// about them.
#[derive(Debug, Clone)]
pub struct VqaInput {
    /// `[images, 3, height, width]`, normalised; looked at by an image encoder.
    pub images: Option<Tensor<4>>,
    /// `[batch]`: the image of each sample.
    pub image_of: Tensor<1, Int>,
    /// `[batch, words]`: word ids, padded with 0; read by the fine branch, as are entities and statistical words.
    pub questions: Tensor<2, Int>,
    /// `[batch, entities]`: word ids of the entities of the question, padded with 0.
    pub entities: Option<Tensor<2, Int>>,
    /// Regions of the images; without them the cells of the image encoder take their place.
    pub regions: Option<Regions>,
    /// `[images, statistical words]`: word ids, padded with 0.
    pub statistical_words: Option<Tensor<2, Int>>,
    /// What the coarse branch reads.
    pub pieces: Option<WordPieces>,
}

/// What a detector found in the images.
#[derive(Debug, Clone)]
pub struct Regions {
    /// `[images, regions, channels]`
    pub features: Tensor<3>,
    /// `[images, regions, 6]`: left, top, right and bottom edge, width and height, as parts of the image's.
    pub boxes: Tensor<3>,
}

/// Texts of the coarse branch as word pieces, padded with 0.
#[derive(Debug, Clone)]
pub struct WordPieces {
    /// `[batch, pieces]`
    pub questions: Tensor<2, Int>,
    /// `[answers, pieces]`: the answer list.
    pub answers: Tensor<2, Int>,
}

/// What the model is to answer.
#[derive(Debug, Clone)]
pub struct VqaTargets {
    /// `[batch, answers]`: soft target of every answer, 0 to 1.
    pub scores: Tensor<2>,
    /// `[right answers]`: every right answer of every sample, as a row of the answer list.
    pub right: Tensor<1, Int>,
    /// `[right answers]`: the sample of each.
    pub sample_of: Tensor<1, Int>,
    /// `[right answers]`: how much each counts in generation.
    pub weights: Tensor<1>,
}

/// What the model answers.
#[derive(Debug, Clone)]
pub struct VqaOutput {
    /// Probability of every answer, `[batch, answers]`.
    pub probabilities: Tensor<2>,
    /// The same from each branch by itself, where there are two.
    pub branches: Vec<(&'static str, Tensor<2>)>,
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
struct Understood<'a> {
    /// Logits of the fine branch, `[batch, answers]`.
    fine: Option<Tensor<2>>,
    coarse: Option<Read<'a>>,
}

/// Questions as the coarse branch has read them, and the answers it may give.
struct Read<'a> {
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
    /// Dropout is drawn by `keys`; without them nothing is dropped.
    ///
    /// # Panics
    ///
    /// When an input is missing that a part needs.
    pub fn losses(
        &self,
        input: VqaInput,
        targets: VqaTargets,
        keys: Option<&DropoutKeys>,
    ) -> Tensor<1> {
        let understood = self.understand(input, keys);
        let mut losses = Vec::new();
        if let Some(logits) = &understood.fine {
            losses.push(binary_cross_entropy(logits.clone(), targets.scores.clone()));
        }
        if let Some(read) = &understood.coarse
            && self.tune_xvlm
        {
            let right = WeightedAnswers {
                tokens: read.candidates.select(targets.right),
                weights: targets.weights,
                question_of: targets.sample_of,
            };
            let keys = keys.map(|keys| keys.answers.fold_in(WRITING));
            losses.push(read.branch.losses(&read.questions, right, keys.as_ref()));
        }
        if let (
            Some(fusion),
            Understood {
                fine: Some(fine),
                coarse: Some(read),
            },
        ) = (&self.fusion, understood)
        {
            let coarse = capture::enter_graph(read.probabilities());
            let fused = fusion.forward(&[sigmoid(fine), coarse]);
            return fusion.loss(
                cross_entropy_of_probabilities(fused, targets.scores),
                losses,
            );
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
    pub fn forward(&self, input: VqaInput) -> VqaOutput {
        match (&self.fusion, self.understand(input, None)) {
            (
                Some(fusion),
                Understood {
                    fine: Some(fine),
                    coarse: Some(read),
                },
            ) => {
                let branches = [sigmoid(fine.clone()), read.probabilities()];
                let fused = fusion.forward(&branches);
                let [_, coarse] = branches;
                VqaOutput {
                    probabilities: fused.clone() / fused.sum_dim(1),
                    branches: vec![("fine", softmax(fine, 1)), ("coarse", coarse)],
                }
            }
            (_, Understood { fine, coarse }) => VqaOutput {
                probabilities: fine
                    .map(|logits| softmax(logits, 1))
                    .or_else(|| coarse.map(|read| read.probabilities()))
                    .unwrap_or_else(|| panic!("a model has a branch")),
                branches: Vec::new(),
            },
        }
    }

    /// Dropout is drawn by `keys`; parts that are not trained drop nothing.
    fn understand(&self, input: VqaInput, keys: Option<&DropoutKeys>) -> Understood<'_> {
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
            Read {
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
                statistical_words: input.statistical_words,
            };
            let keys = keys.map(|keys| keys.fold_in(CLASSIFYING));
            branch.forward(input, keys.as_ref())
        });
        Understood { fine, coarse }
    }
}

impl Read<'_> {
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
