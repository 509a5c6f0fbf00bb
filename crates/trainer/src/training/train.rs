//! A run from its settings to its summary.

use std::sync::Arc;

use data_pipeline::{Encoder, Split};
use model_api::{DataShape, Model, Sight};

use super::memory::RunMemory;
use super::reporter::Reporter;
use super::run::Run;
use super::segment::segments;
use super::steps::finished;
use super::trainer::{Learned, Trainer};
use crate::dataset::usable::{Skipped, Usable, usable};
use crate::dataset::{Dataset, training_encoder};
use crate::device;
use crate::error::TrainError;
use crate::event::{Event, Observer, Summary};
use crate::host::{Counted, HostBudget, HostNeeds, HostPlan};
use crate::memory::budget;
use crate::plan::{WorstCase, with_segment};
use crate::precision::{self, precision};
use crate::run_dir::names::SKIPPED;
use crate::run_dir::{
    Blueprint, RunDir, check_run_dir, has_begun, read_blueprint, require_same_data,
    write_fingerprints,
};
use crate::training::start;

/// Trains a model from the first step or from the newest whole checkpoint to the last step, or until it is
/// stopped; then reports the best checkpoint on the test split.
///
/// Where memory runs out, the same samples are taken again in smaller micro-batches; where it runs out in an update,
/// which may then be half-done, the run goes back to its newest checkpoint.
///
/// A run that is finished, with all that it was asked to measure, has its result given again and nothing changed.
///
/// # Errors
///
/// When the data, the run directory or a checkpoint cannot be read or written, when training diverges, when not even the
/// smallest micro-batch fits, and when the device fails for good. What was saved before stays as it is.
pub fn train<M: Model>(run: &Run, observer: &mut dyn Observer) -> Result<Summary, TrainError> {
    precision(run.settings).run(|| train_as_stated::<M>(run, observer))
}

fn train_as_stated<M: Model>(
    run: &Run,
    observer: &mut dyn Observer,
) -> Result<Summary, TrainError> {
    device::suits(run.settings, run.device)?;
    precision::suits(run.settings, run.device)?;
    let counted = Counted::begin();
    let whole = &(run.open)(run.settings)?;
    let splits = [Split::Train, Split::Validation, Split::Test];
    let resume = run.resume && has_begun(run.run_dir);
    let (blueprint, run_dir, data, host) = if resume {
        require_same_data(run.run_dir, whole)?;
        let blueprint = read_blueprint(run.run_dir, run.settings)?;
        let run_dir = RunDir::reopen(run.run_dir)?;
        let skipped = Skipped::of_run(run.run_dir)?.unwrap_or_default();
        if let Some(summary) = finished(run, &skipped.leave_out(whole)) {
            observer.observe(&Event::Finished);
            observer.observe(&Event::Summary(Box::new(summary.clone())));
            return Ok(summary);
        }
        let mut progress = |done, of| observer.checking(done, of);
        let data = usable::<M>(run.settings, whole, &splits, Some(skipped), &mut progress)?;
        let host = host::<M>(run, &data.dataset, &blueprint.encoder, counted)?;
        (blueprint, run_dir, data, host)
    } else {
        check_run_dir(run.run_dir, run.resume)?;
        let mut progress = |done, of| observer.checking(done, of);
        let data = usable::<M>(run.settings, whole, &splits, None, &mut progress)?;
        let (blueprint, run_dir, host) = begin::<M>(run, whole, &data, counted)?;
        (blueprint, run_dir, data, host)
    };
    let dataset = data.dataset.clone();
    let reporter = Reporter::new(observer, run_dir)?;
    let segments = segments::<M>(run, &blueprint.encoder, &dataset)?;
    let settings = match &segments {
        Some(choice) => with_segment(run.settings, choice.checkpoint_segment),
        None => run.settings.clone(),
    };
    let run = &Run {
        settings: &settings,
        ..*run
    };
    let memory = RunMemory::new(run, &host);
    let mut trainer = Trainer::<M>::new(run, dataset, &blueprint, &host, reporter, memory)?;
    let (model, mut optimizers) = trainer.fresh(&blueprint.model);
    let (mut model, mut state) = if resume {
        trainer.resume(model, &mut optimizers)?
    } else {
        (model, trainer.start_state()?)
    };
    trainer.checkpoints.prepare(state.step)?;
    trainer.prune(&state)?;
    trainer.report_start(&model, &state)?;
    trainer.report_data(&data)?;
    trainer.report_preloaded()?;
    if let Some(choice) = segments {
        trainer.reporter.report(&Event::Segments(choice))?;
    }
    if state.step == 0 {
        model = trainer.pretrained(model)?;
    }
    let finished = loop {
        match trainer.learn(model, &mut optimizers, &mut state, Sight::Images)? {
            Learned::Ended { model, whole } => break whole.then_some(model),
            Learned::Lost(cause) => {
                (model, optimizers) = trainer.fresh(&blueprint.model);
                model = trainer.go_back(model, &mut optimizers, &mut state, &cause)?;
                if state.step == 0 {
                    model = trainer.pretrained(model)?;
                }
            }
        }
    };
    // What comes has no use for their state, and the baseline has one of its own.
    drop(optimizers);
    trainer
        .conclude(finished, &blueprint.model, &mut state)
        .map_err(|error| match error {
            TrainError::Data(source) => TrainError::DataFailed {
                step: state.step,
                run_dir: run.run_dir.to_owned(),
                source: Box::new(source),
            },
            other => other,
        })
}

/// Begins a run. Where a process was killed here before its run began, `--resume` does so with the configuration that it
/// left.
fn begin<M: Model>(
    run: &Run,
    whole: &Dataset,
    data: &Usable,
    counted: Counted,
) -> Result<(Blueprint<M::Config>, RunDir, HostPlan), TrainError> {
    let dataset = &data.dataset;
    let encoder = training_encoder::<M>(run.settings, dataset.train.as_ref())?;
    let host = host::<M>(run, dataset, &encoder, counted)?;
    let model = M::configure(run.settings, &DataShape::of(&encoder)).map_err(TrainError::Model)?;
    let blueprint = Blueprint {
        encoder: Arc::new(encoder),
        model,
    };
    // All that can be wrong with what the run begins with is known before there is a run.
    let device = run.device.clone().autodiff();
    let published = start::published::<M>(run.settings, &blueprint.model, &device)?;
    let run_dir = RunDir::create(run.run_dir)?;
    if !run.resume {
        run_dir.write_config(run.config_text)?;
    }
    write_fingerprints(run.run_dir, whole)?;
    let mut kept = match published {
        Some((model, pretrained)) => start::keep(&run_dir, model, &pretrained)?.to_vec(),
        None => Vec::new(),
    };
    if !data.skipped.is_empty() {
        run_dir.write_json(SKIPPED, &data.skipped)?;
        kept.push(SKIPPED);
    }
    run_dir.write_blueprint(&blueprint, &kept)?;
    Ok((blueprint, run_dir, host))
}

/// What the run keeps in host memory, which is known to fit.
fn host<M: Model>(
    run: &Run,
    dataset: &Dataset,
    encoder: &Encoder,
    counted: Counted,
) -> Result<HostPlan, TrainError> {
    let settings = run.settings;
    let needs = HostNeeds::counted(settings, dataset, encoder, counted.bytes());
    let budget = if device::is_cpu(run.device) {
        budget(settings, run.memory.total).map(HostBudget::Shared)
    } else {
        run.memory.host.map(HostBudget::of_free)
    };
    let worst = || WorstCase::of(encoder, dataset.train.samples());
    needs.checked::<M>(settings, &worst, budget)
}
