mod verdict;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use config_schema::{Config, DatasetName, Device, Preload, count};
use data_pipeline::{DataError, OddImage, ReadingFacts, Split, Thresholds, easy_vqa};
use file_kind::quoted;
use gpu_probe::CudaDevice;
use model_api::{DataShape, Model};
use trainer::host::{Counted, Data, HostPlan};
use trainer::memory::{CardMeter, DeviceMemory, OutOfMemory, budget};
use trainer::plan::{WorstCase, choose_segment, least, plan, planned_start, with_segment};
use trainer::{
    Checkpoints, Event, Observer, Run, Skipped, Steps, TrainError, data_report, device,
    order_in_words, preflight, train, usable,
};

use crate::advice;
use crate::args::TrainArgs;
use crate::budget;
use crate::commands::common::tell_reading;
use crate::commands::data::announce;
use crate::commands::host;
use crate::failure::Failure;
use crate::interrupt::{INTERRUPTED, Request, on_request, quit};
use crate::output;
use crate::progress::{self, Files};
use crate::restart::restart;
use crate::run_folder::RunFolder;
use crate::settings::{Settings, configured_library, of_run};
use crate::wiring::Wiring;
use verdict::Verdict;

pub fn run<W: Wiring>(args: &TrainArgs) -> Result<ExitCode, Failure> {
    let requests = Requests::default();
    if !args.dry_run {
        requests.watch()?;
    }
    let settings = match &args.resume {
        Some(run_dir) => of_run::<W>(run_dir, &args.config)?,
        None => args.config.settings::<W>()?,
    };
    let settings = settings.ready()?;
    budget::check(&settings)?;
    let Settings {
        resolved, device, ..
    } = &settings;
    // A run that goes on was told when it began.
    if args.resume.is_none() {
        output::note(settings.summary());
    }
    for warning in settings.warnings() {
        output::note(format!("warning: {warning}"));
    }
    if args.fetch {
        fetch_missing(&resolved.config)?;
    }
    if args.dry_run {
        return dry_run::<W>(args, &settings);
    }

    let config = &resolved.config;
    let folder = match &args.resume {
        Some(run_dir) => RunFolder::named(run_dir),
        None => RunFolder::claim(config)?,
    };
    let run_dir = folder.path();
    let mut observer = Learning {
        learning: &requests.learning,
        observer: progress::observer(args.json),
    };
    let card = card(config, settings.card.as_ref());
    let begun_at = args.stop_after.map(|_| newest_step(run_dir));
    let opened = device::open(device)?;
    let trained = train::<W::Model>(
        &Run {
            settings: config,
            config_text: &resolved.annotated_toml(),
            open: W::open_dataset,
            run_dir,
            resume: args.resume.is_some(),
            stop_after: args.stop_after.map(|steps| steps as usize),
            stop: &requests.stop,
            save: &requests.save,
            device: &opened,
            device_name: &device.to_string(),
            memory: DeviceMemory {
                total: settings.device_memory,
                free: settings.card.as_ref().map(|card| card.memory.free),
                host: settings.host_memory,
                card: card.as_ref(),
                faults: None,
            },
        },
        &mut observer,
    );
    drop(opened);
    let summary = match trained {
        Err(failure @ TrainError::DevicePoisoned { .. }) if !args.restarted => {
            output::note(format!(
                "{failure}; restarting once, from the last checkpoint"
            ));
            let stop_after = args.stop_after.zip(begun_at).map(|(steps, begun)| {
                let taken = newest_step(run_dir).saturating_sub(begun) as u64;
                steps.saturating_sub(taken).max(1)
            });
            return restart(args, run_dir, stop_after).map_err(Failure::Restart);
        }
        trained => trained?,
    };
    advice::give(resolved, run_dir, &summary.advice)?;
    let untested = summary.test_accuracy.is_none() && summary.test_unmeasured.is_none();
    let unmeasured = untested
        || (config.evaluation.question_only_epochs > 0
            && summary.question_only_accuracy.is_none()
            && summary.question_only_unmeasured.is_none());
    let unfinished = (summary.steps < summary.total_steps && !summary.ended_early) || unmeasured;
    let interrupted = unfinished && requests.stop.load(Ordering::Relaxed);
    // Where the test was evaluated, the result says nothing of what was cut short behind it.
    if interrupted && !untested {
        output::note(format!(
            "stopped before the question-only baseline was measured; go on with `aoa train --resume {}`",
            quoted(run_dir)
        ));
    }
    Ok(if interrupted {
        ExitCode::from(INTERRUPTED)
    } else {
        ExitCode::SUCCESS
    })
}

