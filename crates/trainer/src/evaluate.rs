//! Evaluation of a model on a split.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use data_pipeline::{Batch, Encoder, Loader};
use model_api::{DeviceBatch, Model, ModelOutput, Sight};

use crate::error::TrainError;
use crate::memory::{Failure, Phase, Point, Sizing, attempt};

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
/// counts as missed. Where memory runs out, the same samples are taken again in smaller micro-batches.
///
/// # Errors
///
/// When the data cannot be read, and when not even one sample fits.
pub(crate) fn evaluate<M: Model>(
    model: &M,
    loader: &Loader,
    encoder: &Encoder,
    sight: Sight,
    sizing: &mut Sizing,
) -> Result<Accuracy, TrainError> {
    let model = model.valid();
    let device = sizing.device.clone().inner();
    let mut total = Scores::default();
    let mut samples = 0;
    for batch in loader.epoch(0, 0)? {
        let batch = batch?;
        let mut done = 0;
        while done < batch.len() {
            let round = sizing.begin(batch.len(), done, 1)?;
            let slice = done..batch.len().min(done + round.size);
            let part = batch.slice(slice.clone());
            let point = Point {
                phase: Phase::Evaluation,
                step: sizing.step,
                samples: samples + slice.start..samples + slice.end,
                group: None,
            };
            let scored = attempt(|| {
                let output = model.answer(DeviceBatch::upload(&part, encoder, sight, &device));
                let scores = Scores::of(&part, output)?;
                sizing.watch.border(&point);
                Ok(scores)
            });
            match scored {
                Ok(scores) => {
                    total.add(&scores);
                    done = slice.end;
                    if slice.len() == round.size {
                        sizing.ended(round);
                    }
                }
                Err(failure) => sizing.failed(failure, slice.len(), 1)?,
            }
        }
        samples += batch.len();
        sizing.controller.step_ended();
    }
    let mean = |score: f64| score / samples.max(1) as f64;
    Ok(Accuracy {
        accuracy: mean(total.fused),
        branches: total
            .branches
            .into_iter()
            .map(|(name, score)| (name, mean(score)))
            .collect(),
        samples,
    })
}

/// Sums of the scores of samples: of the model and of each of its branches by itself.
#[derive(Default)]
struct Scores {
    fused: f64,
    branches: BTreeMap<&'static str, f64>,
}

impl Scores {
    fn of(batch: &Batch, output: ModelOutput) -> Result<Self, Failure> {
        let branches = output.branches.into_iter();
        let branches = branches
            .map(|(name, probabilities)| Ok((name, total_score(batch, probabilities)?)))
            .collect::<Result<_, Failure>>()?;
        Ok(Self {
            fused: total_score(batch, output.probabilities)?,
            branches,
        })
    }

    fn add(&mut self, other: &Self) {
        self.fused += other.fused;
        for (name, score) in &other.branches {
            *self.branches.entry(name).or_insert(0.0) += score;
        }
    }
}

/// Sum over the samples of the target of the most probable answer; `probabilities` is `[batch, answers]`.
fn total_score(batch: &Batch, probabilities: Tensor<2>) -> Result<f64, Failure> {
    let chosen = probabilities
        .argmax(1)
        .try_into_data()
        .map_err(|error| Failure::of_error(&error.to_string()))?;
    let scores = batch
        .targets
        .iter()
        .zip(chosen.iter::<i64>())
        .map(|(targets, chosen)| {
            let matched = targets.iter().find(|(answer, _)| *answer as i64 == chosen);
            matched.map_or(0.0, |(_, score)| f64::from(*score))
        });
    Ok(scores.sum())
}
