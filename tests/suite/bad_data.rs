//! Files of the data set that cannot be used: left out in the same way by every run, or a run that stops with all saved.

use std::fs;
use std::path::{Path, PathBuf};

use aoa_model::Vqa;
use config_schema::Config;
use data_pipeline::{Shapes, ShapesConfig, Source, Split, folder};
use integration_tests::newest_weights;
use tempfile::TempDir;
use trainer::{Checkpoints, Event, Observer, Summary, TrainError};

use crate::runs::{losses, small, start, start_watched};

/// A data set of 24 training images with two questions each, and 6 images for either other split.
fn data_set() -> TempDir {
    let root = tempfile::tempdir().expect("a temporary folder");
    let shapes = |split, images| {
        let config = ShapesConfig {
            seed: 5,
            images,
            questions_per_image: 2,
        };
        Shapes::new(config, split).expect("scenes")
    };
    let [train, validation, test] = [(Split::Train, 24), (Split::Validation, 6), (Split::Test, 6)]
        .map(|(split, images)| shapes(split, images));
    let splits: [(Split, &dyn Source); 3] = [
        (Split::Train, &train),
        (Split::Validation, &validation),
        (Split::Test, &test),
    ];
    folder::write(&root.path().join("data"), &splits, 24).expect("a data set");
    root
}

fn settings(root: &TempDir, sets: &[&str]) -> Config {
    let place = format!("dataset.root={}", root.path().join("data").display());
    let own = ["dataset.name=folder", &place, "training.batch_size=8"];
    small(&[&own[..], sets].concat())
}

fn image(root: &TempDir, name: &str) -> PathBuf {
    root.path().join("data/images").join(name)
}

/// Changes a byte that a glance does not look at.
fn spoil_inside(path: &Path) {
    let mut bytes = fs::read(path).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs::write(path, bytes).expect("a file");
}

const SKIP: [&str; 2] = ["dataset.on_bad_sample=skip", "dataset.max_bad_fraction=0.5"];

/// Removes the lines of images from a split.
fn remove_lines(root: &TempDir, split: &str, images: &[&str]) {
    let file = root.path().join(format!("data/{split}.jsonl"));
    let lines = fs::read_to_string(&file).expect("lines");
    let kept = lines
        .lines()
        .filter(|line| !images.iter().any(|image| line.contains(image)));
    fs::write(
        &file,
        kept.flat_map(|line| [line, "\n"]).collect::<String>(),
    )
    .expect("lines");
}

fn spoiled() -> TempDir {
    let root = data_set();
    for name in [
        "train-3.png",
        "train-17.png",
        "validation-0.png",
        "test-5.png",
    ] {
        spoil_inside(&image(&root, name));
    }
    fs::remove_file(image(&root, "train-9.png")).expect("an image");
    root
}

/// What a run comes to.
fn result(
    summary: &Summary,
    run_dir: &Path,
) -> (
    Vec<f64>,
    integration_tests::Gradients,
    Option<f64>,
    Option<f64>,
) {
    (
        losses(run_dir),
        newest_weights::<Vqa>(run_dir),
        summary.validation_accuracy,
        summary.test_accuracy,
    )
}

#[test]
fn leaving_samples_out_is_as_if_their_lines_were_not_there() {
    let edited = data_set();
    remove_lines(
        &edited,
        "train",
        &["train-3.png", "train-9.png", "train-17.png"],
    );
    remove_lines(&edited, "validation", &["validation-0.png"]);
    remove_lines(&edited, "test", &["test-5.png"]);
    let run = edited.path().join("run");
    let summary = start::<Vqa>(&settings(&edited, &[]), &run, false, None).expect("it trains");
    let expected = result(&summary, &run);
    assert_eq!(
        expected.0.len(),
        2 * 6,
        "42 samples are 6 steps of 8 an epoch"
    );

    let root = spoiled();
    for (number, sets) in [
        &["memory_optimization.num_workers=1"][..],
        &[
            "memory_optimization.num_workers=5",
            "memory_optimization.prefetch_factor=3",
        ],
        &[
            "data_loading.preload_data=true",
            "data_loading.use_compression=true",
        ],
    ]
    .iter()
    .enumerate()
    {
        let run = root.path().join(format!("run-{number}"));
        let settings = settings(&root, &[&SKIP[..], sets].concat());
        let summary = start::<Vqa>(&settings, &run, false, None).expect("it trains");
        assert_eq!(result(&summary, &run), expected, "{sets:?}");
    }
    // In parts, also where a file was repaired in between: a resumed run is the same run.
    let run = root.path().join("parts");
    let settings = settings(&root, &SKIP);
    start::<Vqa>(&settings, &run, false, Some(3)).expect("the first part");
    let whole = data_set();
    fs::copy(image(&whole, "train-3.png"), image(&root, "train-3.png")).expect("an image");
    start::<Vqa>(&settings, &run, true, Some(5)).expect("the second part");
    let summary = start::<Vqa>(&settings, &run, true, None).expect("the rest");
    assert_eq!(result(&summary, &run), expected);
}