/// The meter of the card that trains; nothing if that is none. A card that cannot be asked is no reason not to train.
fn card(config: &Config, card: Option<&CudaDevice>) -> Option<CardMeter> {
    match CardMeter::open(card?.gpu, configured_library(&config.hardware)) {
        Ok(card) => Some(match config.logging.card_seconds {
            0 => card,
            seconds => card.sampling(Duration::from_secs(seconds)),
        }),
        Err(error) => {
            output::note(format!("warning: no samples of the GPU: {error}"));
            None
        }
    }
}

/// Step of the newest checkpoint of a run, 0 if there is none.
fn newest_step(run_dir: &Path) -> usize {
    let (newest, _) = Checkpoints::of(run_dir).newest();
    newest.map_or(0, |checkpoint| checkpoint.state.step)
}

/// Everything that happens before the first step, without the step.
#[expect(
    clippy::too_many_lines,
    reason = "one check after the other, and what each found"
)]
fn dry_run<W: Wiring>(args: &TrainArgs, settings: &Settings) -> Result<ExitCode, Failure> {
    let config = &settings.resolved.config;
    let device = device::open(&settings.device)?;
    let counted = Counted::begin();
    let whole = W::open_dataset(config)?;
    tell_reading(whole.readings());
    let run_dir = match &args.resume {
        Some(run_dir) => run_dir.clone(),
        None => RunFolder::next(config),
    };
    preflight(config, &device, &whole, &run_dir, args.resume.is_some())?;
    let skipped = match &args.resume {
        Some(run_dir) => Skipped::of_run(run_dir)?,
        None => None,
    };
    let splits = [Split::Train, Split::Validation, Split::Test];
    let mut bar = Files::new();
    let mut progress = |done, of| bar.show(done, of);
    let used = usable::<W::Model>(config, &whole, &splits, skipped, &mut progress)?;
    let data = Data::of::<W::Model>(config, used.dataset.clone(), counted)?;
    let parts = <W::Model as Model>::configure(config, &DataShape::of(&data.encoder))
        .map_err(TrainError::Model)?;
    let host = host::checked::<W::Model>(settings, config, &data)?;
    let mut pretrained = None;
    // A run that goes on has the weights that it began with.
    if args.resume.is_none() && W::Model::names_pretrained(config) {
        let model = <W::Model as Model>::init(&parts, &device);
        (_, pretrained) = model.pretrained(config).map_err(TrainError::Pretrained)?;
    }
    let worst = WorstCase::of(&data.encoder, data.dataset.train.samples());
    let budget_bytes = budget(config, settings.capacity());
    let planned_bytes = planned_within::<W>(config, settings.device, &worst, budget_bytes)?;
    let beside = if settings.device == Device::Cpu {
        host.total_bytes
    } else {
        0
    };
    let start = match budget_bytes {
        Some(budget) => planned_start::<W::Model>(config, &worst, budget, beside)?,
        None => None,
    };
    let samples = data.dataset.train.samples().len();
    let report = data_report::<W::Model>(config, &data.encoder, &data.dataset, &used.shared);
    let mut warnings = used.skipped.warnings();
    warnings.extend(OddImage::warnings(&used.odd));
    warnings.extend(report.warnings(&Thresholds::DEFAULT));
    if args.json {
        let readings = data.dataset.readings().into_iter();
        let of_reading = readings.flat_map(ReadingFacts::warnings);
        output::json(&serde_json::json!({
            "preset": settings.resolved.preset,
            "device": settings.device.to_string(),
            "card": settings.card,
            "reason": settings.reason,
            "effective_batch": config.effective_batch(),
            "training_samples": samples,
            "steps": Steps::of(config, samples).total,
            "pretrained": pretrained,
            "run_dir": run_dir,
            "budget_bytes": budget_bytes,
            "planned_bytes": planned_bytes,
            "begins": start,
            "host": host,
            "data": report,
            "order": order_in_words(config, data.dataset.train.as_ref()),
            "skipped": used.skipped,
            "warnings": of_reading.chain(warnings.clone()).collect::<Vec<_>>(),
            "config": config,
        }));
    } else {
        if args.verbose {
            output::text(settings.resolved.annotated_toml());
        }
        output::note(report.lines().join("\n"));
        output::note(order_in_words(config, data.dataset.train.as_ref()));
        if let Some(pretrained) = &pretrained {
            output::note(progress::weights_taken(pretrained));
        }
        if config.data_loading.preload_data == Preload::Auto {
            let HostPlan {
                preloaded_images,
                images,
                ..
            } = host;
            output::note(format!(
                "to be preloaded: {preloaded_images} of {}",
                count(images, "image")
            ));
        }
    }
    for warning in &warnings {
        output::note(format!("warning: {warning}"));
    }
    let steps = Steps::of(config, samples).total;
    let verdict = Verdict {
        begins: match &args.resume {
            Some(_) => "the run would continue".to_owned(),
            None => format!(
                "preset {} on {} in {}",
                settings.resolved.preset,
                settings.device,
                config.precision.mode.name()
            ),
        },
        learns: format!(
            "{} with an effective batch of {} from {}",
            count(steps, "step"),
            config.effective_batch(),
            count(samples, "training sample")
        ),
        planned_bytes,
        budget_bytes,
        start,
        host_bytes: host.total_bytes,
        run_dir: &run_dir,
    };
    output::note(verdict.to_string());
    Ok(ExitCode::SUCCESS)
}

