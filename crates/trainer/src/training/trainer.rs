//! What a run is made of, and its way through the epochs.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use burn::tensor::Device;
use config_schema::Preload;
use data_pipeline::{Encoder, Loader};
use model_api::{Model, Sight};

use super::memory::RunMemory;
use super::reporter::Reporter;
use super::run::Run;
use super::step::Stepped;
use super::told::newest_checkpoint;
use crate::advice::Tally;
use crate::checkpoint::{Best, Checkpoints, RunState, Sums};
use crate::dataset::{Dataset, training_loader, validation_loader};
use crate::error::TrainError;
use crate::evaluate::{Accuracy, evaluate};
use crate::event::{Event, Purpose};
use crate::host::HostPlan;
use crate::memory::{OutOfMemory, Phase};
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
        (model, Optimizers::of::<M>(settings))
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

    /// Takes up the run of an earlier process.
    pub(super) fn resume(
        &mut self,
        model: M,
        optimizers: &mut Optimizers,
    ) -> Result<(M, RunState), TrainError> {
        let last = self.reporter.last_step()?;
        let (model, state) = self.restore(model, optimizers)?;
        // Without a checkpoint the log is all that is left of the steps, so it stays as it is.
        if state.step > 0 {
            self.reporter.take_back(state.step)?;
        }
        if let Some(from) = last.filter(|last| *last > state.step) {
            self.reporter.report(&Event::WentBack {
                from,
                to: state.step,
                cause: "the process that took these steps ended before it saved a checkpoint"
                    .to_owned(),
            })?;
        }
        Ok((model, state))
    }

    /// The newest whole checkpoint, or the start of a run that was stopped before the first.
    fn restore(
        &mut self,
        model: M,
        optimizers: &mut Optimizers,
    ) -> Result<(M, RunState), TrainError> {
        let told = self.reporter.last_checkpoint()?;
        let (newest, rejected) = newest_checkpoint(self.run.run_dir, told)?;
        let Some(newest) = newest else {
            return Ok((model, self.start_state()?));
        };
        let step = newest.state.step;
        self.reporter.warn_of(rejected)?;
        if told.is_none_or(|told| told < step) {
            // The process was killed in between.
            self.reporter.report(&Event::Checkpoint {
                step,
                path: newest.path.clone(),
            })?;
        }
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
        self.reporter.ran_out += 1;
        let from = state.step;
        let (model, restored) = self.restore(model, optimizers)?;
        self.reporter.take_back(restored.step)?;
        let sizes = state.micro_batches.clone();
        *state = restored;
        state.micro_batches = sizes;
        self.reporter.report(&Event::WentBack {
            from,
            to: state.step,
            cause: format!("an update was lost: {cause}"),
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
        })?;
        for reading in self.dataset.readings() {
            for message in reading.notes() {
                self.reporter.report(&Event::Note { message })?;
            }
            for message in reading.warnings() {
                self.reporter.report(&Event::Warning { message })?;
            }
        }
        Ok(())
    }

    /// Says how many images are kept, where that was left to the memory.
    pub(super) fn report_preloaded(&mut self) -> Result<(), TrainError> {
        if self.run.settings.data_loading.preload_data != Preload::Auto {
            return Ok(());
        }
        let loaders = [&self.training, self.validation.as_ref()];
        let sum = |count: &dyn Fn(&Loader) -> usize| loaders.map(count).into_iter().sum();
        self.reporter.report(&Event::Preloaded {
            images: sum(&Loader::preloaded_images),
            of: sum(&|loader| loader.source().image_count()),
            bytes: sum(&Loader::resident_bytes),
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
        let mut window = Window::new(state.window);
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
                    window = Window::new(Sums::default());
                }
                state.window = window.sums();
                if epoch_ends {
                    state.epoch += 1;
                    state.step_in_epoch = 0;
                }
                let due =
                    epoch_ends && state.epoch.is_multiple_of(settings.evaluation.every_epochs);
                if (last || due)
                    && let Err(error) = self.validate(&model, state)
                {
                    state.train_seconds = seconds_before + self.clock.seconds();
                    return Err(self.save_before(error, &model, optimizers, state));
                }
                let asked = self.run.save.swap(false, Ordering::Relaxed);
                let stopped = self.run.stop.load(Ordering::Relaxed)
                    || self
                        .run
                        .stop_after
                        .is_some_and(|steps| state.step.saturating_sub(first_step) >= steps);
                let every = settings.checkpoint.every_steps;
                let due = every > 0 && state.step.is_multiple_of(every);
                if last || epoch_ends || stopped || asked || due {
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
        state: &RunState,
    ) -> Result<(), TrainError> {
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
}
