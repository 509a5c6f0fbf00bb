//! Training begins with published weights where the settings name some.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aoa_model::Vqa;
use aoa_model::weights::{
    Dtype, PublishedPart, TensorBytes, WeightFile, export_part, write_safetensors,
};
use burn::tensor::Device;
use config_schema::Config;
use integration_tests::{gradients_by_path, random_numbers};
use model_api::{DataShape, DeviceBatch, Model, PretrainedFault, Sight};
use tempfile::TempDir;
use trainer::{
    Dataset, Event, Observer, Slicing, TrainError, effective_gradient, evaluation_loader,
    materialize, training_encoder,
};

use crate::runs::{finish, losses, small, start, start_watched};
use crate::two_branches::BOTH;

fn settings(sets: &[&str]) -> Config {
    small(&[&BOTH[..], sets].concat())
}

fn fresh(settings: &Config, device: &Device) -> Vqa {
    let dataset = Dataset::open(settings).expect("shapes");
    let encoder = training_encoder::<Vqa>(settings, dataset.train.as_ref());
    let shape = DataShape::of(&encoder.expect("words and answers"));
    let model = Vqa::init(&Vqa::configure(settings, &shape).expect("a model"), device);
    materialize(&model);
    model
}

/// Weights of X-VLM as PyTorch has them.
fn xvlm(model: &Vqa) -> BTreeMap<String, TensorBytes> {
    export_part(PublishedPart::Xvlm, model).expect("there is an X-VLM")
}

/// A file with the X-VLM of a model of these settings.
fn published(folder: &TempDir, settings: &Config) -> PathBuf {
    let path = folder.path().join("xvlm.safetensors");
    let model = fresh(settings, &Device::flex());
    write_safetensors(&path, &xvlm(&model)).expect("the folder can be written");
    path
}

/// The same in front of runs, which draw numbers by themselves.
fn published_alone(folder: &TempDir) -> PathBuf {
    let _guard = random_numbers();
    published(folder, &settings(&[]))
}

fn named(path: &Path) -> String {
    format!("xvlm.weights={}", path.display())
}

#[test]
fn training_begins_with_the_weights_of_the_file() {
    let _guard = random_numbers();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = published(&folder, &settings(&[]));
    let device = Device::flex();

    let settings = settings(&[&named(&path)]);
    let (model, pretrained) = fresh(&settings, &device)
        .pretrained(&settings)
        .expect("the file fits");
    let file = WeightFile::open(&path).expect("the file");
    for (name, tensor) in xvlm(&model) {
        let info = file.tensor(&name).expect("the file has it");
        if info.dtype == Dtype::F32 {
            let floats = file.floats(&name).expect("numbers");
            assert_eq!(
                TensorBytes::from_f32(info.shape.clone(), &floats),
                tensor,
                "{name}"
            );
        }
    }
    let report = pretrained.expect("a report").report;
    assert!(
        report.contains(" 0 fresh, 0 missing, 0 mis-shaped"),
        "{report}"
    );
}

#[test]
fn a_run_says_what_became_of_the_weights() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = published_alone(&folder);
    let with = finish(&settings(&[&named(&path)]));
    let metrics = fs::read_to_string(with.run_dir().join("metrics.jsonl")).expect("metrics");
    let events: Vec<_> = metrics
        .lines()
        .filter(|line| line.contains("\"event\":\"pretrained\""))
        .collect();
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0].contains("xvlm.safetensors"), "{events:?}");
    assert_ne!(with.losses(), finish(&settings(&[])).losses());
}

