//! The training loop.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;
use config_schema::Config;
use data_pipeline::{Batch, Encoder, Loader, accuracy_of_constant, majority_answer};

use crate::batch::{DeviceBatch, Sight};
use crate::checkpoint::{Best, Checkpoints, Rejected, RunState};
use crate::dataset::{Dataset, evaluation_loader, training_encoder, training_loader};
use crate::device::memory_in_use;
use crate::error::TrainError;
use crate::evaluate::{Accuracy, evaluate};
use crate::event::{Event, Observer, Summary};
use crate::gradient::{Slicing, effective_gradient};
use crate::model::{DataShape, Model};
use crate::optim::Progress;
use crate::optimizers::{Optimizers, Update};
use crate::parameters::{count, materialize};
use crate::randomness::{Purpose, seed};
use crate::run_dir::{Blueprint, RunDir, read_blueprint};
use crate::steps::Steps;
use crate::stopwatch::Stopwatch;
use crate::window::Window;

/// A run to start or to continue.
#[derive(Debug)]
pub struct Run<'a> {
    /// The resolved configuration.
    pub settings: &'a Config,
    /// The same as text, for the run directory.
    pub config_text: &'a str,
    /// Where the run writes to.
    pub run_dir: &'a Path,
    /// Continue the run that is there instead of starting one.
    pub resume: bool,
    /// Stop after this many steps of this process, as if interrupted.
    pub stop_after: Option<usize>,
    /// Set from outside to stop at the next step boundary.
    pub stop: &'a AtomicBool,
    /// The compute device, without autodiff.
    pub device: &'a Device,
    /// What to call the device.
    pub device_name: &'a str,
}

/// Trains a model from the first step or from the newest whole checkpoint to the last step, or until it is
/// stopped; then reports the best checkpoint on the test split.
///
/// # Errors
///
/// When the data, the run directory or a checkpoint cannot be read or written, and when training diverges.
/// What was saved before stays as it is.
pub fn train<M: Model>(run: &Run, observer: &mut dyn Observer) -> Result<Summary, TrainError> {
    let dataset = Dataset::open(run.settings)?;
    let (blueprint, run_dir) = if run.resume {
        reopen::<M>(run)?
    } else {
        begin::<M>(run, &dataset)?
    };
    let reporter = Reporter { observer, run_dir };
    let mut trainer = Trainer::<M>::new(run, dataset, &blueprint, reporter)?;
    let (mut model, mut optimizers) = trainer.fresh(&blueprint.model);
    let mut state = RunState::start();
    if run.resume {
        (model, state) = trainer.restore(model, &mut optimizers)?;
    }
    trainer.report_start(&model, &state)?;
    if state.step == 0 {
        model = trainer.pretrained(model)?;
    }
    let (model, finished) = trainer.learn(model, optimizers, &mut state)?;
    trainer.conclude(finished.then_some(model), &blueprint.model, &state)
}

fn begin<M: Model>(
    run: &Run,
    dataset: &Dataset,
) -> Result<(Blueprint<M::Config>, RunDir), TrainError> {
    let encoder = training_encoder::<M>(run.settings, dataset.train.as_ref())?;
    let model = M::configure(run.settings, &DataShape::of(&encoder)).map_err(TrainError::Model)?;
    let blueprint = Blueprint {
        encoder: Arc::new(encoder),
        model,
    };
    let run_dir = RunDir::create(run.run_dir, run.config_text)?;
    run_dir.write_blueprint(&blueprint)?;
    Ok((blueprint, run_dir))
}

fn reopen<M: Model>(run: &Run) -> Result<(Blueprint<M::Config>, RunDir), TrainError> {
    let mut blueprint = read_blueprint::<M::Config>(run.run_dir, run.settings)?;
    // The same model, carried out as the settings say now.
    let shape = DataShape::of(&blueprint.encoder);
    blueprint.model = M::configure(run.settings, &shape).map_err(TrainError::Model)?;
    Ok((blueprint, RunDir::reopen(run.run_dir)?))
}

/// Passes events on to the observer and to `metrics.jsonl`.
struct Reporter<'a> {
    observer: &'a mut dyn Observer,
    run_dir: RunDir,
}

impl Reporter<'_> {
    fn report(&mut self, event: &Event) -> Result<(), TrainError> {
        self.observer.observe(event);
        self.run_dir.append_metrics(event)
    }

    fn warn_of(&mut self, rejected: Vec<Rejected>) -> Result<(), TrainError> {
        for Rejected { path, reason } in rejected {
            let message = format!("passed over the checkpoint {}: {reason}", path.display());
            self.report(&Event::Warning { message })?;
        }
        Ok(())
    }
}

/// What stays the same through a run.
struct Trainer<'a, M> {
    run: &'a Run<'a>,
    dataset: Dataset,
    device: Device,
    checkpoints: Checkpoints,
    encoder: Arc<Encoder>,
    training: Loader,
    validation: Loader,
    steps: Steps,
    reporter: Reporter<'a>,
    model: std::marker::PhantomData<M>,
}

