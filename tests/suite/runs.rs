//! Whole runs inside this process: resuming, loader settings, slicing, a model of one's own.
//!
//! One file because other tests of whole runs take their helpers from here.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use aoa_model::Vqa;
use burn::tensor::Device;
use config_schema::{Config, Layers, presets, resolve};
use integration_tests::{Gradients, Silent, newest_weights, random_numbers};
use model_api::Model;
use tempfile::TempDir;
use toy_model::Toy;
use trainer::memory::DeviceMemory;
use trainer::{Checkpoints, Dataset, Event, Observer, Run, Summary, TrainError, train};

use crate::two_branches::BOTH;

/// The CPU preset made small: 32 images, 128 samples, 8 steps an epoch.
pub fn small(sets: &[&str]) -> Config {
    let base = [
        "dataset.shapes_train_images=32",
        "dataset.shapes_validation_images=8",
        "dataset.shapes_test_images=8",
        "dataset.shapes_questions_per_image=4",
        "dataset.image_size=32",
        "model.num_hid=16",
        "model.word_dim=8",
        "model.image_width=8",
        "model.heads=2",
        "model.dropout=0.2",
        "training.batch_size=16",
        "training.update_freq=1",
        "hardware.parallel_micro_batches=1",
        "training.epochs=2",
        "evaluation.question_only_epochs=0",
        "data_loading.image_group_size=1",
        "logging.every_steps=1",
    ];
    let sets = base.iter().chain(sets).map(ToString::to_string).collect();
    let layers = Layers {
        sets,
        ..Layers::preset("cpu")
    };
    resolve(&layers, &presets::lookup)
        .expect("the small configuration resolves")
        .config
}

pub struct Finished {
    folder: TempDir,
    summary: Summary,
}

pub fn start<M: Model>(
    settings: &Config,
    run_dir: &Path,
    resume: bool,
    stop_after: Option<usize>,
) -> Result<Summary, TrainError> {
    start_watched::<M>(settings, run_dir, resume, stop_after, &mut Silent)
}

pub fn start_watched<M: Model>(
    settings: &Config,
    run_dir: &Path,
    resume: bool,
    stop_after: Option<usize>,
    observer: &mut dyn Observer,
) -> Result<Summary, TrainError> {
    let memory = DeviceMemory::default();
    start_within::<M>(settings, run_dir, resume, stop_after, memory, observer)
}

/// A run on a device of whose memory something is known, or in which faults are injected.
pub fn start_within<M: Model>(
    settings: &Config,
    run_dir: &Path,
    resume: bool,
    stop_after: Option<usize>,
    memory: DeviceMemory<'_>,
    observer: &mut dyn Observer,
) -> Result<Summary, TrainError> {
    let run = Run {
        settings,
        config_text: &config_schema::to_toml(settings),
        open: Dataset::open,
        run_dir,
        resume,
        stop_after,
        stop: &AtomicBool::new(false),
        save: &AtomicBool::new(false),
        device: &Device::flex(),
        device_name: "cpu",
        memory,
    };
    let _guard = random_numbers();
    train::<M>(&run, observer)
}

/// Begins a run and stops it after a step.
pub fn start_small(run_dir: &Path) {
    start::<Vqa>(&small(&[]), run_dir, false, Some(1)).expect("the step ends well");
}

pub fn finish(settings: &Config) -> Finished {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let summary =
        start::<Vqa>(settings, &folder.path().join("run"), false, None).expect("the run ends well");
    Finished { folder, summary }
}

/// The same run, stopped after some steps and resumed.
pub fn finish_in_two_parts(settings: &Config, stop_after: usize) -> Finished {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run_dir = folder.path().join("run");
    start::<Vqa>(settings, &run_dir, false, Some(stop_after)).expect("the part ends well");
    let summary = start::<Vqa>(settings, &run_dir, true, None).expect("the rest ends well");
    Finished { folder, summary }
}

