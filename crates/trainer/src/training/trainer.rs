//! What a run is made of, and its way through the epochs.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use burn::tensor::Device;
use data_pipeline::{Encoder, Loader};

use super::memory::RunMemory;
use super::reporter::Reporter;
use super::run::Run;
use super::step::Stepped;
use crate::advice::Tally;
use crate::batch::Sight;
use crate::checkpoint::{Best, Checkpoints, RunState};
use crate::dataset::{Dataset, evaluation_loader, training_loader};
use crate::error::TrainError;
use crate::evaluate::{Accuracy, evaluate};
use crate::event::{Event, Purpose};
use crate::memory::{OutOfMemory, Phase};
use crate::model::Model;
use crate::optimizers::Optimizers;
use crate::parameters::count;
use crate::plan::WorstCase;
use crate::run_dir::Blueprint;
use crate::start;
use crate::steps::Steps;
use crate::stopwatch::Stopwatch;
use crate::window::Window;

/// What stays the same through a run.
pub(super) struct Trainer<'a, M> {
    pub(super) run: &'a Run<'a>,
    pub(super) dataset: Dataset,
    pub(super) device: Device,
    pub(super) checkpoints: Checkpoints,
    pub(super) encoder: Arc<Encoder>,
    pub(super) training: Loader,
    validation: Arc<Loader>,
    pub(super) steps: Steps,
    pub(super) reporter: Reporter<'a>,
    pub(super) memory: RunMemory<'a>,
    clock: Stopwatch,
    pub(super) tally: Tally,
    /// Where this process began, if it has.
    first: Option<First>,
    /// The step whose update was lost last.
    lost: Option<usize>,
    model: std::marker::PhantomData<M>,
}

struct First {
    step: usize,
    train_seconds: f64,
}

/// How learning ended.
pub(super) enum Learned<M> {
    /// At the last step of the run, or where it was stopped.
    Ended { model: M, whole: bool },
    /// The model was lost for want of memory.
    Lost(OutOfMemory),
}

impl<'a, M: Model> Trainer<'a, M> {
    pub(super) fn new(
        run: &'a Run<'a>,
        dataset: Dataset,
        blueprint: &Blueprint<M::Config>,
        reporter: Reporter<'a>,
        memory: RunMemory<'a>,
    ) -> Result<Self, TrainError> {
        let settings = run.settings;
        let encoder = blueprint.encoder.clone();
        let training = training_loader(settings, dataset.train.clone(), encoder.clone())?;
        let validation = evaluation_loader(settings, dataset.validation.clone(), encoder.clone())?;
        let steps = Steps::of(settings, dataset.train.samples().len());
        Ok(Self {
            run,
            device: run.device.clone().autodiff(),
            checkpoints: Checkpoints::of(run.run_dir),
            dataset,
            encoder,
            training,
            validation: Arc::new(validation),
            steps,
            reporter,
            memory,
            clock: Stopwatch::start(),
            tally: Tally::default(),
            first: None,
            lost: None,
            model: std::marker::PhantomData,
        })
    }

    /// A model with its first weights, which depend on the run's seed alone, and optimizers without state.
    pub(super) fn fresh(&self, config: &M::Config) -> (M, Optimizers) {
        let settings = self.run.settings;
        let model = start::fresh(settings, config, &self.device);
        self.memory.watch.note(Phase::Storage);
        (model, Optimizers::new(settings))
    }

    /// The model with the published weights that the run began with, if it did.
    pub(super) fn pretrained(&mut self, model: M) -> Result<M, TrainError> {
        let (model, pretrained) = start::kept(self.run.run_dir, model)?;
        if let Some(pretrained) = pretrained {
            self.reporter.report(&Event::Pretrained(pretrained))?;
        }
        Ok(model)
    }

    /// Where a run stands that has not begun.
    pub(super) fn start_state(&self) -> Result<RunState, TrainError> {
        let sizes = self.memory.start::<M>(&|| self.worst_case())?;
        Ok(RunState::start(sizes))
    }

    pub(super) fn worst_case(&self) -> WorstCase {
        WorstCase::of(&self.encoder, self.dataset.train.samples())
    }

