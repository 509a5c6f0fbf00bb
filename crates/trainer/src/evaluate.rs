//! Evaluation of a model on a split.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use data_pipeline::{Batch, Encoder, Loader};

use crate::batch::{DeviceBatch, Sight};
use crate::error::TrainError;
use crate::model::Model;

/// Accuracy on a split.
#[derive(Debug, Clone, PartialEq)]
pub struct Accuracy {
    /// Mean score of the model's first answer, 0 to 1.
    pub accuracy: f64,
    /// The same of each of the model's branches by itself, where it has several.
    pub branches: BTreeMap<&'static str, f64>,
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
    encoder: &Encoder,
    sight: Sight,
    device: &Device,
) -> Result<Accuracy, TrainError> {
    let model = model.valid();
    let device = device.clone().inner();
    let mut score = 0.0;
    let mut branches = BTreeMap::new();
    let mut samples = 0;
    for batch in loader.epoch(0, 0)? {
        let batch = batch?;
        samples += batch.len();
        let output = model.answer(DeviceBatch::upload(&batch, encoder, sight, &device));
        score += total_score(&batch, output.probabilities);
        for (name, probabilities) in output.branches {
            *branches.entry(name).or_insert(0.0) += total_score(&batch, probabilities);
        }
    }
    let mean = |score: f64| score / samples.max(1) as f64;
    Ok(Accuracy {
        accuracy: mean(score),
        branches: branches
            .into_iter()
            .map(|(name, score)| (name, mean(score)))
            .collect(),
        samples,
    })
}

/// Sum over the samples of the target of the most probable answer; `probabilities` is `[batch, answers]`.
fn total_score(batch: &Batch, probabilities: Tensor<2>) -> f64 {
    let chosen = probabilities.argmax(1).into_data();
    let scores = batch
        .targets
        .iter()
        .zip(chosen.iter::<i64>())
        .map(|(targets, chosen)| {
            let matched = targets.iter().find(|(answer, _)| *answer as i64 == chosen);
            matched.map_or(0.0, |(_, score)| f64::from(*score))
        });
    scores.sum()
}
