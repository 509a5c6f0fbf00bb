use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use config_schema::{Config, DatasetName, Device};
use data_pipeline::{DataError, Split, Thresholds, easy_vqa};
use trainer::memory::{CardMeter, DeviceMemory};
use trainer::{
    Checkpoints, DataShape, Dataset, Model, Run, Skipped, Steps, TrainError, data_report, device,
    train, usable,
};

use crate::ActiveModel;
use crate::advice;
use crate::args::TrainArgs;
use crate::commands::data::announce;
use crate::failure::Failure;
use crate::interrupt::{INTERRUPTED, on_interrupt};
use crate::output;
use crate::progress::{self, Files};
use crate::restart::restart;
use crate::settings::{Settings, configured_library, of_run};

pub fn run(args: &TrainArgs) -> Result<ExitCode, Failure> {
    let settings = match &args.resume {
        Some(run_dir) => of_run(run_dir, &args.config)?,
        None => args.config.settings()?,
    };
    let Settings {
        resolved,
        device,
        reason,
        ..
    } = &settings;
    output::note(format!("preset {} on {device}: {reason}", resolved.preset));
    for warning in &resolved.warnings {
        output::note(format!("warning: {warning}"));
    }
    if args.fetch {
        fetch_missing(&resolved.config)?;
    }
    if args.dry_run {
        return dry_run(args, &settings);
    }

    let config = &resolved.config;
    let run_dir = match &args.resume {
        Some(run_dir) => run_dir.clone(),
        None => new_run_dir(config),
    };
    let stop = stop_on_interrupt()?;
    let mut observer = progress::observer(args.json);
    let card = card(config, *device);
    let begun_at = args.stop_after.map(|_| newest_step(&run_dir));
    let opened = device::open(device)?;
    let trained = train::<ActiveModel>(
        &Run {
            settings: config,
            config_text: &resolved.annotated_toml(),
            run_dir: &run_dir,
            resume: args.resume.is_some(),
            stop_after: args.stop_after.map(|steps| steps as usize),
            stop: &stop,
            device: &opened,
            device_name: &device.to_string(),
            memory: DeviceMemory {
                total: settings.device_memory,
                card: card.as_ref(),
                interference: None,
            },
        },
        observer.as_mut(),
    );
    drop(opened);
    let summary = match trained {
        Err(failure @ TrainError::DevicePoisoned { .. }) if !args.restarted => {
            output::note(format!(
                "{failure}; starting anew, once, from the last checkpoint"
            ));
            let stop_after = args.stop_after.zip(begun_at).map(|(steps, begun)| {
                let taken = newest_step(&run_dir).saturating_sub(begun) as u64;
                steps.saturating_sub(taken).max(1)
            });
            return restart(args, &run_dir, stop_after).map_err(Failure::Restart);
        }
        trained => trained?,
    };
    advice::give(resolved, &run_dir, &summary.advice)?;
    let unmeasured = config.evaluation.question_only_epochs > 0
        && summary.question_only_accuracy.is_none()
        && summary.question_only_unmeasured.is_none();
    let unfinished = summary.steps < summary.total_steps || unmeasured;
    let interrupted = unfinished && stop.load(Ordering::Relaxed);
    Ok(if interrupted {
        ExitCode::from(INTERRUPTED)
    } else {
        ExitCode::SUCCESS
    })
}