    /// Takes up the run at its newest whole checkpoint, or at its start when it was stopped before the first.
    pub(super) fn restore(
        &mut self,
        model: M,
        optimizers: &mut Optimizers,
    ) -> Result<(M, RunState), TrainError> {
        let (newest, rejected) = self.checkpoints.newest();
        let Some(newest) = newest else {
            if rejected.is_empty() {
                let state = self.start_state()?;
                self.reporter.rewind(&state)?;
                return Ok((model, state));
            }
            return Err(TrainError::no_checkpoint(self.run.run_dir, rejected));
        };
        self.reporter.rewind(&newest.state)?;
        self.reporter.warn_of(rejected)?;
        let model = newest.load_model(model)?;
        newest.load_optimizers(optimizers)?;
        self.memory.watch.note(Phase::Storage);
        let mut state = newest.state;
        state.micro_batches = self
            .memory
            .resumed::<M>(state.micro_batches, &|| self.worst_case())?;
        Ok((model, state))
    }

    /// Goes back to the newest whole checkpoint after an update was lost, with the sizes that are known by now.
    pub(super) fn go_back(
        &mut self,
        model: M,
        optimizers: &mut Optimizers,
        state: &mut RunState,
        cause: &OutOfMemory,
    ) -> Result<M, TrainError> {
        self.device.memory_cleanup();
        let from = state.step;
        let (model, restored) = self.restore(model, optimizers)?;
        let sizes = state.micro_batches.clone();
        *state = restored;
        state.micro_batches = sizes;
        self.reporter.report(&Event::WentBack {
            from,
            to: state.step,
            cause: cause.to_string(),
        })?;
        Ok(model)
    }

    /// Takes note of a lost update.
    ///
    /// # Errors
    ///
    /// When the same one was lost before, since it would be again.
    pub(super) fn lose(&mut self, step: usize, cause: OutOfMemory) -> Result<(), TrainError> {
        if self.lost.replace(step) == Some(step) {
            return Err(TrainError::DoesNotFit { cause });
        }
        Ok(())
    }

    pub(super) fn report_start(&mut self, model: &M, state: &RunState) -> Result<(), TrainError> {
        let splits = [
            &self.dataset.train,
            &self.dataset.validation,
            &self.dataset.test,
        ];
        let settings = self.run.settings;
        self.reporter.report(&Event::Start {
            run_dir: self.run.run_dir.to_owned(),
            device: self.run.device_name.to_owned(),
            dataset: settings.dataset.name.to_string(),
            samples: splits.map(|split| split.samples().len()),
            vocabulary: self.encoder.vocabulary.len(),
            answers: self.encoder.answers.len(),
            parameters: count(model),
            effective_batch: settings.effective_batch(),
            micro_batch: settings.training.batch_size,
            budget_bytes: self.memory.watch.budget(),
            total_steps: self.steps.total,
            step: state.step,
        })
    }

