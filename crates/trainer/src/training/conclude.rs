//! The end of a run: its result and the baselines.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::Ordering;
use std::thread::available_parallelism;

use data_pipeline::{DataError, accuracy_of_constant, majority_answer};
use model_api::{Model, Sight};

use super::steps::earlier;
use super::trainer::{Learned, Trainer};
use crate::advice::advise;
use crate::checkpoint::RunState;
use crate::dataset::evaluation_loader;
use crate::error::TrainError;
use crate::evaluate::{Accuracy, Evaluation};
use crate::event::{Event, Summary};
use crate::memory::Phase;
use crate::optim::LossScale;

impl<M: Model> Trainer<'_, M> {
    /// Evaluates the best checkpoint and the baselines; a stopped run (no model) has the majority only.
    pub(super) fn conclude(
        mut self,
        model: Option<M>,
        config: &M::Config,
        state: &mut RunState,
    ) -> Result<Summary, TrainError> {
        let answers = &self.encoder.answers;
        let majority = majority_answer(self.dataset.train.samples(), answers);
        let settings = self.run.settings;
        let (memory, ran_out) = (&self.memory, self.reporter.ran_out);
        let worst = || self.worst_case();
        let measured = memory.measured::<M>(&state.micro_batches, &worst, ran_out, &self.tally);
        let cores = available_parallelism().ok().map(NonZero::get);
        let before = measured.is_empty().then(|| earlier(self.run)).flatten();
        let mut summary = Summary {
            test_accuracy: None,
            test_unmeasured: None,
            branch_accuracy: BTreeMap::new(),
            validation_accuracy: state.best.map(|best| best.accuracy),
            majority_accuracy: self
                .dataset
                .test
                .has_answers()
                .then(|| accuracy_of_constant(self.dataset.test.samples(), answers, majority)),
            majority_answer: answers.answers().get(majority).cloned().unwrap_or_default(),
            question_only_accuracy: None,
            question_only_unmeasured: None,
            steps: state.step,
            total_steps: self.steps.total,
            ended_early: model.is_some() && state.step < self.steps.total,
            train_seconds: state.train_seconds,
            run_dir: self.run.run_dir.to_owned(),
            advice: match before {
                Some(before) => before.advice,
                None => advise(settings, measured, cores),
            },
        };
        if model.is_some() && !self.dataset.test.has_answers() {
            let split = self.dataset.test.place();
            let unmeasured = DataError::NoAnswers { split }.to_string();
            self.reporter.report(&Event::Warning {
                message: unmeasured.clone(),
            })?;
            summary.question_only_unmeasured = Some(unmeasured.clone());
            summary.test_unmeasured = Some(unmeasured);
        } else if let Some(model) = model {
            let (best, step) = self.load_best(model)?;
            let tested = self.test(&best, Sight::Images, state)?;
            drop(best);
            let Some(tested) = tested else {
                return self.end(summary);
            };
            let Accuracy {
                accuracy,
                branches,
                samples,
            } = tested;
            self.reporter.report(&Event::Evaluation {
                step,
                split: "test",
                accuracy,
                branches: branches.clone(),
                samples,
            })?;
            summary.test_accuracy = Some(accuracy);
            summary.branch_accuracy = branches
                .into_iter()
                .map(|(name, accuracy)| (name.to_owned(), accuracy))
                .collect();
            // The result is there, whatever becomes of the baseline.
            self.reporter.run_dir.write_summary(&summary)?;
            match self.question_only(config, state) {
                Ok(accuracy) => summary.question_only_accuracy = accuracy,
                Err(TrainError::DoesNotFit { cause }) => {
                    summary.question_only_unmeasured = Some(cause.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        self.end(summary)
    }

    fn end(&mut self, summary: Summary) -> Result<Summary, TrainError> {
        // Before anybody is told that the run can go on.
        self.reporter.run_dir.require_whole()?;
        self.reporter
            .report(&Event::Summary(Box::new(summary.clone())))?;
        self.reporter.run_dir.write_summary(&summary)?;
        Ok(summary)
    }

    /// The best checkpoint, and the step that it was saved at.
    fn load_best(&mut self, model: M) -> Result<(M, usize), TrainError> {
        let (best, rejected) = self.checkpoints.best()?;
        self.reporter.warn_of(rejected)?;
        let step = best.step;
        let model = best.load_model(model)?;
        self.memory.watch.note(Phase::Storage);
        Ok((model, step))
    }

    /// Evaluates on the test split, of which nothing stays in memory. None if the run was stopped meanwhile.
    fn test(
        &mut self,
        model: &M,
        sight: Sight,
        state: &mut RunState,
    ) -> Result<Option<Accuracy>, TrainError> {
        let (split, encoder) = (self.dataset.test.clone(), self.encoder.clone());
        let loader = evaluation_loader(self.run.settings, split, encoder)?;
        let mut evaluation = Evaluation::default();
        while !self.evaluate(&mut evaluation, model, &loader, sight, state)? {
            // All there is to save was saved after the last step.
            self.run.save.store(false, Ordering::Relaxed);
            if self.stop_requested() {
                return Ok(None);
            }
        }
        Ok(Some(evaluation.accuracy()))
    }

    /// Test accuracy of a model that was trained without ever seeing an image.
    fn question_only(
        &mut self,
        config: &M::Config,
        state: &RunState,
    ) -> Result<Option<f64>, TrainError> {
        let settings = self.run.settings;
        let epochs = settings
            .evaluation
            .question_only_epochs
            .min(settings.training.epochs);
        if epochs == 0 {
            return Ok(None);
        }
        self.steps.total = self.steps.total.min(epochs * self.steps.per_epoch);
        self.reporter.report(&Event::QuestionOnly {
            total_steps: self.steps.total,
        })?;
        let scale = LossScale::of(settings);
        let mut state = RunState::start(state.micro_batches.clone(), scale);
        let model = loop {
            let (model, mut optimizers) = self.fresh(config);
            let model = self.pretrained(model)?;
            match self.learn(model, &mut optimizers, &mut state, Sight::ZeroedImage)? {
                Learned::Ended { whole: false, .. } => return Ok(None),
                Learned::Ended { model, .. } => break optimizers.averaged(&model),
                Learned::Lost(cause) => {
                    let from = state.step;
                    state = RunState::start(state.micro_batches, scale);
                    self.reporter.report(&Event::WentBack {
                        from,
                        to: 0,
                        cause: cause.to_string(),
                    })?;
                }
            }
        };
        let tested = self.test(&model, Sight::ZeroedImage, &mut state)?;
        Ok(tested.map(|tested| tested.accuracy))
    }
}
