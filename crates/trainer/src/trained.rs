//! A trained model: evaluation and answers.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use config_schema::{Config, count};
use data_pipeline::{DataError, Encoder, Split};
use file_kind::shortened;
use model_api::{DeviceBatch, Model, Sight};

use crate::checkpoint::{Checkpoints, Rejected};
use crate::dataset::{Dataset, evaluation_loader};
use crate::error::TrainError;
use crate::evaluate::{Accuracy, Evaluation};
use crate::event::{Observer, Purpose};
use crate::memory::{Controller, Watch};
use crate::run_dir::{Blueprint, read_blueprint};
use crate::scheduler::MicroBatchScheduler;
use crate::training::evaluation_limits;

/// Most unknown words that a sentence names.
const NAMED_WORDS: usize = 5;

/// A checkpoint of a run, ready to answer.
#[derive(Debug)]
pub struct Trained<M> {
    model: M,
    encoder: Arc<Encoder>,
    device: Device,
    /// Step that the checkpoint was written at.
    pub step: usize,
    /// Newer checkpoints that cannot be used, and so did not say which is the best.
    pub rejected: Vec<Rejected>,
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
    /// When the folder is not a run, or this checkpoint is gone or cannot be used.
    pub fn open_at(
        run_dir: &Path,
        step: Option<usize>,
        settings: &Config,
        device: &Device,
    ) -> Result<Self, TrainError> {
        let Blueprint { encoder, model } = read_blueprint::<M::Config>(run_dir, settings)?;
        let checkpoints = Checkpoints::of(run_dir);
        let (weights, rejected) = match step {
            Some(step) => (checkpoints.of_step(step)?, Vec::new()),
            None => checkpoints.best()?,
        };
        Ok(Self {
            model: weights.load_model(M::init(&model, device))?,
            encoder,
            device: device.clone(),
            step: weights.step,
            rejected,
        })
    }

    /// The model.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// Evaluates on a split of a data set, such as the run's. Where memory runs out, `observer` hears of the smaller
    /// micro-batches.
    ///
    /// # Errors
    ///
    /// When the data cannot be read, when the split has no answers, and when not even one sample fits.
    pub fn evaluate(
        &self,
        settings: &Config,
        dataset: &Dataset,
        split: Split,
        observer: &mut dyn Observer,
    ) -> Result<Accuracy, TrainError> {
        let source = dataset.split(split).clone();
        if !source.has_answers() {
            let split = source.place();
            return Err(DataError::NoAnswers { split }.into());
        }
        let loader = evaluation_loader(settings, source, self.encoder.clone())?;
        let limits = evaluation_limits(settings, None);
        let mut scheduler = MicroBatchScheduler {
            watch: &Watch::new(&self.device, None, None, None),
            device: &self.device,
            limits,
            controller: &mut Controller::new(limits, None),
            purpose: Purpose::Evaluation,
            parallel: 1,
            step: self.step,
            report: &mut |event| {
                observer.observe(&event);
                Ok(())
            },
        };
        let (mut evaluation, sight) = (Evaluation::default(), Sight::Images);
        let (model, encoder) = (&self.model, &self.encoder);
        evaluation.go_on(model, &loader, encoder, sight, &mut scheduler, &|| false)?;
        Ok(evaluation.accuracy())
    }

    /// What the model cannot make out of a question, each a sentence for the user: that it has no word, that most of its words
    /// are unknown, that its end is cut off. Nothing where it reads all of it.
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
        let answers = &self.encoder.answers;
        let batch = DeviceBatch::upload(&batch, &self.encoder, Sight::Images, &self.device);
        let probabilities: Vec<f64> = self
            .model
            .answer(batch)
            .probabilities
            .into_data()
            .iter::<f64>()
            .collect();
        let mut ranked: Vec<_> = probabilities.into_iter().enumerate().collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        let named = ranked
            .into_iter()
            .take(count)
            .filter_map(|(index, probability)| {
                Some(Answer {
                    answer: answers.answers().get(index)?.clone(),
                    probability,
                })
            });
        Ok(named.collect())
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
