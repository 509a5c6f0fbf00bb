//! The largest inputs that a run can meet.

use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_frugal::RowKeys;
use data_pipeline::{BOX_SIZE, Encoder, Sample};
use model_api::{
    DataShape, DeviceBatch, DropoutKeys, Regions, RightAnswers, WordPieces, normalise,
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

    /// So many samples, each about an image of its own. Only the sizes count, so images are black and every token is the
    /// first that is no padding.
    pub(crate) fn batch(&self, samples: usize, device: &Device) -> DeviceBatch {
        let inputs = self.shape.inputs;
        let ids = |rows: usize, width: usize| table(rows, width, device);
        let right = samples * self.right_answers;
        DeviceBatch {
            images: inputs.images.then(|| {
                let shape = [samples, self.image_size, self.image_size, 3];
                let bytes = vec![0_u8; shape.iter().product()];
                normalise(TensorData::new(bytes, shape), device)
            }),
            regions: inputs.regions.map(|found| Regions {
                features: floats([samples, found.regions, found.dim], device),
                boxes: floats([samples, found.regions, BOX_SIZE], device),
                masked: found.varying.then(|| {
                    let mask = vec![false; samples * found.regions];
                    Tensor::from_data(TensorData::new(mask, [samples, found.regions]), device)
                }),
            }),
            statistical_words: inputs.statistical_words.map(|width| ids(samples, width)),
            image_of: row(samples, device),
            entities: inputs.entities.map(|width| ids(samples, width)),
            questions: ids(samples, self.question_tokens),
            targets: floats([samples, self.shape.answers], device),
            right: RightAnswers {
                answers: row(right, device),
                sample_of: row(right, device),
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

fn floats<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    let zeros = vec![0.0_f32; shape.iter().product()];
    Tensor::from_data(TensorData::new(zeros, shape), device)
}

fn table(rows: usize, width: usize, device: &Device) -> Tensor<2, Int> {
    let ids = vec![1_i64; rows * width];
    Tensor::from_data(TensorData::new(ids, [rows, width]), device)
}

fn row(length: usize, device: &Device) -> Tensor<1, Int> {
    Tensor::from_data(TensorData::new(vec![0_i64; length], [length]), device)
}