#[test]
fn a_run_without_any_sample_of_a_split_does_not_begin() {
    let root = data_set();
    for number in 0..6 {
        fs::remove_file(image(&root, &format!("test-{number}.png"))).expect("an image");
    }
    let sets = ["dataset.on_bad_sample=skip", "dataset.max_bad_fraction=1.0"];
    let run = root.path().join("run");
    let error = start::<Vqa>(&settings(&root, &sets), &run, false, None).expect_err("no test");
    assert!(
        error
            .to_string()
            .starts_with("12 of 12 samples of the test split"),
        "{error}"
    );
}

/// Breaks a file when the run has taken so many steps.
struct Saboteur {
    step: usize,
    file: PathBuf,
}

impl Observer for Saboteur {
    fn observe(&mut self, _event: &Event) {}

    fn tick(&mut self, step: usize) {
        if step == self.step {
            fs::write(&self.file, "no image").expect("a file");
        }
    }
}

/// The run is stopped by a file, is resumed when the file is back, and comes to what it would have come to.
#[track_caller]
fn stopped_by(name: &str, at_step: usize, line: usize) {
    let root = data_set();
    let settings = settings(
        &root,
        &[
            "memory_optimization.num_workers=1",
            "data_loading.preload_data=false",
        ],
    );
    let whole = root.path().join("whole");
    let summary = start::<Vqa>(&settings, &whole, false, None).expect("it trains");
    let expected = result(&summary, &whole);

    let run = root.path().join("run");
    let file = image(&root, name);
    let before = fs::read(&file).expect("an image");
    let mut saboteur = Saboteur {
        step: at_step,
        file: file.clone(),
    };
    let error = start_watched::<Vqa>(&settings, &run, false, None, &mut saboteur);
    let Err(TrainError::DataFailed { step, source, .. }) = error else {
        panic!("{name}: {error:?}");
    };
    assert!(step >= at_step);
    let text = source.to_string();
    assert!(
        text.ends_with(&format!("lines {line} and {}", line + 1)),
        "{text}"
    );
    let cause = std::error::Error::source(&source)
        .expect("a cause")
        .to_string();
    assert!(cause.contains(name), "{cause}");
    let (newest, _) = Checkpoints::of(&run).newest();
    assert_eq!(
        newest.expect("a checkpoint").state.step,
        step,
        "{name}: what was taken is saved"
    );

    // Still broken: the run does not go on, and says the same of it.
    let error = start::<Vqa>(&settings, &run, true, None).expect_err("it is still broken");
    assert!(error.to_string().contains(name), "{error}");
    fs::write(&file, before).expect("a file");
    let summary = start::<Vqa>(&settings, &run, true, None).expect("it goes on");
    assert_eq!(result(&summary, &run), expected, "{name}");
}

#[test]
fn an_image_that_breaks_while_training_costs_no_step() {
    stopped_by("train-7.png", 6, 15);
}

#[test]
fn an_image_that_breaks_before_an_evaluation_costs_no_step_and_no_evaluation() {
    stopped_by("validation-2.png", 3, 5);
}

#[test]
fn a_test_image_that_breaks_while_training_costs_the_evaluation_alone() {
    stopped_by("test-1.png", 3, 3);
}

/// The first step's own batch cannot be read: nothing was taken, and the run begins when the file is back.
#[test]
fn damage_that_a_glance_does_not_see_stops_the_run_with_its_steps_saved() {
    let root = data_set();
    let file = image(&root, "train-0.png");
    let before = fs::read(&file).expect("an image");
    spoil_inside(&file);
    let settings = settings(&root, &["data_loading.preload_data=false"]);
    let run = root.path().join("run");
    let error = start::<Vqa>(&settings, &run, false, None);
    let Err(TrainError::DataFailed { step, .. }) = error else {
        panic!("{error:?}");
    };
    let (newest, _) = Checkpoints::of(&run).newest();
    assert_eq!(newest.map_or(0, |newest| newest.state.step), step);
    fs::write(&file, before).expect("a file");
    start::<Vqa>(&settings, &run, true, None).expect("it goes on");
}
