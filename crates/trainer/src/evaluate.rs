//! Evaluation of a model on a split.

use burn::tensor::Device;
use data_pipeline::{Batch, Loader};

use crate::batch::{DeviceBatch, Sight};
use crate::error::TrainError;
use crate::model::Model;

/// Accuracy on a split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accuracy {
    /// Mean score of the model's first answer, 0 to 1.
    pub accuracy: f64,
    /// Samples evaluated.
    pub samples: usize,
}

/// Scores the model's most probable answer for every sample of a split.
///
/// A sample's score is its soft target for that answer; a right answer that is not in the answer list
/// counts as missed.
///
/// # Errors
///
/// When the data cannot be read.
pub fn evaluate<M: Model>(
    model: &M,
    loader: &Loader,
    answers: usize,
    sight: Sight,
    device: &Device,
) -> Result<Accuracy, TrainError> {
    let model = model.valid();
    let device = device.clone().inner();
    let mut score = 0.0;
    let mut samples = 0;
    for batch in loader.epoch(0, 0)? {
        let batch = batch?;
        samples += batch.len();
        let probabilities =
            model.probabilities(DeviceBatch::upload(&batch, answers, sight, &device));
        let chosen: Vec<i64> = probabilities.argmax(1).into_data().iter::<i64>().collect();
        score += total_score(&batch, &chosen);
    }
    Ok(Accuracy {
        accuracy: if samples == 0 {
            0.0
        } else {
            score / samples as f64
        },
        samples,
    })
}

fn total_score(batch: &Batch, chosen: &[i64]) -> f64 {
    let scores = batch.targets.iter().zip(chosen).map(|(targets, &chosen)| {
        let matched = targets.iter().find(|(answer, _)| *answer as i64 == chosen);
        matched.map_or(0.0, |(_, score)| f64::from(*score))
    });
    scores.sum()
}