/// The file is read once: neither going on in front of the first checkpoint nor the baseline needs it.
#[test]
fn a_run_needs_the_file_at_its_start_only() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = published_alone(&folder);
    let settings = settings(&[
        &named(&path),
        "training.epochs=1",
        "evaluation.question_only_epochs=1",
    ]);
    let (whole, run_dir) = (folder.path().join("whole"), folder.path().join("parts"));
    let summary = start::<Vqa>(&settings, &whole, false, None).expect("the run ends well");
    let accuracy = summary.question_only_accuracy;
    assert!(accuracy.is_some());

    start::<Vqa>(&settings, &run_dir, false, Some(1)).expect("the part ends well");
    // As if stopped before the first step.
    let forget = || {
        fs::remove_dir_all(run_dir.join("checkpoints")).expect("checkpoints");
        fs::remove_file(run_dir.join("metrics.jsonl")).expect("metrics");
    };
    forget();
    fs::write(&path, "another file").expect("the file is replaced");
    let resumed = start::<Vqa>(&settings, &run_dir, true, None).expect("the rest ends well");
    assert_eq!(losses(&run_dir), losses(&whole));
    assert_eq!(resumed.question_only_accuracy, accuracy);
    let count = |run_dir: &Path| {
        let metrics = fs::read_to_string(run_dir.join("metrics.jsonl")).expect("metrics");
        metrics.matches("\"event\":\"pretrained\"").count()
    };
    assert_eq!((count(&whole), count(&run_dir)), (2, 2), "run and baseline");

    forget();
    let kept = run_dir.join("start.bpk");
    let mut bytes = fs::read(&kept).expect("the weights of the start");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&kept, bytes).expect("write");
    let changed = start::<Vqa>(&settings, &run_dir, true, None);
    assert!(
        matches!(&changed, Err(TrainError::Invalid { path, .. }) if *path == kept),
        "{changed:?}"
    );
}

/// Takes the weights of a run's start away when the baseline begins.
struct Thief(PathBuf);

impl Observer for Thief {
    fn observe(&mut self, event: &Event) {
        if let Event::QuestionOnly { .. } = event {
            fs::remove_file(&self.0).expect("the weights of the start");
        }
    }

    fn tick(&mut self, _step: usize) {}
}

#[test]
fn the_result_is_written_before_the_baseline_begins() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = published_alone(&folder);
    let settings = settings(&[
        &named(&path),
        "training.max_steps=1",
        "evaluation.question_only_epochs=1",
    ]);
    let run_dir = folder.path().join("run");
    let mut thief = Thief(run_dir.join("start.bpk"));
    let failed = start_watched::<Vqa>(&settings, &run_dir, false, None, &mut thief);
    assert!(matches!(failed, Err(TrainError::Read { .. })), "{failed:?}");
    let summary = fs::read_to_string(run_dir.join("summary.json")).expect("a result");
    let summary: serde_json::Value = serde_json::from_str(&summary).expect("JSON");
    assert!(summary["test_accuracy"].is_f64(), "{summary}");
    assert!(summary["question_only_accuracy"].is_null(), "{summary}");
}

/// An error with its causes.
fn chain(error: &dyn Error) -> String {
    let cause = error.source().map(chain);
    let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
    format!("{error}{cause}")
}

#[test]
fn a_file_that_cannot_be_used_leaves_no_run_directory() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("xvlm.safetensors");
    let run_dir = folder.path().join("run");
    let with = settings(&[&named(&path), "training.max_steps=1"]);
    let begin = |what: &str| {
        let begun = start::<Vqa>(&with, &run_dir, false, None);
        assert_eq!(run_dir.exists(), begun.is_ok(), "{what}");
        begun
    };
    let refused = |what: &str, words: &str| {
        let Err(TrainError::Pretrained(error)) = begin(what) else {
            panic!("{what} weights are refused");
        };
        assert_eq!(error.fault, PretrainedFault::File, "{what}");
        assert!(chain(&error).contains(words), "{what}: {}", chain(&error));
    };
    refused("absent", "xvlm.safetensors");
    fs::write(&path, "no weights").expect("a file");
    refused("broken", "neither a PyTorch checkpoint nor");
    let other = |sets: &[&str]| {
        let _guard = random_numbers();
        published(&folder, &settings(sets));
    };
    other(&["xvlm.text_hidden=32"]);
    refused("of another size", "does not have all of the model");
    other(&[]);
    begin("fitting").expect("the run ends well");
}

