//! Which weights are the result of a run: their moving average, evaluation by steps, and the end for want of a better one.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use aoa_model::Vqa;
use burn::tensor::Device;
use config_schema::Config;
use integration_tests::{Gradients, Silent, newest_weights, weights};
use model_api::Model;
use trainer::memory::{DeviceMemory, FaultInjector, OutOfMemory, Phase, Point};
use trainer::{Checkpoints, Event, Observer, Summary};

use crate::runs::{finish, finish_in_two_parts, losses, small, start, start_watched, start_within};

/// Steps of a run of [`small`].
const STEPS: usize = 16;

/// The weights that answer for a checkpoint.
fn answering(run_dir: &Path, step: usize) -> Gradients {
    let config = std::fs::read_to_string(run_dir.join("model.json")).expect("model.json");
    let config = serde_json::from_str(&config).expect("the model's configuration");
    let checkpoint = Checkpoints::of(run_dir).of_step(step).expect("it is kept");
    let model = checkpoint.load_model(Vqa::init(&config, &Device::flex()));
    weights(&model.expect("it is of this model"))
}

fn numbers(weights: &Gradients) -> Vec<f32> {
    let all = weights.values();
    all.flat_map(|data| data.iter::<f32>().collect::<Vec<_>>())
        .collect()
}

#[test]
fn the_average_moves_towards_the_weights_after_every_step() {
    let decay = 0.6_f64;
    let settings = small(&["training.ema=0.6", "checkpoint.every_steps=1"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run_dir = folder.path().join("run");
    let mut expected = Vec::new();
    for step in 1..=STEPS {
        start::<Vqa>(&settings, &run_dir, step > 1, Some(1)).expect("the step ends well");
        let now = numbers(&newest_weights::<Vqa>(&run_dir));
        if step == 1 {
            expected.clone_from(&now);
        }
        let kept = decay.min(step as f64 / (step as f64 + 9.0));
        for (average, weight) in expected.iter_mut().zip(&now) {
            *average += (weight - *average) * (1.0 - kept) as f32;
        }
        let average = numbers(&answering(&run_dir, step));
        assert_eq!(average, expected, "step {step}");
        assert_eq!(average == now, step == 1, "step {step}");
    }
}

#[test]
fn a_resumed_run_goes_on_with_its_average() {
    let settings = small(&[
        "training.ema=0.9",
        "evaluation.every_steps=3",
        "evaluation.patience=100",
    ]);
    let whole = finish(&settings);
    for stop_after in [1, 4, 9] {
        let parts = finish_in_two_parts(&settings, stop_after);
        assert!(parts.weights() == whole.weights());
        assert_eq!(losses(&parts.run_dir()), losses(&whole.run_dir()));
        let [one, other] = [&parts, &whole].map(|run| answering(&run.run_dir(), STEPS));
        assert!(one == other, "stopped after {stop_after}");
    }
}

/// Evaluations on the validation split, with the end for want of a better one.
#[derive(Default)]
struct Evaluations {
    steps: Vec<usize>,
    early_end: Option<(usize, usize)>,
}

impl Observer for Evaluations {
    fn observe(&mut self, event: &Event) {
        match event {
            Event::Evaluation {
                step,
                split: "validation",
                ..
            } => self.steps.push(*step),
            Event::EarlyEnd {
                step, best_step, ..
            } => self.early_end = Some((*step, *best_step)),
            _ => {}
        }
    }

    fn tick(&mut self, _step: usize) {}
}

#[test]
fn evaluations_come_by_steps_and_by_epochs_and_once_where_both_fall_together() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (every, expected) in [(4, vec![4, 8, 12, 16]), (6, vec![6, 8, 12, 16])] {
        let settings = small(&[&*format!("evaluation.every_steps={every}")]);
        let mut seen = Evaluations::default();
        let run_dir = folder.path().join(every.to_string());
        start_watched::<Vqa>(&settings, &run_dir, false, None, &mut seen).expect("it ends well");
        assert_eq!(seen.steps, expected);
        assert_eq!(seen.early_end, None);
    }
}

#[test]
fn a_run_ends_when_patience_runs_out_wherever_it_was_interrupted() {
    // Too slow to change an answer, so that the first evaluation is the best.
    let settings = small(&[
        "training.lr=1e-12",
        "training.xvlm_lr=0.0",
        "evaluation.every_steps=2",
        "evaluation.patience=3",
    ]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    // The epoch ends at step 8, an evaluation that is due by steps, too.
    let end = 8;
    for stop_after in [None, Some(1), Some(3), Some(6)] {
        let run_dir = folder.path().join(format!("{stop_after:?}"));
        let mut seen = Evaluations::default();
        if stop_after.is_some() {
            start_watched::<Vqa>(&settings, &run_dir, false, stop_after, &mut seen)
                .expect("the part ends well");
        }
        let resume = stop_after.is_some();
        let summary = start_watched::<Vqa>(&settings, &run_dir, resume, None, &mut seen)
            .expect("it ends well");
        assert_eq!(seen.steps, [2, 4, 6, 8], "stopped after {stop_after:?}");
        assert_eq!(seen.early_end, Some((end, 2)));
        assert!(summary.ended_early && summary.test_accuracy.is_some());
        assert_eq!((summary.steps, summary.total_steps), (end, STEPS));

        // Nothing is done again.
        let mut seen = Evaluations::default();
        let again = start_watched::<Vqa>(&settings, &run_dir, true, None, &mut seen);
        assert_eq!(again.expect("it was finished").steps, end);
        assert_eq!(seen.steps, [0; 0]);
    }
}

/// Memory runs out once, while the average of a step moves.
struct AtAverage {
    step: usize,
    failed: AtomicUsize,
}

impl FaultInjector for AtAverage {
    fn at(&self, point: &Point) -> Result<(), OutOfMemory> {
        let here = point.phase == Phase::Update
            && point.group == Some("average")
            && point.step == self.step;
        if here && self.failed.fetch_add(1, Ordering::Relaxed) == 0 {
            return Err(OutOfMemory {
                phase: Some(Phase::Update),
                wanted: None,
                budget: None,
            });
        }
        Ok(())
    }
}

fn disturbed(settings: &Config, run_dir: &Path, faults: &AtAverage) -> Summary {
    let memory = DeviceMemory {
        faults: Some(faults),
        ..DeviceMemory::default()
    };
    start_within::<Vqa>(settings, run_dir, false, None, memory, &mut Silent)
        .expect("the run ends well")
}

#[test]
fn memory_that_runs_out_while_the_average_moves_loses_nothing() {
    let settings = small(&["training.ema=0.9", "checkpoint.every_steps=3"]);
    let whole = finish(&settings);
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Before the first checkpoint and behind one.
    for step in [1, 7] {
        let faults = AtAverage {
            step,
            failed: AtomicUsize::new(0),
        };
        let run_dir = folder.path().join(step.to_string());
        disturbed(&settings, &run_dir, &faults);
        assert_eq!(faults.failed.into_inner(), 2, "the step was taken again");
        assert!(newest_weights::<Vqa>(&run_dir) == whole.weights());
        assert!(answering(&run_dir, STEPS) == answering(&whole.run_dir(), STEPS));
    }
}
