//! Running out of memory costs time, never data. Memory runs out where a test says so.
//!
//! One file because all tests let memory run out through the fault injectors at its top.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::{Arc, Mutex};

use aoa_model::Vqa;
use burn_frugal::{SegmentWork, watch_segments};
use config_schema::Config;
use integration_tests::{Gradients, Silent, newest_weights};
use serde_json::{Value, json};
use trainer::TrainError;
use trainer::memory::{DeviceMemory, FaultInjector, OutOfMemory, Phase, Point};

use crate::runs::{losses, small, start_within};
use crate::two_branches::BOTH;

/// Two steps of 16 samples an epoch in micro-batches of 8, so that every kind of point comes by soon.
fn settings(sets: &[&str]) -> Config {
    let base = [
        "dataset.shapes_train_images=8",
        "training.batch_size=8",
        "training.update_freq=2",
        "evaluation.batch_size=16",
    ];
    small(&[&base[..], sets].concat())
}

fn start(
    settings: &Config,
    run_dir: &Path,
    resume: bool,
    faults: &dyn FaultInjector,
) -> Result<(), TrainError> {
    let memory = DeviceMemory {
        faults: Some(faults),
        ..DeviceMemory::default()
    };
    start_within::<Vqa>(settings, run_dir, resume, None, memory, &mut Silent).map(drop)
}

/// Micro-batches of each step, by the step and their first sample.
type Slices = BTreeMap<usize, Vec<Range<usize>>>;

/// Where memory can run out.
#[derive(Debug, Clone)]
enum Place {
    /// Between two phases.
    Point(Point),
    /// In the middle of a pass through the model.
    Segment(SegmentWork),
}

impl Place {
    fn phase(&self) -> Option<Phase> {
        match self {
            Self::Point(point) => Some(point.phase),
            Self::Segment(_) => None,
        }
    }
}

fn out_of_memory(phase: Phase) -> OutOfMemory {
    OutOfMemory {
        phase: Some(phase),
        wanted: None,
        budget: None,
    }
}

/// Makes the `k`-th places fail that a run passes, and notes all of them.
#[derive(Clone)]
struct Failing {
    fails: Vec<usize>,
    /// What a backend panics with there. Without it, a point is above the budget.
    how: Option<fn() -> Box<dyn Any + Send>>,
    passed: Arc<Mutex<Vec<Place>>>,
}

impl Failing {
    fn at(fails: &[usize]) -> Self {
        Self {
            fails: fails.to_vec(),
            how: None,
            passed: Arc::default(),
        }
    }

    fn pass(&self, place: &Place) -> Result<(), OutOfMemory> {
        let mut passed = self.passed.lock().expect("no thread panics in here");
        passed.push(place.clone());
        let index = passed.len() - 1;
        drop(passed);
        if !self.fails.contains(&index) {
            return Ok(());
        }
        match (self.how, place) {
            (Some(how), _) => resume_unwind(how()),
            (None, Place::Point(point)) => Err(out_of_memory(point.phase)),
            (None, Place::Segment(_)) => {
                resume_unwind(Box::new("can't allocate buffer of size: 64".to_owned()))
            }
        }
    }

    fn passed(&self) -> Vec<Place> {
        self.passed
            .lock()
            .expect("no thread panics in there")
            .clone()
    }

    /// The points alone, without the segments in between.
    fn points(&self) -> Vec<Point> {
        let points = self.passed().into_iter().filter_map(|place| match place {
            Place::Point(point) => Some(point),
            Place::Segment(_) => None,
        });
        points.collect()
    }
}

impl FaultInjector for Failing {
    fn at(&self, point: &Point) -> Result<(), OutOfMemory> {
        self.pass(&Place::Point(point.clone()))
    }
}

/// Says which micro-batches there are.
struct Sliced<'a>(&'a Slices);

impl FaultInjector for Sliced<'_> {
    fn at(&self, _point: &Point) -> Result<(), OutOfMemory> {
        Ok(())
    }

    fn micro_batch(&self, step: usize, start: usize, _planned: usize) -> usize {
        let slices = &self.0[&step];
        let slice = slices.iter().find(|slice| slice.start == start);
        slice.expect("a micro-batch begins here").len()
    }
}