/// A folder may hold files of the names that a run has, as one that never began left them.
#[test]
fn only_weights_that_a_run_kept_itself_are_its_start() {
    let settings = small(&["training.max_steps=1"]);
    let earlier = tempfile::tempdir().expect("a temporary folder");
    start::<Vqa>(&settings, earlier.path(), false, None).expect("the run ends well");
    // What a run left that was killed while it started.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let lock = [earlier.path(), folder.path()].map(|run| run.join(".lock"));
    fs::copy(&lock[0], &lock[1]).expect("the lock");
    for name in ["start.bpk", "start.json", "vocab.txt"] {
        fs::write(folder.path().join(name), "of another start").expect("a file");
    }
    start::<Vqa>(&settings, folder.path(), false, None).expect("the run ends well");
    let seal = fs::read_to_string(folder.path().join("seal.json")).expect("the seal");
    assert!(
        !seal.contains("start") && !seal.contains("vocab.txt"),
        "{seal}"
    );
}

#[test]
fn a_file_of_another_size_is_refused() {
    let _guard = random_numbers();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = published(&folder, &settings(&["xvlm.text_hidden=32"]));
    let settings = settings(&[&named(&path)]);
    let refused = fresh(&settings, &Device::flex()).pretrained(&settings);
    match refused {
        Err(error) => {
            let report = error.to_string();
            assert!(report.contains("mis-shaped text_encoder"), "{report}");
        }
        Ok((_, pretrained)) => panic!("{pretrained:?}"),
    }
}

#[test]
fn weights_that_are_not_finite_are_refused_by_name() {
    let _guard = random_numbers();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("xvlm.safetensors");
    let mut tensors = xvlm(&fresh(&settings(&[]), &Device::flex()));
    let table = "text_encoder.embeddings.word_embeddings.weight";
    let broken = tensors.get_mut(table).expect("the word table");
    broken.bytes[4..8].copy_from_slice(&f32::NAN.to_le_bytes());
    write_safetensors(&path, &tensors).expect("the folder can be written");

    let settings = settings(&[&named(&path)]);
    match fresh(&settings, &Device::flex()).pretrained(&settings) {
        Err(error) => {
            let expected = format!("tensor {table} holds NaN where a finite number should be");
            assert!(chain(&error).ends_with(&expected), "{}", chain(&error));
        }
        Ok((_, pretrained)) => panic!("{pretrained:?}"),
    }
}

#[test]
fn a_model_without_an_xvlm_refuses_weights_for_one() {
    let _guard = random_numbers();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = published(&folder, &settings(&[]));
    let mut settings = small(&[]);
    settings.xvlm.weights = path.display().to_string();
    let refused = fresh(&settings, &Device::flex()).pretrained(&settings);
    let fault = refused.map(drop).map_err(|error| error.fault);
    assert_eq!(fault, Err(PretrainedFault::Settings));
}

#[test]
fn frozen_weights_stay_frozen_when_they_come_from_a_file() {
    let _guard = random_numbers();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = published(&folder, &settings(&[]));
    let settings = settings(&[&named(&path), "training.tune_xvlm=false"]);
    let device = Device::flex().autodiff();
    let (model, _) = fresh(&settings, &device)
        .pretrained(&settings)
        .expect("the file fits");
    let dataset = Dataset::open(&settings).expect("shapes");
    let encoder = training_encoder::<Vqa>(&settings, dataset.train.as_ref());
    let encoder = Arc::new(encoder.expect("words and answers"));
    let loader = evaluation_loader(&settings, dataset.test, encoder.clone()).expect("a loader");
    let batch = loader.epoch(0, 0).expect("an epoch").next();
    let batch = batch.expect("a batch").expect("it is read");
    let slicing = Slicing {
        micro_batch: batch.len(),
        parallel: 1,
    };
    let gradient = effective_gradient(&model, batch.len(), slicing, |model, slice| {
        let batch = DeviceBatch::upload(&batch.slice(slice), &encoder, Sight::Images, &device);
        Model::losses(model, batch)
    });
    let paths = gradients_by_path(&model, &gradient.gradients, &str::to_owned);
    assert!(
        paths
            .keys()
            .all(|path| path.starts_with("fine.") || path.starts_with("fusion."))
    );
    assert!(!paths.is_empty());
}