impl Finished {
    pub fn run_dir(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// The last weights.
    pub fn weights(&self) -> Gradients {
        newest_weights::<Vqa>(&self.run_dir())
    }

    /// Loss of every step.
    pub fn losses(&self) -> Vec<f64> {
        losses(&self.run_dir())
    }
}

/// Loss of every step of a run.
pub fn losses(run_dir: &Path) -> Vec<f64> {
    let text = fs::read_to_string(run_dir.join("metrics.jsonl")).expect("metrics.jsonl");
    let events = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("each line is JSON"));
    events
        .filter(|event| event["event"] == "step")
        .map(|event| event["loss"].as_f64().expect("a loss"))
        .collect()
}

#[test]
fn a_resumed_run_is_the_same_run_bit_for_bit() {
    let settings = small(&[]);
    let whole = finish(&settings);
    for stops in [&[3][..], &[8], &[5, 6], &[1, 1, 1, 9]] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let run_dir = folder.path().join("run");
        for (turn, stop_after) in stops.iter().enumerate() {
            let summary = start::<Vqa>(&settings, &run_dir, turn > 0, Some(*stop_after))
                .expect("the part ends well");
            assert_eq!(summary.test_accuracy, None, "a stopped run has no result");
        }
        let summary = start::<Vqa>(&settings, &run_dir, true, None).expect("the rest ends well");
        assert_eq!(
            newest_weights::<Vqa>(&run_dir),
            whole.weights(),
            "weights after stops at {stops:?}"
        );
        assert_eq!(losses(&run_dir), whole.losses());
        assert_eq!(summary.test_accuracy, whole.summary.test_accuracy);
        assert_eq!(
            summary.validation_accuracy,
            whole.summary.validation_accuracy
        );
    }
}

#[test]
fn a_run_with_both_branches_resumes_bit_for_bit_and_reports_each() {
    let settings = small(&BOTH);
    let whole = finish(&settings);
    let branches: Vec<_> = whole.summary.branch_accuracy.keys().collect();
    assert_eq!(branches, ["coarse", "fine"]);
    let resumed = finish_in_two_parts(&settings, 5);
    assert_eq!(resumed.weights(), whole.weights());
    assert_eq!(resumed.losses(), whole.losses());
    assert_eq!(
        resumed.summary.branch_accuracy,
        whole.summary.branch_accuracy
    );
}

/// The forms of attention drop the same weights, so the rest of the run is the same to rounding.
#[test]
fn a_resumed_run_may_take_the_other_form_of_attention() {
    let whole = finish(&small(&[])).losses();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run_dir = folder.path().join("run");
    start::<Vqa>(&small(&[]), &run_dir, false, Some(4)).expect("the part ends well");
    let other = small(&["memory_optimization.memory_efficient_attention=true"]);
    start::<Vqa>(&other, &run_dir, true, None).expect("the rest ends well");
    let losses = losses(&run_dir);
    assert_eq!(losses[..4], whole[..4]);
    for (loss, expected) in losses.iter().zip(&whole) {
        assert!((loss / expected - 1.0).abs() < 1e-3, "{losses:?} {whole:?}");
    }
}

#[test]
fn checkpointing_changes_nothing_that_a_run_comes_to() {
    let deep = [
        "model.aoa_layers=2",
        "xvlm.dropout=0.1",
        "xvlm.drop_path_rate=0.3",
        "xvlm.text_layers=4",
        "xvlm.decoder_layers=2",
        "training.epochs=1",
    ];
    let settings = |rebuild: bool, segment: usize| {
        let rebuild = format!("memory_optimization.gradient_checkpointing={rebuild}");
        let segment = format!("memory_optimization.checkpoint_segment={segment}");
        small(&[&BOTH[..], &deep, &[&rebuild, &segment]].concat())
    };
    for segment in [1, 2] {
        let kept = finish(&settings(false, segment));
        let rebuilt = finish(&settings(true, segment));
        assert_eq!(rebuilt.losses(), kept.losses(), "segments of {segment}");
        assert_eq!(rebuilt.weights(), kept.weights(), "segments of {segment}");
    }

    let folder = tempfile::tempdir().expect("a temporary folder");
    let run_dir = folder.path().join("run");
    start::<Vqa>(&settings(true, 1), &run_dir, false, Some(3)).expect("the part ends well");
    start::<Vqa>(&settings(false, 1), &run_dir, true, None).expect("the rest ends well");
    let kept = finish(&settings(false, 1));
    assert_eq!(
        newest_weights::<Vqa>(&run_dir),
        kept.weights(),
        "resumed without"
    );
}