/// The planned peak of a run.
///
/// # Errors
///
/// When not even one sample fits into the budget by plan.
fn planned_within<W: Wiring>(
    config: &Config,
    device: Device,
    worst: &WorstCase,
    budget: Option<u64>,
) -> Result<u64, TrainError> {
    let chosen = match budget {
        Some(budget) => choose_segment::<W::Model>(config, worst, budget)?,
        None => None,
    };
    let config = &match chosen {
        Some(choice) => with_segment(config, choice.checkpoint_segment),
        None => config.clone(),
    };
    let planned = plan::<W::Model>(config, worst)?.peak_bytes;
    let Some(budget) = budget.filter(|budget| *budget < planned) else {
        return Ok(planned);
    };
    let mut least = least::<W::Model>(config, worst)?;
    if device == Device::Cpu {
        // There the budget binds the whole program, with the data set that is open by now.
        least = least.max(allocator::live_bytes() as u64);
    }
    if least > budget {
        return Err(TrainError::DoesNotFit {
            cause: OutOfMemory {
                phase: None,
                wanted: Some(least),
                budget: Some(budget),
            },
        });
    }
    Ok(planned)
}

fn fetch_missing(config: &Config) -> Result<(), DataError> {
    let root = Path::new(&config.dataset.root);
    let name = config.dataset.name;
    if name == DatasetName::EasyVqa && !root.join(name.to_string()).exists() {
        output::note(format!(
            "downloading {name} with pip into {}",
            root.display()
        ));
        announce(&easy_vqa::fetch(root, "python3")?);
    }
    Ok(())
}

/// What signals ask a run for.
#[derive(Debug, Default)]
struct Requests {
    stop: Arc<AtomicBool>,
    save: Arc<AtomicBool>,
    /// Whether the run is past its preparations. Before that there is nothing to save, so nothing to wait for.
    learning: Arc<AtomicBool>,
}

/// Passes everything on, and takes note of the start.
struct Learning<'a> {
    learning: &'a AtomicBool,
    observer: Box<dyn Observer>,
}

impl Observer for Learning<'_> {
    fn checking(&mut self, done: usize, of: usize) {
        self.observer.checking(done, of);
    }

    fn observe(&mut self, event: &Event) {
        if matches!(event, Event::Start { .. }) {
            self.learning.store(true, Ordering::Relaxed);
        }
        self.observer.observe(event);
    }

    fn tick(&mut self, step: usize) {
        self.observer.tick(step);
    }
}

impl Requests {
    /// Sets the flags as signals come.
    fn watch(&self) -> Result<(), Failure> {
        let (stop, save) = (self.stop.clone(), self.save.clone());
        let learning = self.learning.clone();
        on_request(move |request| {
            if request != Request::Save && !learning.load(Ordering::Relaxed) {
                output::note("stopped before the first step of this process; nothing is lost");
                quit();
            }
            let (flag, says) = match request {
                Request::Stop => (
                    &stop,
                    "saving a checkpoint and stopping; press again to quit at once",
                ),
                Request::SaveAndStop => (&stop, "saving a checkpoint and stopping"),
                Request::Save => (&save, "saving a checkpoint"),
            };
            if !flag.swap(true, Ordering::Relaxed) {
                output::note(says);
            }
        })
    }
}

#[cfg(test)]
mod tests;