/// What a run left.
#[derive(Debug, PartialEq)]
struct Left {
    weights: Gradients,
    losses: Vec<f64>,
    accuracies: Vec<Value>,
}

impl Left {
    fn of(run_dir: &Path) -> Self {
        Self {
            weights: newest_weights::<Vqa>(run_dir),
            losses: losses(run_dir),
            accuracies: events(run_dir, "evaluation")
                .into_iter()
                .map(|event| event["accuracy"].clone())
                .collect(),
        }
    }
}

fn events(run_dir: &Path, kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(run_dir.join("metrics.jsonl")).expect("metrics.jsonl");
    let events = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON"));
    events.filter(|event| event["event"] == kind).collect()
}

/// The micro-batches whose gradients made each step: what was added to the sum since the step began for the last time.
fn slices(passed: &[Place], fails: &[usize]) -> Slices {
    let mut steps = Slices::new();
    for (index, place) in passed.iter().enumerate() {
        let Place::Point(point) = place else { continue };
        if point.phase == Phase::Load && point.samples.start == 0 {
            steps.insert(point.step, Vec::new());
        }
        if point.phase == Phase::Accumulation && !fails.contains(&index) {
            let step = steps.get_mut(&point.step).expect("the step has begun");
            step.push(point.samples.clone());
        }
    }
    steps
}

/// What undisturbed runs left, by their micro-batches.
#[derive(Default)]
struct Undisturbed(BTreeMap<Vec<Vec<usize>>, Left>);

impl Undisturbed {
    fn with(&mut self, settings: &Config, slices: &Slices) -> &Left {
        let lengths = |slices: &Vec<Range<usize>>| slices.iter().map(Range::len).collect();
        let key = slices.values().map(lengths).collect();
        self.0.entry(key).or_insert_with(|| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let run_dir = folder.path().join("run");
            start(settings, &run_dir, false, &Sliced(slices)).expect("it ends well");
            Left::of(&run_dir)
        })
    }
}

/// Runs with failures at these points and checks that it ends as a run that was never disturbed and had the same
/// micro-batches, with each sample in one of them once a step and every failure in the log. Returns the places.
fn check(settings: &Config, fails: &[usize], undisturbed: &mut Undisturbed) -> Vec<Place> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run_dir = folder.path().join("run");
    let failing = Failing::at(fails);
    let within = failing.clone();
    let watch = watch_segments(move |work| {
        within
            .pass(&Place::Segment(work))
            .expect("a segment fails by a panic");
    });
    start(settings, &run_dir, false, &failing).expect("it ends well");
    drop(watch);
    let passed = failing.passed();
    let failed: Vec<_> = fails.iter().map(|&index| &passed[index]).collect();

    let slices = slices(&passed, fails);
    assert_eq!(slices.len(), 4, "two epochs of two steps; {failed:?}");
    for (step, slices) in &slices {
        let end = slices.iter().fold(0, |next, slice| {
            assert_eq!(slice.start, next, "step {step}; {failed:?}");
            slice.end
        });
        assert_eq!(end, 16, "every sample of step {step}; {failed:?}");
    }

    let updates = failed
        .iter()
        .filter(|place| place.phase() == Some(Phase::Update));
    let updates = updates.count();
    assert_eq!(events(&run_dir, "went_back").len(), updates, "{failed:?}");
    let micro_batches = events(&run_dir, "micro_batch");
    let ran_out = micro_batches
        .iter()
        .filter(|event| event["out_of_memory"] == true);
    assert_eq!(ran_out.count(), failed.len() - updates, "{failed:?}");

    let left = Left::of(&run_dir);
    assert!(left == *undisturbed.with(settings, &slices), "{failed:?}");
    passed
}

#[test]
fn wherever_memory_runs_out_the_run_is_the_same() {
    let settings = settings(&[]);
    let mut undisturbed = Undisturbed::default();
    let places = check(&settings, &[], &mut undisturbed);
    let phases = places.iter().filter_map(Place::phase);
    let phases: BTreeSet<_> = phases.map(Phase::name).collect();
    assert_eq!(
        phases.into_iter().collect::<Vec<_>>(),
        [
            "accumulation",
            "backward",
            "evaluation",
            "forward",
            "load",
            "update"
        ]
    );
    for index in 0..places.len() {
        check(&settings, &[index], &mut undisturbed);
    }
}

