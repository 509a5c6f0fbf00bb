//! A trained model: evaluation and answers.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use burn_frugal::Precision;
use config_schema::{Config, count};
use data_pipeline::{AnswerList, Encoder, Inputs, Source};
use file_kind::shortened;
use model_api::{DeviceBatch, Model, ModelOutput, Sight};

use crate::checkpoint::{Checkpoints, Rejected};
use crate::dataset::prediction_loader;
use crate::error::TrainError;
use crate::evaluate::Pass;
use crate::event::{Observer, Purpose};
use crate::memory::{Capacity, Controller, DeviceFailure, Limits, Phase, Watch, budget};
use crate::plan::{WorstCase, prediction_forecast};
use crate::precision::{precision, suits};
use crate::run_dir::{Blueprint, read_blueprint};
use crate::step::scheduler::{MicroBatchScheduler, Scheduler};

/// Pixels of the images that are loaded at once, 48 MB, and the most samples.
const LOADED_PIXELS: usize = 1 << 24;
const MOST_LOADED: usize = 256;

/// Most unknown words that a sentence names.
const NAMED_WORDS: usize = 5;

/// A checkpoint of a run, ready to answer.
#[derive(Debug)]
pub struct Trained<M> {
    model: M,
    encoder: Arc<Encoder>,
    device: Device,
    identity: String,
    precision: Precision,
    /// Step that the checkpoint was written at.
    pub step: usize,
    /// Newer checkpoints that cannot be used, and so did not say which is the best.
    pub rejected: Vec<Rejected>,
}

/// What the model answers to a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Index of the sample in its split.
    pub sample: usize,
    /// Probability of every answer of the list, `[answers]`.
    pub probabilities: Vec<f32>,
    /// The same from each of the model's branches by itself, where it has several.
    pub branches: Vec<(&'static str, Vec<f32>)>,
}

/// An answer and its probability, 0 to 1.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Answer {
    /// The answer.
    pub answer: String,
    /// Its probability among all answers.
    pub probability: f64,
}

impl<M: Model> Trained<M> {
    /// Opens the best checkpoint of a run.
    ///
    /// # Errors
    ///
    /// When the folder is not a run, or its best checkpoint is gone or cannot be used.
    pub fn open(run_dir: &Path, settings: &Config, device: &Device) -> Result<Self, TrainError> {
        Self::open_at(run_dir, None, settings, device)
    }

    /// Opens the checkpoint of a step of a run, the best one where none is named.
    ///
    /// # Errors
    ///
    /// When the folder is not a run, this checkpoint is gone or cannot be used, or the device lacks the precision of the settings.
    pub fn open_at(
        run_dir: &Path,
        step: Option<usize>,
        settings: &Config,
        device: &Device,
    ) -> Result<Self, TrainError> {
        suits(settings, device)?;
        let Blueprint { encoder, model } = read_blueprint::<M::Config>(run_dir, settings)?;
        let checkpoints = Checkpoints::of(run_dir);
        let (weights, rejected) = match step {
            Some(step) => (checkpoints.of_step(step)?, Vec::new()),
            None => checkpoints.best()?,
        };
        let list = crc32fast::hash(encoder.answers.to_json().as_bytes());
        Ok(Self {
            identity: format!("{:08x}{list:08x}", weights.checksum()),
            model: weights.load_model(M::init(&model, device))?,
            encoder,
            device: device.clone(),
            precision: precision(settings),
            step: weights.step,
            rejected,
        })
    }

    /// Answers from now on in the precision of these settings.
    ///
    /// # Errors
    ///
    /// When the device lacks it.
    pub fn set_precision(&mut self, settings: &Config) -> Result<(), TrainError> {
        suits(settings, &self.device)?;
        self.precision = precision(settings);
        Ok(())
    }

    /// The model.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The answers that the model can give.
    pub fn answers(&self) -> &AnswerList {
        &self.encoder.answers
    }

    /// What the model looks at beside the questions.
    pub fn inputs(&self) -> Inputs {
        self.encoder.inputs
    }

