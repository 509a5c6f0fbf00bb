//! Batches on the device.

use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};
use data_pipeline::{BOX_SIZE, Batch, Encoder, IMAGE_MEAN, IMAGE_STD};

use crate::dropout::DropoutKeys;

/// A micro-batch on the device.
#[derive(Debug, Clone)]
pub struct DeviceBatch {
    /// `[images, 3, height, width]`, normalised; every distinct image once. None if the run looks at none.
    pub images: Option<Tensor<4>>,
    /// What a detector found in the same images, where the run looks at it.
    pub regions: Option<Regions>,
    /// `[images, statistical words]`: word ids, padded at the end with 0, where the run has them.
    pub statistical_words: Option<Tensor<2, Int>>,
    /// `[batch]`: the image that each sample is about.
    pub image_of: Tensor<1, Int>,
    /// `[batch, entities]`: word ids, padded at the end with 0, where the run has them.
    pub entities: Option<Tensor<2, Int>>,
    /// `[batch, words]`: word ids, padded at the end with 0.
    pub questions: Tensor<2, Int>,
    /// `[batch, answers]`: soft target of every answer, 0 to 1.
    pub targets: Tensor<2>,
    /// The right answers one by one, for a model that generates them.
    pub right: RightAnswers,
    /// The texts as word pieces, where the run has a word-piece vocabulary.
    pub pieces: Option<WordPieces>,
    /// What dropout is drawn by in training; none: nothing is dropped.
    pub dropout: Option<DropoutKeys>,
}

/// Region features of the images of a micro-batch.
#[derive(Debug, Clone)]
pub struct Regions {
    /// `[images, regions, features]`
    pub features: Tensor<3>,
    /// `[images, regions, 6]`: left, top, right and bottom edge, width and height, as parts of the image's.
    pub boxes: Tensor<3>,
    /// `[images, regions]`, true where an image has no region: as many are there as the image with the most has. None if all
    /// images have as many.
    pub masked: Option<Tensor<2, Bool>>,
}

/// Every right answer of every sample of a micro-batch.
#[derive(Debug, Clone)]
pub struct RightAnswers {
    /// `[right answers]`: rows of the answer list.
    pub answers: Tensor<1, Int>,
    /// `[right answers]`: the sample of each.
    pub sample_of: Tensor<1, Int>,
    /// `[right answers]`: how much each counts; those of a sample sum to 1 at most.
    pub weights: Tensor<1>,
}

/// Texts as word pieces, padded at the end with 0.
#[derive(Debug, Clone)]
pub struct WordPieces {
    /// `[batch, pieces]`
    pub questions: Tensor<2, Int>,
    /// `[answers, pieces]`: the answer list.
    pub answers: Tensor<2, Int>,
}

/// What the model is shown of the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// The images, and what was found in them.
    Images,
    /// One image of zeros for all samples, in which nothing was found: what is then answered right, the question alone
    /// gives away.
    ZeroedImage,
}

impl DeviceBatch {
    /// Moves a batch to the device. Images travel as bytes and are normalised there.
    pub fn upload(batch: &Batch, encoder: &Encoder, sight: Sight, device: &Device) -> Self {
        let samples = batch.len();
        let answers = encoder.answers.len();
        let words = batch.questions.len() / samples.max(1);
        let size = batch.image_size;

        let (shown, image_of) = match sight {
            Sight::Images => (
                batch.unique_images(),
                batch.image_of.iter().map(|&row| row as i64).collect(),
            ),
            Sight::ZeroedImage => (1, vec![0; samples]),
        };
        let images = encoder.inputs.images.then(|| match sight {
            Sight::Images => {
                let bytes = TensorData::new(batch.images.clone(), [shown, size, size, 3]);
                normalise(bytes, device)
            }
            Sight::ZeroedImage => Tensor::zeros([1, 3, size, size], device),
        });
        let regions = batch.regions.as_ref().map(|found| match sight {
            Sight::Images => Regions::upload(found, device),
            Sight::ZeroedImage => {
                let zeros = |width| Tensor::zeros([1, found.shape.regions, width], device);
                Regions {
                    features: zeros(found.shape.dim),
                    boxes: zeros(BOX_SIZE),
                    masked: None,
                }
            }
        });
        let statistical_words = batch.statistical_words.as_ref().map(|words| match sight {
            Sight::Images => table(&words.ids, words.width, device),
            Sight::ZeroedImage => Tensor::zeros([1, words.width], device),
        });
        let mut targets = vec![0.0_f32; samples * answers];
        for (row, answered) in batch.targets.iter().enumerate() {
            for &(answer, score) in answered {
                targets[row * answers + answer] = score;
            }
        }
        Self {
            images,
            regions,
            statistical_words,
            image_of: Tensor::from_data(TensorData::new(image_of, [samples]), device),
            entities: batch
                .entities
                .as_ref()
                .map(|entities| table(&entities.ids, entities.width, device)),
            questions: table(&batch.questions, words, device),
            targets: Tensor::from_data(TensorData::new(targets, [samples, answers]), device),
            right: RightAnswers::upload(batch, device),
            pieces: batch.pieces.as_ref().zip(encoder.pieces.as_ref()).map(
                |(questions, pieces)| WordPieces {
                    questions: table(&questions.ids, questions.width, device),
                    answers: table(&pieces.answers().ids, pieces.answers().width, device),
                },
            ),
            dropout: None,
        }
    }
}

