//! What a run is made of, and its way through the epochs.
//!
//! One file because a run is read from its first step to its last: what it saves depends on where in the loop it is.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use burn::tensor::Device;
use data_pipeline::{Batch, Encoder, Loader};
use model_api::{DeviceBatch, Model, Sight};

use super::memory::RunMemory;
use super::reporter::Reporter;
use super::run::Run;
use crate::advice::Tally;
use crate::checkpoint::{Best, Checkpoints, RunState, Sums};
use crate::dataset::{Dataset, training_loader, validation_loader};
use crate::error::TrainError;
use crate::evaluate::{Accuracy, Evaluation};
use crate::event::{Event, Purpose};
use crate::host::HostPlan;
use crate::memory::{OutOfMemory, Phase};
use crate::optim::Optimizers;
use crate::optim::Progress;
use crate::plan::WorstCase;
use crate::run_dir::Blueprint;
use crate::step::dropout::dropout_keys;
use crate::step::{EffectiveBatch, Step, Stepped};
use crate::time::Stopwatch;
use crate::training::steps::{Steps, has_ended};
use crate::training::window::Window;

/// What stays the same through a run.
pub(super) struct Trainer<'a, M> {
    pub(super) run: &'a Run<'a>,
    pub(super) dataset: Dataset,
    pub(super) device: Device,
    pub(super) checkpoints: Checkpoints,
    pub(super) encoder: Arc<Encoder>,
    pub(super) training: Loader,
    pub(super) validation: Arc<Loader>,
    pub(super) steps: Steps,
    pub(super) reporter: Reporter<'a>,
    pub(super) memory: RunMemory<'a>,
    clock: Stopwatch,
    pub(super) tally: Tally,
    /// Where this process began to learn, if it has.
    began: Option<Began>,
    /// The step whose update was lost last.
    pub(super) lost: Option<usize>,
    model: std::marker::PhantomData<M>,
}