/// The meter of the card that trains; nothing where that is none. A card that cannot be asked is no reason not to train.
fn card(config: &Config, device: Device) -> Option<CardMeter> {
    let Device::Cuda(index) = device else {
        return None;
    };
    match CardMeter::open(index, configured_library(&config.hardware)) {
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

/// Step of the newest checkpoint of a run, 0 where there is none.
fn newest_step(run_dir: &Path) -> usize {
    let (newest, _) = Checkpoints::of(run_dir).newest();
    newest.map_or(0, |checkpoint| checkpoint.state.step)
}

/// Everything that happens before the first step, without the step.
fn dry_run(args: &TrainArgs, settings: &Settings) -> Result<ExitCode, Failure> {
    let config = &settings.resolved.config;
    let whole = Dataset::open(config)?;
    let skipped = args.resume.as_deref().map(Skipped::of_run).transpose()?;
    let splits = [Split::Train, Split::Validation, Split::Test];
    let mut bar = Files::new();
    let mut progress = |done, of| bar.show(done, of);
    let data = usable::<ActiveModel>(config, &whole, &splits, skipped, &mut progress)?;
    let dataset = &data.dataset;
    let encoder = trainer::training_encoder::<ActiveModel>(config, dataset.train.as_ref())?;
    let parts = <ActiveModel as Model>::configure(config, &DataShape::of(&encoder))
        .map_err(TrainError::Model)?;
    let mut pretrained = None;
    // A run that goes on has the weights that it began with.
    if args.resume.is_none() && !config.xvlm.weights.is_empty() {
        let device = device::open(&settings.device)?;
        let model = <ActiveModel as Model>::init(&parts, &device);
        (_, pretrained) = model.pretrained(config)?;
    }
    let samples = dataset.train.samples().len();
    let report = data_report(config, &encoder, dataset, &data.shared);
    let mut warnings = data.skipped.warnings();
    warnings.extend(report.warnings(&Thresholds::DEFAULT));
    if args.json {
        output::json(&serde_json::json!({
            "preset": settings.resolved.preset,
            "device": settings.device.to_string(),
            "reason": settings.reason,
            "effective_batch": config.effective_batch(),
            "training_samples": samples,
            "steps": Steps::of(config, samples).total,
            "pretrained": pretrained,
            "data": report,
            "skipped": data.skipped,
            "warnings": warnings,
            "config": config,
        }));
    } else {
        output::text(settings.resolved.annotated_toml());
        output::note(report.lines().join("\n"));
        if let Some(pretrained) = &pretrained {
            output::note(progress::weights_taken(pretrained));
        }
    }
    for warning in warnings {
        output::note(format!("warning: {warning}"));
    }
    output::note("dry run: nothing was trained");
    Ok(ExitCode::SUCCESS)
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

/// `logging.run_dir`, or the first free `runs/<data set>-<number>`.
fn new_run_dir(config: &Config) -> PathBuf {
    if !config.logging.run_dir.is_empty() {
        return PathBuf::from(&config.logging.run_dir);
    }
    let named =
        |number: u32| Path::new("runs").join(format!("{}-{number:03}", config.dataset.name));
    let mut number = 1;
    while named(number).exists() {
        number += 1;
    }
    named(number)
}

/// A flag that the first interruption sets.
fn stop_on_interrupt() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    on_interrupt(move || {
        flag.store(true, Ordering::Relaxed);
        output::note("stopping after this step; press again to quit at once");
    })?;
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use nvml_stand_in::{Card, Cards, GIB};
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn the_configuration_decides_whether_the_card_is_sampled() {
        let folder = TempDir::new().expect("a folder");
        let cards = Cards::new(vec![Card::new("NVIDIA Test Card", GIB)]);
        let library = cards.install(folder.path()).expect("the stand-in");
        let mut config = Config::default();
        config.hardware.nvml_library = library.display().to_string();
        let sampled = |config: &Config| {
            let card = card(config, Device::Cuda(0)).expect("the card");
            let mut samples = card.samples();
            // The first sample is due at once, on another thread.
            for _ in 0..1000 {
                samples.extend(card.samples());
                std::thread::sleep(Duration::from_millis(1));
                if !samples.is_empty() {
                    break;
                }
            }
            samples.len()
        };
        assert_eq!(sampled(&config), 1);
        config.logging.card_seconds = 0;
        assert_eq!(sampled(&config), 0);

        assert!(card(&config, Device::Cpu).is_none());
        assert!(card(&config, Device::Cuda(3)).is_none(), "no such card");
    }
}
