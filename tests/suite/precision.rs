//! Training in half precision.

use std::path::Path;

use aoa_model::Vqa;
use burn::tensor::Device;
use config_schema::Config;
use integration_tests::{Silent, newest_weights};
use trainer::memory::{DeviceMemory, FaultInjector, OutOfMemory, Point};
use trainer::{Dataset, Prediction, Summary, TrainError, Trained};

use crate::runs::{finish, finish_in_two_parts, losses, small, start_within};
use crate::two_branches::BOTH;

/// Both branches, with all that saves memory.
fn settings(sets: &[&str]) -> Config {
    let saving = [
        "memory_optimization.gradient_checkpointing=true",
        "memory_optimization.checkpoint_segment=1",
        "memory_optimization.memory_efficient_attention=true",
        "xvlm.dropout=0.1",
        "training.epochs=1",
    ];
    small(&[&BOTH[..], &saving, sets].concat())
}

#[test]
fn half_precision_is_near_single_precision_and_not_the_same() {
    let single = finish(&settings(&[])).losses();
    for (mode, far) in [("bf16", 2e-2), ("f16", 5e-3)] {
        let half = finish(&settings(&[&format!("precision.mode={mode}")])).losses();
        assert_ne!(half, single, "{mode}");
        for (half, single) in half.iter().zip(&single) {
            assert!(
                (half / single - 1.0).abs() < far,
                "{mode}: {half} for {single}"
            );
        }
    }
}

#[test]
fn what_is_rebuilt_is_in_the_precision_of_its_forward_pass() {
    for mode in ["precision.mode=bf16", "precision.mode=f16"] {
        let kept = finish(&settings(&[
            mode,
            "memory_optimization.gradient_checkpointing=false",
        ]));
        let rebuilt = finish(&settings(&[mode]));
        assert_eq!(rebuilt.losses(), kept.losses(), "{mode}");
        assert_eq!(rebuilt.weights(), kept.weights(), "{mode}");
    }
}

#[test]
fn micro_batches_side_by_side_are_in_the_same_precision() {
    let parallel = "hardware.parallel_micro_batches=2";
    let sets = [
        "precision.mode=bf16",
        "training.batch_size=8",
        "training.update_freq=2",
    ];
    let one_by_one = finish(&settings(&sets));
    let side_by_side = finish(&settings(&[&sets[..], &[parallel]].concat()));
    assert_eq!(side_by_side.losses(), one_by_one.losses());
    assert_eq!(side_by_side.weights(), one_by_one.weights());
}

#[test]
fn a_resumed_run_in_half_precision_is_the_same_run_bit_for_bit() {
    // The scale grows in front of the stop and behind it.
    let sets = ["precision.mode=f16", "precision.loss_scale_growth_steps=2"];
    let whole = finish(&settings(&sets));
    for stop_after in [1, 2, 5] {
        let resumed = finish_in_two_parts(&settings(&sets), stop_after);
        assert_eq!(
            resumed.losses(),
            whole.losses(),
            "stopped after {stop_after}"
        );
        assert_eq!(
            resumed.weights(),
            whole.weights(),
            "stopped after {stop_after}"
        );
    }
}

/// The scale that fits from a step on.
const FITS: f64 = 64.0;

/// What is done to the loss scale.
#[derive(Debug)]
enum Scaling {
    /// The gradients of these steps overflow with any scale above [`FITS`].
    Overflowing(Vec<usize>),
    /// From this step on the scale is [`FITS`].
    SmallFrom(usize),
    /// The gradient of this step overflows with any scale.
    Hopeless(usize),
}

impl FaultInjector for Scaling {
    fn at(&self, _point: &Point) -> Result<(), OutOfMemory> {
        Ok(())
    }

    fn loss_scale(&self, step: usize, current: f64) -> f64 {
        match self {
            Self::SmallFrom(first) if step >= *first => FITS,
            _ => current,
        }
    }

    fn overflows(&self, step: usize, loss_scale: f64) -> bool {
        match self {
            Self::Overflowing(steps) => steps.contains(&step) && loss_scale > FITS,
            Self::SmallFrom(_) => false,
            Self::Hopeless(at) => step == *at,
        }
    }
}

