//! What dropout is drawn by in a step.

use burn::tensor::Device;
use burn_frugal::RowKeys;
use data_pipeline::Batch;
use model_api::{DropoutKeys, Sight};

use crate::randomness::{Stream, seed};

/// Keys of the samples, images and right answers of a micro-batch in a step: of the run's seed, the step, and which sample,
/// image or right answer it is. Which micro-batch it is in plays no part.
pub fn dropout_keys(
    batch: &Batch,
    sight: Sight,
    run_seed: u64,
    step: usize,
    device: &Device,
) -> DropoutKeys {
    let key = |stream, index| seed(run_seed, stream, step as u64, index as u64) as u32;
    let samples = batch.samples.iter();
    let samples = samples.map(|&sample| key(Stream::Dropout, sample));
    let images = match sight {
        Sight::Images => batch.image_ids.clone(),
        Sight::ZeroedImage => vec![0],
    };
    let images = images.into_iter();
    let images = images.map(|image| key(Stream::ImageDropout, image));
    let answers = batch.samples.iter().zip(&batch.weights);
    let answers = answers.flat_map(|(&sample, right)| {
        let answers = right.iter();
        answers.map(move |&(answer, _)| key(Stream::AnswerDropout, sample << 32 | answer))
    });
    DropoutKeys {
        samples: RowKeys::new(samples.collect(), device),
        images: RowKeys::new(images.collect(), device),
        answers: RowKeys::new(answers.collect(), device),
    }
}