/// Within one micro-batch of the second step, in front of and behind every segment of both branches, forward and backward.
#[test]
fn wherever_memory_runs_out_within_a_pass_the_run_is_the_same() {
    let settings = [
        "memory_optimization.gradient_checkpointing=true",
        "model.aoa_layers=2",
    ];
    let settings = self::settings(&[&BOTH[..], &settings].concat());
    let mut undisturbed = Undisturbed::default();
    let places = check(&settings, &[], &mut undisturbed);
    let loads = places.iter().enumerate().filter(
        |(_, place)| matches!(place, Place::Point(point) if point.phase == Phase::Load && point.step == 1),
    );
    let [start, end] = [0, 1].map(|nth| loads.clone().nth(nth).expect("two micro-batches").0);
    let segments = |work| {
        let of = |place: &&Place| matches!(place, Place::Segment(its) if *its == work);
        places[start..end].iter().filter(of).count()
    };
    // Swin 4, text 2, answers 1, and 2 layers of the AoA stack each for question and image; and, without gradient, text and
    // answers for the probabilities that are fused, in 2 segments each.
    assert_eq!(segments(SegmentWork::Forward), 15);
    // All that have a gradient but the last of each of the four stacks, which is kept.
    assert_eq!(segments(SegmentWork::Rebuild), 7);
    assert_eq!(segments(SegmentWork::Backward), 7);
    for index in start..end {
        check(&settings, &[index], &mut undisturbed);
    }
    // The replay fails in the same segment, and the one after it in the next.
    for index in (start..end - 2).step_by(4) {
        check(&settings, &[index, index + 1, index + 2], &mut undisturbed);
    }
    let evaluated = places
        .iter()
        .rposition(|place| place.phase() == Some(Phase::Update));
    let evaluated = evaluated.expect("there were updates") + 2;
    assert!(matches!(
        places[evaluated],
        Place::Segment(SegmentWork::Forward)
    ));
    check(&settings, &[evaluated], &mut undisturbed);
}

#[test]
fn bursts_of_failures_change_nothing_either() {
    let settings = settings(&[
        "memory_optimization.dynamic_batch_size=true",
        "training.batch_size=16",
        "training.update_freq=1",
    ]);
    let mut undisturbed = Undisturbed::default();
    let places = check(&settings, &[], &mut undisturbed).len();
    for first in (0..places).step_by(3) {
        check(&settings, &[first, first + 1, first + 2], &mut undisturbed);
    }
    check(&settings, &[1, 3, 15, 20], &mut undisturbed);
}