fn start(
    settings: &Config,
    run_dir: &Path,
    faults: &Scaling,
    resume: bool,
    stop_after: Option<usize>,
) -> Result<Summary, TrainError> {
    let memory = DeviceMemory {
        faults: Some(faults),
        ..DeviceMemory::default()
    };
    start_within::<Vqa>(settings, run_dir, resume, stop_after, memory, &mut Silent)
}

#[test]
fn an_overflow_loses_no_sample() {
    // Nothing overflows by itself with this scale, and none grows.
    let settings = settings(&[
        "precision.mode=f16",
        "precision.loss_scale_growth_steps=0",
        "precision.loss_scale_exponent=9",
    ]);
    let at_one_step = (0..8).map(|step| vec![step]);
    let bursts = [vec![0, 1, 2, 5, 6], vec![3, 4], (0..8).collect()];
    for (index, steps) in at_one_step.chain(bursts).enumerate() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [small, overflowed] = ["small", "overflowed"].map(|name| folder.path().join(name));
        let from = Scaling::SmallFrom(steps[0]);
        start(&settings, &small, &from, false, None).expect("it ends well");
        assert_eq!(overflows(&small), 0);

        let faults = Scaling::Overflowing(steps.clone());
        if index % 2 == 0 {
            start(&settings, &overflowed, &faults, false, None).expect("it ends well");
        } else {
            // Stopped behind the first overflow: the smaller scale is that of the checkpoint.
            let stop_after = Some(steps[0] + 1);
            start(&settings, &overflowed, &faults, false, stop_after).expect("it stops well");
            start(&settings, &overflowed, &faults, true, None).expect("it ends well");
        }
        assert_eq!(overflows(&overflowed), 3, "{steps:?}");
        assert_eq!(losses(&overflowed), losses(&small), "{steps:?}");
        let weights = newest_weights::<Vqa>;
        assert_eq!(weights(&overflowed), weights(&small), "{steps:?}");
    }
}

/// Overflows that a run reported.
fn overflows(run_dir: &Path) -> usize {
    let text = std::fs::read_to_string(run_dir.join("metrics.jsonl")).expect("metrics");
    text.matches("\"event\":\"overflow\"").count()
}

#[test]
fn a_gradient_that_overflows_with_the_smallest_scale_ends_the_run() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = settings(&["precision.mode=f16"]);
    let run_dir = folder.path().join("run");
    let ended = start(&settings, &run_dir, &Scaling::Hopeless(2), false, None);
    let Err(TrainError::Diverged { step, .. }) = ended else {
        panic!("{ended:?}");
    };
    assert_eq!(step, 3);
}

#[test]
fn a_run_answers_in_another_precision_as_if_it_were_its_own() {
    let bf16 = settings(&["precision.mode=bf16"]);
    let run = finish(&bf16);
    let single = settings(&[]);
    let dataset = Dataset::open(&bf16).expect("the data set");
    let open = |settings: &Config| {
        Trained::<Vqa>::open(&run.run_dir(), settings, &Device::flex()).expect("the run opens")
    };
    let answers = |trained: &Trained<Vqa>| {
        let mut all = Vec::new();
        let mut take = |predictions: Vec<Prediction>| {
            all.extend(predictions.into_iter().map(|one| one.probabilities));
            Ok::<_, TrainError>(())
        };
        trained
            .predict(&bf16, &dataset.test, None, 0, &mut Silent, &mut take)
            .expect("it answers");
        all
    };
    let mut trained = open(&bf16);
    let own = answers(&trained);
    trained.set_precision(&single).expect("the CPU has it");
    let other = answers(&trained);
    assert_ne!(other, own);
    assert_eq!(other, answers(&open(&single)));
    trained.set_precision(&bf16).expect("the CPU has it");
    assert_eq!(answers(&trained), own);
    let tf32 = trained.set_precision(&settings(&["precision.mode=tf32"]));
    assert!(
        matches!(tf32, Err(TrainError::Precision { .. })),
        "{tf32:?}"
    );
}
