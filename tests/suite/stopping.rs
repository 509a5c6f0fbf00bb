//! A run that is asked to stop or to save while it evaluates does so at once and loses nothing.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use aoa_model::Vqa;
use burn::tensor::Device;
use config_schema::Config;
use integration_tests::{Silent, newest_weights, random_numbers};
use trainer::memory::{DeviceMemory, FaultInjector, OutOfMemory, Phase, Point};
use trainer::{Checkpoints, Dataset, Run, Summary, train};

use crate::runs::{losses, small};

/// Steps of an epoch.
const EPOCH: usize = 8;

/// Two epochs, and evaluations of four batches each.
fn settings(sets: &[&str]) -> Config {
    small(&[&["evaluation.batch_size=8"], sets].concat())
}

/// Asks the run for something at the end of the `n`-th micro-batch of evaluation.
struct Asking {
    n: usize,
    evaluated: AtomicUsize,
    stop: AtomicBool,
    save: AtomicBool,
    saves_only: bool,
}

impl Asking {
    fn to_stop_at(n: usize) -> Self {
        Self {
            n,
            evaluated: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            save: AtomicBool::new(false),
            saves_only: false,
        }
    }

    fn never() -> Self {
        Self::to_stop_at(usize::MAX)
    }

    fn to_save_at(n: usize) -> Self {
        Self {
            saves_only: true,
            ..Self::to_stop_at(n)
        }
    }

    /// Micro-batches that were evaluated.
    fn evaluated(&self) -> usize {
        self.evaluated.load(Ordering::Relaxed)
    }
}

impl FaultInjector for Asking {
    fn at(&self, point: &Point) -> Result<(), OutOfMemory> {
        if point.phase == Phase::Evaluation
            && self.evaluated.fetch_add(1, Ordering::Relaxed) + 1 == self.n
        {
            let flag = if self.saves_only {
                &self.save
            } else {
                &self.stop
            };
            flag.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn start(settings: &Config, run_dir: &Path, resume: bool, asking: &Asking) -> Summary {
    let run = Run {
        settings,
        config_text: &config_schema::to_toml(settings),
        open: Dataset::open,
        run_dir,
        resume,
        stop_after: None,
        stop: &asking.stop,
        save: &asking.save,
        device: &Device::flex(),
        device_name: "cpu",
        memory: DeviceMemory {
            faults: Some(asking),
            ..DeviceMemory::default()
        },
    };
    train::<Vqa>(&run, &mut Silent).expect("the run ends well")
}

#[test]
fn a_run_that_stops_while_it_evaluates_keeps_the_epoch_and_goes_on_to_the_same_end() {
    let settings = settings(&["evaluation.question_only_epochs=1"]);
    let _guard = random_numbers();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let whole_dir = folder.path().join("whole");
    let whole = start(&settings, &whole_dir, false, &Asking::never());
    assert!(whole.test_accuracy.is_some() && whole.question_only_accuracy.is_some());

    // In the first validation, in the second, in the test of the model, in that of the baseline.
    for (n, steps) in [(2, EPOCH), (6, 2 * EPOCH), (10, 2 * EPOCH), (14, 2 * EPOCH)] {
        let run_dir = folder.path().join(format!("stopped-{n}"));
        let asking = Asking::to_stop_at(n);
        let stopped = start(&settings, &run_dir, false, &asking);
        assert_eq!(asking.evaluated(), n, "nothing more is evaluated");
        assert_eq!(stopped.steps, steps);
        assert_eq!(stopped.question_only_accuracy, None);
        let (newest, _) = Checkpoints::of(&run_dir).newest();
        let newest = newest.expect("the steps are saved");
        assert_eq!(newest.state.step, steps);
        assert_eq!(newest.state.validation_due, n < 8, "stopped at {n}");

        let ended = start(&settings, &run_dir, true, &Asking::never());
        assert_eq!(ended.test_accuracy, whole.test_accuracy, "stopped at {n}");
        assert_eq!(ended.validation_accuracy, whole.validation_accuracy);
        assert_eq!(ended.question_only_accuracy, whole.question_only_accuracy);
        assert_eq!(losses(&run_dir), losses(&whole_dir));
        assert!(newest_weights::<Vqa>(&run_dir) == newest_weights::<Vqa>(&whole_dir));
    }
}

#[test]
fn a_run_that_saves_while_it_evaluates_evaluates_nothing_twice() {
    let settings = settings(&[]);
    let _guard = random_numbers();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [whole_dir, run_dir] = ["whole", "saved"].map(|name| folder.path().join(name));
    let undisturbed = Asking::never();
    let whole = start(&settings, &whole_dir, false, &undisturbed);
    let asking = Asking::to_save_at(2);
    let saved = start(&settings, &run_dir, false, &asking);
    assert_eq!(asking.evaluated(), undisturbed.evaluated());
    assert!(
        !asking.save.load(Ordering::Relaxed),
        "the request is served"
    );
    assert_eq!(saved.test_accuracy, whole.test_accuracy);
    let text = std::fs::read_to_string(run_dir.join("metrics.jsonl")).expect("metrics.jsonl");
    let of_the_epoch = text
        .lines()
        .filter(|line| line.contains(r#""event":"checkpoint","step":8,"#));
    assert_eq!(of_the_epoch.count(), 2, "meanwhile and in the end");
    assert!(newest_weights::<Vqa>(&run_dir) == newest_weights::<Vqa>(&whole_dir));
}