#[test]
fn side_by_side_ends_one_by_one() {
    let settings = settings(&[
        "training.batch_size=1",
        "training.update_freq=16",
        "hardware.parallel_micro_batches=2",
        "model.dropout=0.0",
    ]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run_dir = folder.path().join("run");
    let failing = Failing::at(&[1]);
    start(&settings, &run_dir, false, &failing).expect("it ends well");
    let [event] = &events(&run_dir, "micro_batch")[..] else {
        panic!("one event");
    };
    assert_eq!((&event["from"], &event["to"]), (&json!(1), &json!(1)));
    assert_eq!(event["parallel"], 1);
    let rounds = failing.points();
    let mut rounds = rounds
        .iter()
        .filter(|point| point.phase == Phase::Accumulation);
    assert!(rounds.all(|point| point.samples.len() == 1));
}

#[test]
fn after_a_rest_micro_batches_run_side_by_side_again_and_the_event_says_so() {
    let settings = settings(&[
        "training.batch_size=1",
        "training.update_freq=16",
        "training.epochs=9",
        "hardware.parallel_micro_batches=2",
        "model.dropout=0.0",
    ]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run_dir = folder.path().join("run");
    start(&settings, &run_dir, false, &Failing::at(&[1])).expect("it ends well");
    let moves = events(&run_dir, "micro_batch");
    let moves: Vec<_> = moves
        .iter()
        .map(|event| (&event["from"], &event["to"], &event["parallel"]))
        .collect();
    let one = &json!(1);
    assert_eq!(moves, [(one, one, one), (one, one, &json!(2))]);
}

#[test]
fn what_cannot_be_made_smaller_is_an_error_with_a_cure() {
    let settings = settings(&[]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let fitting = |name: &str, fails: &[usize]| {
        let failing = Failing::at(fails);
        let error = start(&settings, &folder.path().join(name), false, &failing);
        let error = error.expect_err("it does not fit");
        assert!(matches!(error, TrainError::DoesNotFit { .. }), "{error}");
        assert!(
            error
                .help()
                .is_some_and(|help| help.contains("gradient_checkpointing"))
        );
        failing.points()
    };
    // From 8 samples by 4 and 2 to 1.
    let passed = fitting("micro-batch", &[1, 3, 5, 7]);
    assert_eq!(passed.last().map(|point| point.samples.clone()), Some(0..1));
    // An update once, and again after going back.
    let passed = fitting("update", &[8, 17]);
    let updates = passed.iter().filter(|point| point.phase == Phase::Update);
    assert_eq!(updates.count(), 2);
}

/// Has no memory for steps that were taken before, as those of the baseline are.
#[derive(Default)]
struct NothingTwice {
    most: Mutex<usize>,
}

impl FaultInjector for NothingTwice {
    fn at(&self, point: &Point) -> Result<(), OutOfMemory> {
        let mut most = self.most.lock().expect("no thread panics in here");
        *most = point.step.max(*most);
        let again = point.step < *most;
        drop(most);
        if again {
            return Err(out_of_memory(point.phase));
        }
        Ok(())
    }
}

#[test]
fn a_baseline_that_does_not_fit_is_said_to_be_unmeasured_until_it_fits() {
    let settings = settings(&["evaluation.question_only_epochs=1"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run_dir = folder.path().join("run");
    let summary = || -> Value {
        let text = fs::read(run_dir.join("summary.json")).expect("summary.json");
        serde_json::from_slice(&text).expect("JSON")
    };
    start(&settings, &run_dir, false, &NothingTwice::default()).expect("the run is finished");
    let first = summary();
    assert!(first["test_accuracy"].is_f64(), "{first}");
    assert_eq!(first["question_only_accuracy"], Value::Null);
    let cause = first["question_only_unmeasured"].as_str();
    assert!(
        cause.is_some_and(|cause| cause.contains("out of memory")),
        "{first}"
    );

    start(&settings, &run_dir, true, &Failing::at(&[])).expect("there is room by now");
    let second = summary();
    assert_eq!(second["test_accuracy"], first["test_accuracy"]);
    assert!(second["question_only_accuracy"].is_f64(), "{second}");
    assert_eq!(second["question_only_unmeasured"], Value::Null);
}

#[test]
fn a_device_that_failed_is_told_apart_and_a_new_process_goes_on() {
    let settings = settings(&[]);
    let whole = tempfile::tempdir().expect("a temporary folder");
    let whole = whole.path().join("run");
    start(&settings, &whole, false, &Failing::at(&[])).expect("it ends well");
    // Before the first checkpoint, and after it.
    for index in [5, 30] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let run_dir = folder.path().join("run");
        let failing = Failing {
            how: Some(|| Box::new("The device is poisoned\nCaused by:\n  a trap".to_owned())),
            ..Failing::at(&[index])
        };
        let error = start(&settings, &run_dir, false, &failing).expect_err("it cannot go on");
        assert!(
            matches!(error, TrainError::DevicePoisoned { .. }),
            "{error}"
        );
        start(&settings, &run_dir, true, &Failing::at(&[])).expect("the rest ends well");
        assert!(Left::of(&run_dir) == Left::of(&whole), "at point {index}");
    }
}

#[test]
#[should_panic(expected = "a bug")]
fn a_bug_is_not_taken_for_want_of_memory() {
    let settings = settings(&[]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let failing = Failing {
        how: Some(|| Box::new("a bug")),
        ..Failing::at(&[4])
    };
    drop(start(
        &settings,
        &folder.path().join("run"),
        false,
        &failing,
    ));
}