    /// What tells the checkpoint and its answers from any other, in hexadecimal digits.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Passes on what the model answers to every sample of a split in storage order, from the sample `first` on, some samples at a
    /// time. The size of micro-batches follows `memory`, the device's, as in training; where memory runs out, `observer` hears
    /// of smaller ones, and the same samples are taken again. What is answered to a sample depends on them to rounding alone.
    ///
    /// # Errors
    ///
    /// When the split lacks an input of the model's or data cannot be read, when not even one sample fits, and whatever `take`
    /// returns.
    pub fn predict<E: From<TrainError>>(
        &self,
        settings: &Config,
        source: &Arc<dyn Source>,
        memory: Option<Capacity>,
        first: usize,
        observer: &mut dyn Observer,
        take: &mut dyn FnMut(Vec<Prediction>) -> Result<(), E>,
    ) -> Result<(), E> {
        let batch = self.samples_at_a_time();
        let loader = prediction_loader(settings, source.clone(), self.encoder.clone(), batch)
            .map_err(TrainError::from)?;
        let budget = budget(settings, memory);
        let limits = Limits {
            configured: settings.evaluation_batch_size(),
            most: batch.min(source.samples().len()).max(1),
            budget,
            dynamic: true,
        };
        let watch = Watch::new(&self.device, None, budget, None);
        let forecast = budget
            .map(|_| {
                let worst = WorstCase::of(&self.encoder, source.samples());
                prediction_forecast::<M>(settings, &worst, limits.most)
            })
            .transpose()?;
        // What planning took is no part of this.
        watch.note(Phase::Storage);
        let mut controller = Controller::new(limits, forecast);
        let model = self.model.valid();
        let mut done = first - first % batch;
        for loaded in loader.epoch(0, first / batch).map_err(TrainError::from)? {
            let loaded = loaded.map_err(TrainError::from)?;
            let mut scheduler = MicroBatchScheduler {
                watch: &watch,
                device: &self.device,
                limits,
                controller: &mut controller,
                purpose: Purpose::Evaluation,
                parallel: 1,
                step: self.step,
                report: &mut |event| {
                    observer.observe(&event);
                    Ok(())
                },
            };
            let pass = Pass {
                model: &model,
                encoder: &self.encoder,
                sight: Sight::Images,
                before: done,
                precision: self.precision,
            };
            let mut predictions = Vec::with_capacity(loaded.len());
            pass.through(
                &loaded,
                &mut scheduler,
                &mut |_, output| Rows::of(output),
                &mut |part, rows: Rows| predictions.extend(rows.of_samples(&part.samples)),
            )?;
            scheduler.step_ended();
            done += loaded.len();
            predictions.retain(|prediction: &Prediction| prediction.sample >= first);
            take(predictions)?;
            observer.tick(done);
        }
        Ok(())
    }

    /// Samples that are loaded at once: as many as [`LOADED_PIXELS`] and [`MOST_LOADED`] allow.
    fn samples_at_a_time(&self) -> usize {
        let pixels = self.encoder.image_size.pow(2).max(1);
        (LOADED_PIXELS / pixels).clamp(1, MOST_LOADED)
    }

    /// What the model cannot make out of a question, each a sentence for the user: that it has no word, that most of its words
    /// are unknown, that its end is cut off. Nothing if it reads all of it.
    pub fn doubts(&self, question: &str) -> Vec<String> {
        doubts(
            question,
            &self.encoder.known_words(question),
            self.encoder.max_question_tokens,
        )
    }

    /// The `count` most probable answers to a question about an encoded image, most probable first.
    ///
    /// # Errors
    ///
    /// When the image cannot be decoded; `name` is what the message calls it. When the model looks at region features.
    pub fn ask(
        &self,
        image: &[u8],
        name: &str,
        question: &str,
        count: usize,
    ) -> Result<Vec<Answer>, TrainError> {
        if self.encoder.inputs.regions.is_some() {
            return Err(TrainError::NeedsRegions);
        }
        let asked = self.encoder.ask(image, &[question]);
        let batch = asked.map_err(|source| TrainError::Image {
            name: name.to_owned(),
            source,
        })?;
        let batch = DeviceBatch::upload(&batch, &self.encoder, Sight::Images, &self.device);
        let output = self.precision.run(|| self.model.answer(batch));
        let probabilities: Vec<f32> = output.probabilities.into_data().iter::<f32>().collect();
        let ranked = self.encoder.answers.ranked(&probabilities, count);
        Ok(ranked.into_iter().map(Answer::from).collect())
    }
}