    /// Takes steps until the last one, until stopped, or until the model is lost.
    pub(super) fn learn(
        &mut self,
        mut model: M,
        optimizers: &mut Optimizers,
        state: &mut RunState,
    ) -> Result<Learned<M>, TrainError> {
        let settings = self.run.settings;
        let first = self.first.get_or_insert(First {
            step: state.step,
            train_seconds: state.train_seconds,
        });
        let (first_step, seconds_before) = (first.step, first.train_seconds);
        let mut window = Window::new();
        if state.validation_due {
            if let Err(error) = self.validate(&model, state) {
                return Err(self.save_before(error, &model, optimizers, state));
            }
            self.save(&model, optimizers, state)?;
        }
        while state.step < self.steps.total {
            let mut batches = self
                .training
                .epoch(state.epoch as u64, state.step_in_epoch)?;
            let mut first_of_epoch = true;
            loop {
                let clock = Stopwatch::start();
                let Some(batch) = batches.next() else { break };
                let batch = match batch {
                    Ok(batch) => batch,
                    Err(error) => {
                        state.train_seconds = seconds_before + self.clock.seconds();
                        return Err(self.save_before(error.into(), &model, optimizers, state));
                    }
                };
                let waited = clock.seconds();
                let (loss, update);
                match self.step(model, optimizers, &batch, state, Sight::Images)? {
                    Stepped::Done {
                        model: updated,
                        loss: its_loss,
                        update: its_update,
                    } => (model, loss, update) = (updated, its_loss, its_update),
                    Stepped::Lost(cause) => {
                        self.lose(state.step, cause)?;
                        return Ok(Learned::Lost(cause));
                    }
                }
                if !std::mem::take(&mut first_of_epoch) {
                    self.tally.add(clock.seconds(), waited);
                }
                state.step += 1;
                state.step_in_epoch += 1;
                window.add(loss, &update, batch.len());
                self.reporter.tick(state.step);

                let last = state.step == self.steps.total;
                let epoch_ends = state.step_in_epoch == self.steps.per_epoch;
                if last || state.step.is_multiple_of(settings.logging.every_steps) {
                    self.log(&window, state)?;
                    window = Window::new();
                }
                if epoch_ends {
                    state.epoch += 1;
                    state.step_in_epoch = 0;
                }
                if last
                    || epoch_ends && state.epoch.is_multiple_of(settings.evaluation.every_epochs)
                {
                    if let Err(error) = self.validate(&model, state) {
                        state.train_seconds = seconds_before + self.clock.seconds();
                        return Err(self.save_before(error, &model, optimizers, state));
                    }
                }
                let stopped = self.run.stop.load(Ordering::Relaxed)
                    || self
                        .run
                        .stop_after
                        .is_some_and(|steps| state.step.saturating_sub(first_step) >= steps);
                let every = settings.checkpoint.every_steps;
                if last || epoch_ends || stopped || every > 0 && state.step.is_multiple_of(every) {
                    state.train_seconds = seconds_before + self.clock.seconds();
                    self.save(&model, optimizers, state)?;
                }
                if last || stopped {
                    return Ok(Learned::Ended { model, whole: last });
                }
                if epoch_ends {
                    break;
                }
            }
        }
        Ok(Learned::Ended { model, whole: true })
    }

    /// Reports the steps since the last report, and the memory that they took.
    fn log(&mut self, window: &Window, state: &RunState) -> Result<(), TrainError> {
        let sizes = &state.micro_batches;
        let sizes = [sizes.training.size(), sizes.evaluation.size()];
        let sample = self.memory.watch.sample(state.step, sizes);
        if let Some(sample) = &sample {
            self.reporter.memory(sample)?;
        }
        let report = window.report(state, sample.map(|sample| sample.peak_bytes));
        self.reporter.report(&report)
    }

    fn validate(&mut self, model: &M, state: &mut RunState) -> Result<(), TrainError> {
        let validation = self.validation.clone();
        state.validation_due = true;
        let Accuracy {
            accuracy,
            branches,
            samples,
        } = self.evaluate(model, &validation, Sight::Images, state)?;
        state.validation_due = false;
        if state.best.is_none_or(|best| accuracy > best.accuracy) {
            state.best = Some(Best {
                accuracy,
                step: state.step,
            });
        }
        self.reporter.report(&Event::Evaluation {
            step: state.step,
            split: "validation",
            accuracy,
            branches,
            samples,
        })
    }

    pub(super) fn evaluate(
        &mut self,
        model: &M,
        loader: &Loader,
        sight: Sight,
        state: &mut RunState,
    ) -> Result<Accuracy, TrainError> {
        // Evaluation and training each have what a pool holds to themselves, so that they can be told apart.
        self.device.memory_cleanup();
        let reporter = &mut self.reporter;
        let mut report = |event| reporter.report(&event);
        let mut sizing = self.memory.sizing(
            Purpose::Evaluation,
            &mut state.micro_batches,
            &self.device,
            state.step,
            &mut report,
        );
        let evaluated = evaluate(model, loader, &self.encoder, sight, &mut sizing);
        self.device.memory_cleanup();
        evaluated
    }

    pub(super) fn save(
        &mut self,
        model: &M,
        optimizers: &Optimizers,
        state: &mut RunState,
    ) -> Result<(), TrainError> {
        self.reporter.sync(state)?;
        let path = self.checkpoints.save(model, optimizers, state)?;
        if let Some(best) = state.best {
            self.checkpoints.mark_best(best)?;
        }
        self.checkpoints
            .prune(self.run.settings.checkpoint.keep_last, state.best)?;
        self.memory.watch.note(Phase::Storage);
        self.reporter.report(&Event::Checkpoint {
            step: state.step,
            path,
        })
    }
}
