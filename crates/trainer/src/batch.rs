//! Batches on the device.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use data_pipeline::{Batch, IMAGE_MEAN, IMAGE_STD};

/// A micro-batch on the device.
#[derive(Debug, Clone)]
pub struct DeviceBatch {
    /// `[images, 3, height, width]`, normalised; every distinct image once.
    pub images: Tensor<4>,
    /// `[batch]`: row of `images` that each sample shows.
    pub image_of: Tensor<1, Int>,
    /// `[batch, words]`: word ids, padded at the end with 0.
    pub questions: Tensor<2, Int>,
    /// `[batch, answers]`: soft target of every answer, 0 to 1.
    pub targets: Tensor<2>,
}

/// What the model is shown of the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// The images.
    Images,
    /// One image of zeros for all samples: what is then answered right, the question alone gives away.
    Blind,
}

impl DeviceBatch {
    /// Moves a batch to the device. Images travel as bytes and are normalised there.
    pub fn upload(batch: &Batch, answers: usize, sight: Sight, device: &Device) -> Self {
        let samples = batch.len();
        let words = batch.questions.len() / samples.max(1);
        let size = batch.image_size;

        let (images, image_of) = match sight {
            Sight::Images => {
                let bytes =
                    TensorData::new(batch.images.clone(), [batch.unique_images(), size, size, 3]);
                let rows = batch.image_of.iter().map(|&row| row as i64).collect();
                (normalise(bytes, device), rows)
            }
            Sight::Blind => (Tensor::zeros([1, 3, size, size], device), vec![0; samples]),
        };
        let questions = batch
            .questions
            .iter()
            .map(|&word| i64::from(word))
            .collect::<Vec<_>>();
        let mut targets = vec![0.0_f32; samples * answers];
        for (row, answered) in batch.targets.iter().enumerate() {
            for &(answer, score) in answered {
                targets[row * answers + answer] = score;
            }
        }
        Self {
            images,
            image_of: Tensor::from_data(TensorData::new(image_of, [samples]), device),
            questions: Tensor::from_data(TensorData::new(questions, [samples, words]), device),
            targets: Tensor::from_data(TensorData::new(targets, [samples, answers]), device),
        }
    }
}

/// `[images, height, width, 3]` bytes to `[images, 3, height, width]`, `(byte / 255 - mean) / std`.
fn normalise(bytes: TensorData, device: &Device) -> Tensor<4> {
    let channels =
        |values: [f32; 3]| Tensor::<1>::from_floats(values, device).reshape([1, 1, 1, 3]);
    let pixels = Tensor::<4, Int>::from_data(bytes, (device, DType::U8))
        .float()
        .div_scalar(255.0);
    ((pixels - channels(IMAGE_MEAN)) / channels(IMAGE_STD)).permute([0, 3, 1, 2])
}