#[test]
fn loader_settings_do_not_change_the_run() {
    let reference = finish(&small(&["memory_optimization.num_workers=1"]));
    for sets in [
        &["memory_optimization.num_workers=4"][..],
        &[
            "memory_optimization.num_workers=4",
            "memory_optimization.prefetch_factor=1",
        ],
        &["data_loading.preload_data=false"],
        &["data_loading.preload_data=\"auto\""],
        &["data_loading.use_compression=true"],
        &[
            "data_loading.preload_data=false",
            "data_loading.use_compression=true",
            "memory_optimization.num_workers=3",
        ],
    ] {
        let run = finish(&small(sets));
        assert_eq!(run.losses(), reference.losses(), "{sets:?}");
        assert_eq!(run.weights(), reference.weights(), "{sets:?}");
    }
}

#[test]
fn another_seed_is_another_run() {
    let reference = finish(&small(&[]));
    assert_ne!(
        finish(&small(&["training.seed=2"])).losses(),
        reference.losses()
    );
}

#[test]
fn dropout_takes_effect() {
    let reference = finish(&small(&[]));
    assert_ne!(
        finish(&small(&["model.dropout=0.0"])).losses(),
        reference.losses()
    );
}

#[test]
fn image_groups_and_streaming_change_the_order_only() {
    let reference = finish(&small(&[]));
    for set in [
        "data_loading.image_group_size=4",
        "data_loading.streaming=true",
    ] {
        let run = finish(&small(&[set]));
        assert_ne!(run.losses(), reference.losses(), "{set}");
        assert_eq!(run.losses().len(), reference.losses().len(), "{set}");
    }
}

/// The files of the newest checkpoint by their names.
fn newest_files(run_dir: &Path) -> BTreeMap<OsString, Vec<u8>> {
    let (newest, _) = Checkpoints::of(run_dir).newest();
    let files = fs::read_dir(newest.expect("a whole checkpoint").path).expect("its folder");
    let files = files.map(|entry| entry.expect("a file"));
    files
        .map(|entry| (entry.file_name(), fs::read(entry.path()).expect("a file")))
        .collect()
}

#[test]
fn equal_runs_write_equal_checkpoints() {
    let settings = small(&[&BOTH[..], &["logging.every_steps=3"]].concat());
    let whole = finish(&settings);
    let files = newest_files(&whole.run_dir());
    assert_eq!(files.len(), 5, "{:?}", files.keys());
    for other in [finish(&settings), finish_in_two_parts(&settings, 5)] {
        for (name, content) in newest_files(&other.run_dir()) {
            assert!(content == files[&name], "{}", name.display());
        }
        assert_eq!(other.losses(), whole.losses());
    }
}

#[test]
fn the_newest_checkpoint_knows_the_best() {
    let settings = small(&[
        "training.epochs=4",
        "checkpoint.keep_last=1",
        "schedule.fine=constant",
    ]);
    let run = finish(&settings);
    let checkpoints = Checkpoints::of(&run.run_dir());
    let newest = checkpoints.newest().0.expect("a whole checkpoint");
    let known = newest.state.best.expect("it was evaluated");
    let (best, _) = checkpoints.best().expect("a whole checkpoint");
    assert_eq!(best.step, known.step);
    fs::remove_dir_all(&best.path).expect("it is removed");
    let lost = checkpoints.best().expect_err("no other takes its place");
    let place = best.path.display().to_string();
    assert!(lost.to_string().contains(&place), "{lost}");
}

#[test]
fn a_run_directory_is_not_overwritten() {
    let run = finish(&small(&["training.epochs=1"]));
    let again = start::<Vqa>(&small(&[]), &run.run_dir(), false, None);
    assert!(
        matches!(again, Err(TrainError::RunExists { .. })),
        "{again:?}"
    );
}