impl<'a, M: Model> Trainer<'a, M> {
    fn new(
        run: &'a Run<'a>,
        dataset: Dataset,
        blueprint: &Blueprint<M::Config>,
        reporter: Reporter<'a>,
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
            validation,
            steps,
            reporter,
            model: std::marker::PhantomData,
        })
    }

    /// A model with its first weights, which depend on the run's seed alone, and optimizers without state.
    fn fresh(&self, config: &M::Config) -> (M, Optimizers) {
        self.device.seed(seed(
            self.run.settings.training.seed,
            Purpose::Weights,
            0,
            0,
        ));
        let model = M::init(config, &self.device).carried_out(self.run.settings);
        materialize(&model);
        (model, Optimizers::new(self.run.settings))
    }

    /// The model with the published weights that the settings name, if they name any.
    fn pretrained(&mut self, model: M) -> Result<M, TrainError> {
        let (model, pretrained) = model.pretrained(self.run.settings)?;
        if let Some(pretrained) = pretrained {
            self.reporter.report(&Event::Pretrained(pretrained))?;
        }
        Ok(model)
    }

    /// Takes up the run at its newest whole checkpoint, or at its start when it was stopped before the first.
    fn restore(
        &mut self,
        model: M,
        optimizers: &mut Optimizers,
    ) -> Result<(M, RunState), TrainError> {
        let (newest, rejected) = self.checkpoints.newest();
        let Some(newest) = newest else {
            if rejected.is_empty() {
                self.reporter.run_dir.rewind_metrics(0)?;
                return Ok((model, RunState::start()));
            }
            return Err(TrainError::no_checkpoint(self.run.run_dir, rejected));
        };
        self.reporter
            .run_dir
            .rewind_metrics(newest.state.metrics_bytes)?;
        self.reporter.warn_of(rejected)?;
        let model = newest.load_model(model)?;
        newest.load_optimizers(optimizers)?;
        Ok((model, newest.state))
    }

    fn report_start(&mut self, model: &M, state: &RunState) -> Result<(), TrainError> {
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
            total_steps: self.steps.total,
            step: state.step,
        })
    }

    /// Takes steps until the last one or until stopped; tells whether the last one was reached.
    fn learn(
        &mut self,
        mut model: M,
        mut optimizers: Optimizers,
        state: &mut RunState,
    ) -> Result<(M, bool), TrainError> {
        let settings = self.run.settings;
        let clock = Stopwatch::start();
        let seconds_before = state.train_seconds;
        let first_step = state.step;
        let mut window = Window::new();
        while state.step < self.steps.total {
            let batches = self
                .training
                .epoch(state.epoch as u64, state.step_in_epoch)?;
            for batch in batches {
                let batch = batch?;
                let (loss, update);
                (model, loss, update) = self.step(
                    model,
                    &mut optimizers,
                    &batch,
                    state.step,
                    state.epoch,
                    Sight::Images,
                )?;
                state.step += 1;
                state.step_in_epoch += 1;
                window.add(loss, &update, batch.len());
                self.reporter.observer.tick(state.step);

                let last = state.step == self.steps.total;
                let epoch_ends = state.step_in_epoch == self.steps.per_epoch;
                if last || state.step.is_multiple_of(settings.logging.every_steps) {
                    let report = window.report(state, memory_in_use(&self.device));
                    self.reporter.report(&report)?;
                    window = Window::new();
                }
                if epoch_ends {
                    state.epoch += 1;
                    state.step_in_epoch = 0;
                }
                if last
                    || epoch_ends && state.epoch.is_multiple_of(settings.evaluation.every_epochs)
                {
                    self.validate(&model, state)?;
                }
                let stopped = self.run.stop.load(Ordering::Relaxed)
                    || self
                        .run
                        .stop_after
                        .is_some_and(|steps| state.step - first_step >= steps);
                let every = settings.checkpoint.every_steps;
                if last || epoch_ends || stopped || every > 0 && state.step.is_multiple_of(every) {
                    state.train_seconds = seconds_before + clock.seconds();
                    self.save(&model, &optimizers, state)?;
                }
                if last || stopped {
                    return Ok((model, last));
                }
                if epoch_ends {
                    break;
                }
            }
        }
        Ok((model, true))
    }

    /// One update from one effective batch.
    fn step(
        &self,
        model: M,
        optimizers: &mut Optimizers,
        batch: &Batch,
        step: usize,
        epoch: usize,
        sight: Sight,
    ) -> Result<(M, f64, Update), TrainError> {
        let settings = self.run.settings;
        let run_seed = settings.training.seed;
        let slicing = Slicing {
            micro_batch: settings.training.batch_size,
            parallel: settings.hardware.parallel_micro_batches,
        };
        let (device, encoder) = (&self.device, &self.encoder);
        let gradient = effective_gradient(&model, batch.len(), slicing, |model, slice| {
            // Keyed by the first sample, so that the same samples meet the same dropout whenever they are
            // replayed as the same micro-batch.
            device.seed(seed(
                run_seed,
                Purpose::Dropout,
                step as u64,
                slice.start as u64,
            ));
            model.losses(DeviceBatch::upload(
                &batch.slice(slice),
                encoder,
                sight,
                device,
            ))
        });
        let progress = Progress {
            step,
            total_steps: self.steps.total,
            epoch,
        };
        let (model, update) = optimizers.step(model, gradient.gradients, progress);
        if !gradient.loss.is_finite() || !update.norm.0.is_finite() {
            return Err(TrainError::Diverged {
                step: step + 1,
                loss: gradient.loss,
                norm: update.norm.0,
            });
        }
        Ok((model, gradient.loss, update))
    }

    fn validate(&mut self, model: &M, state: &mut RunState) -> Result<(), TrainError> {
        let Accuracy {
            accuracy,
            branches,
            samples,
        } = evaluate(
            model,
            &self.validation,
            &self.encoder,
            Sight::Images,
            &self.device,
        )?;
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

    fn save(
        &mut self,
        model: &M,
        optimizers: &Optimizers,
        state: &mut RunState,
    ) -> Result<(), TrainError> {
        state.metrics_bytes = self.reporter.run_dir.sync_metrics()?;
        let path = self.checkpoints.save(model, optimizers, state)?;
        if let Some(best) = state.best {
            self.checkpoints.mark_best(best)?;
        }
        self.checkpoints
            .prune(self.run.settings.checkpoint.keep_last, state.best)?;
        self.reporter.report(&Event::Checkpoint {
            step: state.step,
            path,
        })
    }

    /// Evaluates the best checkpoint and the baselines; a stopped run (no model) has the majority only.
    fn conclude(
        mut self,
        model: Option<M>,
        config: &M::Config,
        state: &RunState,
    ) -> Result<Summary, TrainError> {
        let answers = &self.encoder.answers;
        let majority = majority_answer(self.dataset.train.samples(), answers);
        let mut summary = Summary {
            test_accuracy: None,
            branch_accuracy: BTreeMap::new(),
            validation_accuracy: state.best.map(|best| best.accuracy),
            majority_accuracy: accuracy_of_constant(self.dataset.test.samples(), answers, majority),
            majority_answer: answers.answers().get(majority).cloned().unwrap_or_default(),
            question_only_accuracy: None,
            steps: state.step,
            total_steps: self.steps.total,
            train_seconds: state.train_seconds,
            run_dir: self.run.run_dir.to_owned(),
        };
        if let Some(model) = model {
            let test = evaluation_loader(
                self.run.settings,
                self.dataset.test.clone(),
                self.encoder.clone(),
            )?;
            let best = self.load_best(model)?;
            let Accuracy {
                accuracy,
                branches,
                samples,
            } = evaluate(&best, &test, &self.encoder, Sight::Images, &self.device)?;
            drop(best);
            self.reporter.report(&Event::Evaluation {
                step: state.step,
                split: "test",
                accuracy,
                branches: branches.clone(),
                samples,
            })?;
            summary.test_accuracy = Some(accuracy);
            summary.branch_accuracy = branches;
            summary.question_only_accuracy = self.question_only(config, &test)?;
        }
        self.reporter.report(&Event::Summary(summary.clone()))?;
        self.reporter.run_dir.write_summary(&summary)?;
        Ok(summary)
    }

    fn load_best(&mut self, model: M) -> Result<M, TrainError> {
        let (best, rejected) = self.checkpoints.best();
        let Some(best) = best else {
            return Err(TrainError::no_checkpoint(self.run.run_dir, rejected));
        };
        self.reporter.warn_of(rejected)?;
        best.load_model(model)
    }

    /// Test accuracy of a model that was trained without ever seeing an image.
    fn question_only(
        &mut self,
        config: &M::Config,
        test: &Loader,
    ) -> Result<Option<f64>, TrainError> {
        let epochs = self
            .run
            .settings
            .evaluation
            .question_only_epochs
            .min(self.run.settings.training.epochs);
        if epochs == 0 {
            return Ok(None);
        }
        self.steps.total = self.steps.total.min(epochs * self.steps.per_epoch);
        self.reporter.report(&Event::QuestionOnly {
            total_steps: self.steps.total,
        })?;
        let (model, mut optimizers) = self.fresh(config);
        let mut model = self.pretrained(model)?;
        let mut step = 0;
        for epoch in 0..epochs {
            for batch in self.training.epoch(epoch as u64, 0)? {
                if step == self.steps.total {
                    break;
                }
                if self.run.stop.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                (model, _, _) =
                    self.step(model, &mut optimizers, &batch?, step, epoch, Sight::Blind)?;
                step += 1;
                self.reporter.observer.tick(step);
            }
        }
        let accuracy = evaluate(&model, test, &self.encoder, Sight::Blind, &self.device)?;
        Ok(Some(accuracy.accuracy))
    }
}
