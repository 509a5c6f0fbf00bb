//! Evaluation of a model on a split.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use burn_frugal::Precision;
use data_pipeline::{Batch, Encoder, Loader};
use model_api::{DeviceBatch, Model, ModelOutput, Sight};

use crate::error::TrainError;
use crate::memory::{DeviceFailure, Phase, Point, catch_failure};
use crate::step::scheduler::{MicroBatchScheduler, Scheduler};

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

/// An evaluation on a split, as far as it has come.
///
/// A sample's score is its soft target for the model's most probable answer; a right answer that is not in the answer list
/// counts as missed.
#[derive(Default)]
pub(crate) struct Evaluation {
    batches: usize,
    samples: usize,
    scores: Scores,
}

impl Evaluation {
    /// Goes on to the end of the split, or until `interrupted` says so before a batch; the next call then goes on from there.
    /// Returns whether the end was reached. Where memory runs out, the same samples are taken again in smaller micro-batches.
    ///
    /// # Errors
    ///
    /// When the data cannot be read, and when not even one sample fits.
    pub(crate) fn go_on<M: Model>(
        &mut self,
        model: &M,
        loader: &Loader,
        encoder: &Encoder,
        sight: Sight,
        scheduler: &mut MicroBatchScheduler,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<bool, TrainError> {
        let model = model.valid();
        for batch in loader.epoch(0, self.batches)? {
            if interrupted() {
                return Ok(false);
            }
            let batch = batch?;
            let pass = Pass {
                model: &model,
                encoder,
                sight,
                before: self.samples,
                precision: Precision::current(),
            };
            let blank = encoder.answers.blank();
            let mut read = |part: &Batch, output| Scores::of(part, output, blank);
            let mut take = |_: &Batch, scores| self.scores.add(&scores);
            pass.through(&batch, scheduler, &mut read, &mut take)?;
            self.batches += 1;
            self.samples += batch.len();
            scheduler.step_ended();
        }
        Ok(true)
    }

    /// The accuracy on what was evaluated so far.
    pub(crate) fn accuracy(&self) -> Accuracy {
        let mean = |score: f64| score / self.samples.max(1) as f64;
        let branches = self.scores.branches.iter();
        Accuracy {
            accuracy: mean(self.scores.fused),
            branches: branches
                .map(|(name, score)| (*name, mean(*score)))
                .collect(),
            samples: self.samples,
        }
    }
}

/// A batch on its way through the model.
pub(crate) struct Pass<'a, M> {
    /// Without gradients.
    pub(crate) model: &'a M,
    pub(crate) encoder: &'a Encoder,
    pub(crate) sight: Sight,
    /// Samples that came before the batch.
    pub(crate) before: usize,
    /// What products are computed in.
    pub(crate) precision: Precision,
}

impl<M: Model> Pass<'_, M> {
    /// Takes a batch through the model in micro-batches. `read` gets what the model answers off the device, and `take` receives it
    /// in the order of the samples, each once. Where memory runs out, the same samples are taken again in smaller micro-batches.
    ///
    /// # Errors
    ///
    /// When not even one sample fits.
    pub(crate) fn through<T>(
        &self,
        batch: &Batch,
        scheduler: &mut MicroBatchScheduler,
        read: &mut dyn FnMut(&Batch, ModelOutput) -> Result<T, DeviceFailure>,
        take: &mut dyn FnMut(&Batch, T),
    ) -> Result<(), TrainError> {
        let device = scheduler.device.clone().inner();
        let mut done = 0;
        while done < batch.len() {
            let round = scheduler.next(batch.len(), done)?;
            let slice = done..batch.len().min(done + round.slicing.micro_batch);
            let part = batch.slice(slice.clone());
            let point = Point {
                phase: Phase::Evaluation,
                step: scheduler.step,
                samples: self.before + slice.start..self.before + slice.end,
                group: None,
            };
            let answered = catch_failure(|| {
                let uploaded = DeviceBatch::upload(&part, self.encoder, self.sight, &device);
                let output = self.precision.run(|| self.model.answer(uploaded));
                let answered = read(&part, output)?;
                scheduler.watch.phase_end(&point)?;
                Ok(answered)
            });
            let slices = std::slice::from_ref(&slice);
            match answered {
                Ok(answered) => {
                    take(&part, answered);
                    scheduler.round_ended(round, slices);
                    done = slice.end;
                }
                Err(failure) => scheduler.failed(failure, slices)?,
            }
        }
        Ok(())
    }
}

/// Sums of the scores of samples: of the model and of each of its branches by itself.
#[derive(Default)]
struct Scores {
    fused: f64,
    branches: BTreeMap<&'static str, f64>,
}

impl Scores {
    /// `blank` is the answer that is never given.
    fn of(batch: &Batch, output: ModelOutput, blank: Option<usize>) -> Result<Self, DeviceFailure> {
        let total = |probabilities| total_score(batch, probabilities, blank);
        let branches = output.branches.into_iter();
        let branches = branches
            .map(|(name, probabilities)| Ok((name, total(probabilities)?)))
            .collect::<Result<_, DeviceFailure>>()?;
        Ok(Self {
            fused: total(output.probabilities)?,
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

/// Sum over the samples of the target of the most probable answer but `blank`; `probabilities` is `[batch, answers]`.
fn total_score(
    batch: &Batch,
    probabilities: Tensor<2>,
    blank: Option<usize>,
) -> Result<f64, DeviceFailure> {
    let probabilities = match blank {
        Some(blank) => {
            let rows = probabilities.dims()[0];
            probabilities.slice_fill([0..rows, blank..blank + 1], -1.0)
        }
        None => probabilities,
    };
    let chosen = probabilities
        .argmax(1)
        .try_into_data()
        .map_err(|error| DeviceFailure::of_error(&error.to_string()))?;
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