#[test]
fn a_damaged_checkpoint_is_passed_over() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("truncated", |path| {
            let file = path.join("model.bpk");
            let content = fs::read(&file).expect("the weights");
            fs::write(&file, &content[..content.len() / 2]).expect("write");
        }),
        ("a flipped byte", |path| {
            let file = path.join("optimizer-fine.bpk");
            let mut content = fs::read(&file).expect("the optimizer state");
            let middle = content.len() / 2;
            content[middle] ^= 1;
            fs::write(&file, content).expect("write");
        }),
        ("no manifest", |path| {
            fs::remove_file(path.join("manifest.json")).expect("remove");
        }),
        ("another manifest", |path| {
            let file = path.join("manifest.json");
            let text = fs::read_to_string(&file).expect("the manifest");
            fs::write(&file, text.replacen("\"crc32\": ", "\"crc32\": 1", 1)).expect("write");
        }),
        ("a missing file", |path| {
            fs::remove_file(path.join("state.json")).expect("remove");
        }),
    ];
    let settings = small(&["checkpoint.keep_last=5"]);
    let whole = finish(&settings);
    for (name, damage) in damages {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let run_dir = folder.path().join("run");
        start::<Vqa>(&settings, &run_dir, false, Some(3)).expect("the first part ends well");
        start::<Vqa>(&settings, &run_dir, true, Some(3)).expect("the second part ends well");
        damage(&run_dir.join("checkpoints/step-00000006"));

        let (newest, rejected) = Checkpoints::of(&run_dir).newest();
        assert_eq!(
            newest.expect("an older checkpoint is whole").state.step,
            3,
            "{name}"
        );
        assert_eq!(rejected.len(), 1, "{name}");
        start::<Vqa>(&settings, &run_dir, true, None).expect("the run goes on from the older one");
        let metrics = fs::read_to_string(run_dir.join("metrics.jsonl")).expect("metrics.jsonl");
        assert!(
            metrics.contains("skipped the checkpoint"),
            "{name}: it says so"
        );
        assert_eq!(
            newest_weights::<Vqa>(&run_dir),
            whole.weights(),
            "{name}: and is still the same run"
        );
    }
}

#[test]
fn without_any_whole_checkpoint_the_run_says_so() {
    let settings = small(&[]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run_dir = folder.path().join("run");
    start::<Vqa>(&settings, &run_dir, false, Some(2)).expect("the first part ends well");
    fs::remove_file(run_dir.join("checkpoints/step-00000002/model.bpk")).expect("remove");
    let resumed = start::<Vqa>(&settings, &run_dir, true, None);
    assert!(
        matches!(resumed, Err(TrainError::NoCheckpoint { .. })),
        "{resumed:?}"
    );
}

#[test]
fn checkpoints_are_pruned_to_the_newest_and_the_best() {
    let run = finish(&small(&[
        "checkpoint.every_steps=1",
        "checkpoint.keep_last=2",
    ]));
    let names = fs::read_dir(run.run_dir().join("checkpoints")).expect("checkpoints");
    let steps = names
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("step-"))
        .count();
    assert!((2..=3).contains(&steps), "{steps} checkpoints are left");
}

#[test]
fn a_toy_model_takes_the_place_of_the_real_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = small(&[
        "training.epochs=4",
        "training.lr=0.05",
        "schedule.fine=constant",
    ]);
    let summary = start::<Toy>(&settings, &folder.path().join("run"), false, None)
        .expect("the toy model trains");
    let losses = losses(&folder.path().join("run"));
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    assert!(
        mean(&losses[24..]) < 0.6 * mean(&losses[..4]),
        "the toy model learns: {losses:?}"
    );
    assert!(summary.test_accuracy.is_some_and(|accuracy| accuracy > 0.0));
}

/// Changes a file of the run after its third step.
struct Changing<'a>(&'a Path);

impl Observer for Changing<'_> {
    fn observe(&mut self, event: &Event) {
        if let Event::Step { step: 3, .. } = event {
            let mut text = fs::read(self.0).expect("the file");
            text.push(b' ');
            fs::write(self.0, text).expect("it is changed");
        }
    }

    fn tick(&mut self, _step: usize) {}
}

#[test]
fn a_run_whose_vocabulary_was_changed_meanwhile_does_not_end_well() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run_dir = folder.path().join("run");
    let file = run_dir.join("vocabulary.json");
    let settings = small(&["training.epochs=1"]);
    let ended = start_watched::<Toy>(&settings, &run_dir, false, None, &mut Changing(&file));
    let error = ended.expect_err("the result could not be used").to_string();
    assert!(error.contains("vocabulary.json"), "{error}");
}