/// [`Trained::doubts`] about a question of words of which it is said whether they are known, by a model that reads `limit` of
/// them.
fn doubts(question: &str, words: &[(String, bool)], limit: usize) -> Vec<String> {
    let mut doubts = Vec::new();
    if !question.contains(char::is_alphanumeric) {
        doubts
            .push("the question has no word, only marks; the answers may mean nothing".to_owned());
    }
    let unknown: Vec<_> = words.iter().filter(|(_, known)| !known).collect();
    if 2 * unknown.len() > words.len() {
        let named = unknown.iter().take(NAMED_WORDS);
        let named: Vec<_> = named
            .map(|(word, _)| format!("`{}`", shortened(word)))
            .collect();
        doubts.push(format!(
            "{} of {} of the question did not occur in training, such as {}; the answers may mean nothing",
            unknown.len(),
            count(words.len(), "word"),
            named.join(", ")
        ));
    }
    if words.len() > limit {
        doubts.push(format!(
            "the question has {}, and the model reads the first {limit}",
            count(words.len(), "word")
        ));
    }
    doubts
}

impl From<(&str, f64)> for Answer {
    fn from((answer, probability): (&str, f64)) -> Self {
        Self {
            answer: answer.to_owned(),
            probability,
        }
    }
}

/// What the model and its branches answer to the samples of a micro-batch.
struct Rows {
    probabilities: Vec<Vec<f32>>,
    branches: Vec<(&'static str, Vec<Vec<f32>>)>,
}

impl Rows {
    /// Reads them off the device.
    fn of(output: ModelOutput) -> Result<Self, DeviceFailure> {
        let branches = output.branches.into_iter();
        Ok(Self {
            branches: branches
                .map(|(name, probabilities)| Ok((name, rows(probabilities)?)))
                .collect::<Result<_, DeviceFailure>>()?,
            probabilities: rows(output.probabilities)?,
        })
    }

    fn of_samples(self, samples: &[usize]) -> Vec<Prediction> {
        let mut branches = self.branches;
        let rows = samples.iter().zip(self.probabilities).enumerate();
        rows.map(|(row, (&sample, probabilities))| Prediction {
            sample,
            probabilities,
            branches: branches
                .iter_mut()
                .map(|(name, rows)| (*name, std::mem::take(&mut rows[row])))
                .collect(),
        })
        .collect()
    }
}

/// The rows of `[batch, answers]`.
fn rows(probabilities: Tensor<2>) -> Result<Vec<Vec<f32>>, DeviceFailure> {
    let [_, answers] = probabilities.dims();
    let data = probabilities
        .try_into_data()
        .map_err(|error| DeviceFailure::of_error(&error.to_string()))?;
    let all: Vec<f32> = data.iter::<f32>().collect();
    Ok(all.chunks(answers).map(<[f32]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_doubt_about_a_question_is_told() {
        let words = |words: &[(&str, bool)]| -> Vec<(String, bool)> {
            let owned = words
                .iter()
                .map(|(word, known)| ((*word).to_owned(), *known));
            owned.collect()
        };
        for (question, read, expected) in [
            ("what?", words(&[("what", true), ("?", true)]), &[][..]),
            ("?!", words(&[("?", true), ("!", true)]), &["no word"]),
            ("？", words(&[("？", false)]), &["no word", "1 of 1 word"]),
            (
                "a b c d",
                words(&[("a", true), ("b", false), ("c", false), ("d", false)]),
                &["3 of 4 words", "reads the first 3"],
            ),
            ("什么", words(&[("什么", true)]), &[]),
        ] {
            let found = doubts(question, &read, 3);
            assert_eq!(found.len(), expected.len(), "{question}: {found:?}");
            for (doubt, words) in found.iter().zip(expected) {
                assert!(doubt.contains(words), "{question}: {doubt}");
            }
        }
    }
}
