//! The largest inputs that a run can meet.

use burn::tensor::{DType, Device, Int, Tensor};
use burn_frugal::RowKeys;
use data_pipeline::{BOX_SIZE, Encoder, Sample};
use model_api::{
    DataShape, DeviceBatch, DropoutKeys, Regions, RightAnswers, WordPieces, normalise_pixels,
    pixel_type,
};

/// Sizes of the largest sample: the longest question, all regions, the largest image, the most right answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorstCase {
    /// What the model is built for.
    pub shape: DataShape,
    /// Side of an image in pixels.
    pub image_size: usize,
    /// Tokens of a question, padding among them.
    pub question_tokens: usize,
    /// Word pieces of the longest answer, where the run has word pieces.
    pub answer_pieces: usize,
    /// Right answers of a sample.
    pub right_answers: usize,
}

impl WorstCase {
    /// The largest samples of a split, as the encoder of a run makes them.
    pub fn of(encoder: &Encoder, samples: &[Sample]) -> Self {
        let right = samples
            .iter()
            .map(|sample| encoder.answers.weights(sample).len());
        Self {
            shape: DataShape::of(encoder),
            image_size: encoder.image_size,
            question_tokens: encoder.max_question_tokens,
            answer_pieces: encoder
                .pieces
                .as_ref()
                .map_or(0, |pieces| pieces.answers().width),
            right_answers: right.max().unwrap_or(0).max(1),
        }
    }

    /// So many samples, each about an image of its own. Only the sizes count, so a tensor is one number that is there once until it
    /// is cast: no batch is too large to be recorded. Images are black, every token is the first that is no padding, no
    /// region is masked, and every index is 0.
    pub(crate) fn batch(&self, samples: usize, device: &Device) -> DeviceBatch {
        let inputs = self.shape.inputs;
        let table = |number: i64, rows: usize, width: usize| {
            ints(number, [rows, width], id_type(device), device)
        };
        let ids = |rows: usize, width: usize| table(1, rows, width);
        let row = |length: usize| ints(0, [length], id_type(device), device);
        let right = samples * self.right_answers;
        DeviceBatch {
            images: inputs.images.then(|| {
                let shape = [samples, self.image_size, self.image_size, 3];
                normalise_pixels(ints(0, shape, pixel_type(device), device))
            }),
            regions: inputs.regions.map(|found| Regions {
                features: floats([samples, found.regions, found.dim], device),
                boxes: floats([samples, found.regions, BOX_SIZE], device),
                masked: found
                    .varying
                    .then(|| table(0, samples, found.regions).bool()),
            }),
            statistical_words: inputs.statistical_words.map(|width| ids(samples, width)),
            image_of: row(samples),
            entities: inputs.entities.map(|width| ids(samples, width)),
            questions: ids(samples, self.question_tokens),
            targets: floats([samples, self.shape.answers], device),
            right: RightAnswers {
                answers: row(right),
                sample_of: row(right),
                weights: floats([right], device),
            },
            pieces: self.shape.word_pieces.map(|_| WordPieces {
                questions: ids(samples, self.question_tokens),
                answers: ids(self.shape.answers, self.answer_pieces),
            }),
            dropout: Some(DropoutKeys {
                samples: RowKeys::new(vec![1; samples], device),
                images: RowKeys::new(vec![1; samples], device),
                answers: RowKeys::new(vec![1; right], device),
            }),
        }
    }
}

/// Numbers that take memory as uploaded ones do.
fn floats<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    number::<D>(0, DType::I32, device).expand(shape).float()
}

/// Whole numbers of a type that take memory as uploaded ones do.
fn ints<const D: usize>(
    value: i64,
    shape: [usize; D],
    dtype: DType,
    device: &Device,
) -> Tensor<D, Int> {
    // A cast to the type that there is already would take nothing.
    let other = match dtype {
        DType::I32 => DType::I64,
        _ => DType::I32,
    };
    number::<D>(value, other, device).expand(shape).cast(dtype)
}

/// A number with as many axes as asked for.
fn number<const D: usize>(value: i64, dtype: DType, device: &Device) -> Tensor<D, Int> {
    Tensor::<1, Int>::from_data([value], (device, dtype)).reshape([1; D])
}

/// The type in which a device has ids.
fn id_type(device: &Device) -> DType {
    Tensor::<1, Int>::from_data([1], device).dtype()
}