impl Regions {
    fn upload(found: &data_pipeline::Regions, device: &Device) -> Self {
        let counts = &found.counts;
        let longest = counts.iter().copied().max().unwrap_or(0);
        let varying = counts.iter().any(|count| *count < longest);
        let images = counts.len();
        let padded = |values: &[f32], width: usize| {
            let values = if varying {
                let mut rows = values;
                let mut padded = Vec::with_capacity(images * longest * width);
                for (image, count) in counts.iter().enumerate() {
                    let (own, rest) = rows.split_at(count * width);
                    rows = rest;
                    padded.extend_from_slice(own);
                    padded.resize((image + 1) * longest * width, 0.0);
                }
                padded
            } else {
                values.to_vec()
            };
            Tensor::from_data(TensorData::new(values, [images, longest, width]), device)
        };
        let masked = varying.then(|| {
            let beyond = counts
                .iter()
                .flat_map(|count| (0..longest).map(move |region| region >= *count));
            let beyond: Vec<bool> = beyond.collect();
            Tensor::from_data(TensorData::new(beyond, [images, longest]), device)
        });
        Self {
            features: padded(&found.features, found.shape.dim),
            boxes: padded(&found.boxes, BOX_SIZE),
            masked,
        }
    }
}

impl RightAnswers {
    fn upload(batch: &Batch, device: &Device) -> Self {
        // Where no answer to any question is in the list, one that weighs nothing: a tensor has a row at least.
        let none = batch.weights.iter().all(Vec::is_empty);
        let nothing = (none && !batch.weights.is_empty()).then_some((0, 0, 0.0));
        let each = || {
            let listed = batch
                .weights
                .iter()
                .enumerate()
                .flat_map(|(sample, right)| {
                    right
                        .iter()
                        .map(move |&(answer, weight)| (sample, answer, weight))
                });
            listed.chain(nothing)
        };
        let ids = |ids: Vec<i64>| {
            let shape = [ids.len()];
            Tensor::from_data(TensorData::new(ids, shape), device)
        };
        let weights: Vec<f32> = each().map(|(_, _, weight)| weight).collect();
        Self {
            answers: ids(each().map(|(_, answer, _)| answer as i64).collect()),
            sample_of: ids(each().map(|(sample, _, _)| sample as i64).collect()),
            weights: Tensor::from_floats(weights.as_slice(), device),
        }
    }
}

/// Rows of `width` token ids, `[rows, width]`.
fn table(ids: &[u32], width: usize, device: &Device) -> Tensor<2, Int> {
    let rows = ids.len() / width.max(1);
    let ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
    Tensor::from_data(TensorData::new(ids, [rows, width]), device)
}

/// `[images, height, width, 3]` bytes to `[images, 3, height, width]`, `(byte / 255 - mean) / std`.
pub fn normalise(bytes: TensorData, device: &Device) -> Tensor<4> {
    normalise_pixels(Tensor::from_data(bytes, (device, pixel_type(device))))
}

/// [`normalise`] of pixels that are on a device.
pub fn normalise_pixels(pixels: Tensor<4, Int>) -> Tensor<4> {
    let device = pixels.device();
    let channels =
        |values: [f32; 3]| Tensor::<1>::from_floats(values, &device).reshape([1, 1, 1, 3]);
    let pixels = pixels.float().div_scalar(255.0);
    ((pixels - channels(IMAGE_MEAN)) / channels(IMAGE_STD)).permute([0, 3, 1, 2])
}

/// The type in which a device has pixels. WebGPU's shaders know no bytes.
pub fn pixel_type(device: &Device) -> DType {
    [DType::U8, DType::I32]
        .into_iter()
        .find(|&dtype| device.supports_dtype(dtype))
        .unwrap_or(DType::I64)
}