struct Began {
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
        host: &HostPlan,
        reporter: Reporter<'a>,
        memory: RunMemory<'a>,
    ) -> Result<Self, TrainError> {
        let settings = run.settings;
        let encoder = blueprint.encoder.clone();
        let (train, validation) = (dataset.train.clone(), dataset.validation.clone());
        let training = training_loader(settings, train, encoder.clone(), host.training_limit)?;
        let limit = host.validation_limit;
        let validation = validation_loader(settings, validation, encoder.clone(), limit)?;
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
            began: None,
            lost: None,
            model: std::marker::PhantomData,
        })
    }

    pub(super) fn worst_case(&self) -> WorstCase {
        WorstCase::of(&self.encoder, self.dataset.train.samples())
    }

    /// Takes steps until the last one, until stopped, or until the model is lost. Those with the images are the run: they
    /// are reported, evaluated and saved.
    pub(super) fn learn(
        &mut self,
        mut model: M,
        optimizers: &mut Optimizers,
        state: &mut RunState,
        sight: Sight,
    ) -> Result<Learned<M>, TrainError> {
        let recorded = sight == Sight::Images;
        let mut window = Window::new(state.window);
        if recorded {
            self.began.get_or_insert(Began {
                step: state.step,
                train_seconds: state.train_seconds,
            });
            if state.validation_due && !self.validate(&model, optimizers, state)? {
                return Ok(Learned::Ended {
                    model,
                    whole: false,
                });
            }
        }
        while !self.ended(state) {
            if self.stop_requested() {
                return Ok(Learned::Ended {
                    model,
                    whole: false,
                });
            }
            let mut batches = self
                .training
                .epoch(state.epoch as u64, state.step_in_epoch)?;
            let mut first_of_epoch = true;
            let mut epoch_ends = false;
            while !epoch_ends {
                let clock = Stopwatch::start();
                let Some(batch) = batches.next() else { break };
                let batch = match batch {
                    Ok(batch) => batch,
                    Err(error) if recorded => {
                        return Err(self.save_before(error.into(), &model, optimizers, state));
                    }
                    Err(error) => return Err(error.into()),
                };
                let waited = clock.seconds();
                let (loss, update);
                match self.step(model, optimizers, &batch, state, sight)? {
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
                if recorded && !std::mem::take(&mut first_of_epoch) {
                    self.tally.add(clock.seconds(), waited);
                }
                state.step += 1;
                state.step_in_epoch += 1;
                self.reporter.tick(state.step);
                if recorded {
                    window.add(loss, &update, batch.len());
                    self.log(&mut window, state)?;
                }
                epoch_ends = state.step_in_epoch == self.steps.per_epoch;
                if epoch_ends {
                    state.epoch += 1;
                    state.step_in_epoch = 0;
                }
                let goes_on = if recorded {
                    self.keep(&model, optimizers, state, epoch_ends)?
                } else {
                    !self.stop_requested()
                };
                let ended = self.ended(state);
                if ended || !goes_on {
                    return Ok(Learned::Ended {
                        model,
                        whole: ended,
                    });
                }
            }
        }
        Ok(Learned::Ended { model, whole: true })
    }

    /// One step over one batch.
    fn step(
        &mut self,
        model: M,
        optimizers: &mut Optimizers,
        batch: &Batch,
        state: &mut RunState,
        sight: Sight,
    ) -> Result<Stepped<M>, TrainError> {
        let step = Step {
            watch: &self.memory.watch,
            device: &self.device,
            at: Progress {
                step: state.step,
                total_steps: self.steps.total,
                epoch: state.epoch,
            },
        };
        let batch = LoadedBatch {
            batch,
            encoder: &self.encoder,
            device: &self.device,
            sight,
            seed: self.run.settings.training.seed,
            step: state.step,
        };
        let reporter = &mut self.reporter;
        let mut report = |event| reporter.report(&event);
        let mut scheduler = self.memory.scheduler(
            Purpose::Training,
            &mut state.micro_batches,
            &self.device,
            state.step,
            &mut report,
        );
        let scale = &mut state.loss_scale;
        step.take(model, optimizers, &batch, &mut scheduler, scale)
    }

    /// Evaluates and saves where that is due or asked for after a step. Returns whether the run may go on.
    fn keep(
        &mut self,
        model: &M,
        optimizers: &Optimizers,
        state: &mut RunState,
        epoch_ends: bool,
    ) -> Result<bool, TrainError> {
        let settings = self.run.settings;
        let evaluation = &settings.evaluation;
        let by_epoch = epoch_ends && state.epoch.is_multiple_of(evaluation.every_epochs);
        if self.ended(state) || by_epoch || is_due(state.step, evaluation.every_steps) {
            return self.validate(model, optimizers, state);
        }
        let asked = self.run.save.swap(false, Ordering::Relaxed);
        let stopped = self.stop_requested() || self.ran_its_steps(state.step);
        let due = is_due(state.step, settings.checkpoint.every_steps);
        if epoch_ends || stopped || asked || due {
            self.save(model, optimizers, state)?;
        }
        Ok(!stopped)
    }

    /// Whether there is nothing left to learn: all steps are taken, or patience has run out.
    fn ended(&self, state: &RunState) -> bool {
        has_ended(self.run.settings, state, self.steps.total)
    }

    pub(super) fn stop_requested(&self) -> bool {
        self.run.stop.load(Ordering::Relaxed)
    }

    /// Whether this process took the steps that it was asked for.
    fn ran_its_steps(&self, step: usize) -> bool {
        let first = self.began.as_ref().map_or(step, |began| began.step);
        let taken = step.saturating_sub(first);
        self.run.stop_after.is_some_and(|steps| taken >= steps)
    }

    /// Reports the steps since the last report, and the memory that they took, where a report is due.
    fn log(&mut self, window: &mut Window, state: &mut RunState) -> Result<(), TrainError> {
        let due = state
            .step
            .is_multiple_of(self.run.settings.logging.every_steps);
        if !due && state.step < self.steps.total {
            state.window = window.sums();
            return Ok(());
        }
        let sizes = &state.micro_batches;
        let sizes = [sizes.training.size(), sizes.evaluation.size()];
        let sample = self.memory.watch.sample(state.step, sizes);
        if let Some(sample) = &sample {
            self.reporter.memory(sample)?;
        }
        let report = window.report(state, sample.map(|sample| sample.peak_bytes));
        *window = Window::new(Sums::default());
        state.window = window.sums();
        self.reporter.report(&report)
    }

    /// Evaluates on the validation split and saves. Returns whether the run may go on. A run that is stopped meanwhile saves
    /// that the evaluation is due.
    fn validate(
        &mut self,
        model: &M,
        optimizers: &Optimizers,
        state: &mut RunState,
    ) -> Result<bool, TrainError> {
        let validation = self.validation.clone();
        state.validation_due = true;
        let averaged = optimizers.averaged(model);
        let mut evaluation = Evaluation::default();
        while !self
            .evaluate(
                &mut evaluation,
                &averaged,
                &validation,
                Sight::Images,
                state,
            )
            .map_err(|error| self.save_before(error, model, optimizers, state))?
        {
            self.run.save.store(false, Ordering::Relaxed);
            self.save(model, optimizers, state)?;
            if self.stop_requested() {
                return Ok(false);
            }
        }
        state.validation_due = false;
        let Accuracy {
            accuracy,
            branches,
            samples,
        } = evaluation.accuracy();
        if state.best.is_none_or(|best| accuracy > best.accuracy) {
            state.best = Some(Best {
                accuracy,
                step: state.step,
            });
            state.since_best = 0;
        } else {
            state.since_best += 1;
        }
        self.reporter.report(&Event::Evaluation {
            step: state.step,
            split: "validation",
            accuracy,
            branches,
            samples,
        })?;
        if let Some(best) = state.best
            && state.step < self.steps.total
            && self.ended(state)
        {
            self.reporter.report(&Event::EarlyEnd {
                step: state.step,
                since_best: state.since_best,
                best_step: best.step,
            })?;
        }
        self.run.save.store(false, Ordering::Relaxed);
        self.save(model, optimizers, state)?;
        Ok(!self.stop_requested() && !self.ran_its_steps(state.step))
    }

    /// Goes on with an evaluation to its end, or until the run is asked to stop or to save. Returns whether the end was
    /// reached.
    pub(super) fn evaluate(
        &mut self,
        evaluation: &mut Evaluation,
        model: &M,
        loader: &Loader,
        sight: Sight,
        state: &mut RunState,
    ) -> Result<bool, TrainError> {
        // Evaluation and training each have what a pool holds to themselves, so that they can be told apart.
        self.device.memory_cleanup();
        let run = self.run;
        let asked = || run.stop.load(Ordering::Relaxed) || run.save.load(Ordering::Relaxed);
        let reporter = &mut self.reporter;
        let mut report = |event| reporter.report(&event);
        let mut scheduler = self.memory.scheduler(
            Purpose::Evaluation,
            &mut state.micro_batches,
            &self.device,
            state.step,
            &mut report,
        );
        let encoder = &self.encoder;
        let evaluated = evaluation.go_on(model, loader, encoder, sight, &mut scheduler, &asked);
        self.device.memory_cleanup();
        evaluated
    }

    fn save(
        &mut self,
        model: &M,
        optimizers: &Optimizers,
        state: &mut RunState,
    ) -> Result<(), TrainError> {
        if let Some(began) = &self.began {
            state.train_seconds = began.train_seconds + self.clock.seconds();
        }
        self.reporter.sync()?;
        let path = self.checkpoints.save(model, optimizers, state)?;
        self.prune(state)?;
        self.memory.watch.note(Phase::Storage);
        self.reporter.report(&Event::Checkpoint {
            step: state.step,
            path,
        })
    }

    /// Removes checkpoints that the run keeps no longer, and warns where the best one is gone.
    pub(super) fn prune(&mut self, state: &RunState) -> Result<(), TrainError> {
        let keep = self.run.settings.checkpoint.keep_last;
        self.checkpoints.prune(keep, state.step, state.best)?;
        match self.checkpoints.lost(state.best) {
            Some(lost) => self.reporter.warn(lost),
            None => Ok(()),
        }
    }

    /// Saves the steps that were taken when the data failed, and says where the run goes on. Any other error stays as it
    /// is.
    fn save_before(
        &mut self,
        error: TrainError,
        model: &M,
        optimizers: &Optimizers,
        state: &mut RunState,
    ) -> TrainError {
        let TrainError::Data(source) = error else {
            return error;
        };
        // Before the first step there is nothing to save.
        if state.step > 0
            && let Err(error) = self.save(model, optimizers, state)
        {
            return error;
        }
        TrainError::DataFailed {
            step: state.step,
            run_dir: self.run.run_dir.to_owned(),
            source: Box::new(source),
        }
    }
}

/// Whether something that happens every this many steps is due after a step; 0: it never is.
fn is_due(step: usize, every: usize) -> bool {
    every > 0 && step.is_multiple_of(every)
}

/// A batch of the loader as a model is shown it.
struct LoadedBatch<'a> {
    batch: &'a Batch,
    encoder: &'a Encoder,
    device: &'a Device,
    sight: Sight,
    seed: u64,
    step: usize,
}

impl EffectiveBatch for LoadedBatch<'_> {
    fn samples(&self) -> usize {
        self.batch.len()
    }

    fn upload(&self, slice: &Range<usize>) -> DeviceBatch {
        let part = self.batch.slice(slice.clone());
        let inputs = DeviceBatch::upload(&part, self.encoder, self.sight, self.device);
        let dropout = dropout_keys(&part, self.sight, self.seed, self.step, self.device);
        DeviceBatch {
            dropout: Some(dropout),
            ..inputs
        }
    }
}
