//! Training begins with published weights where the settings name some.

use std::collections::BTreeMap;
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
use tempfile::TempDir;
use trainer::{
    DataShape, Dataset, DeviceBatch, Model, Sight, Slicing, TrainError, effective_gradient,
    evaluation_loader, materialize, training_encoder,
};

use crate::runs::{finish, small};
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
    let path = {
        let _guard = random_numbers();
        published(&folder, &settings(&[]))
    };
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

#[test]
fn a_file_of_another_size_is_refused() {
    let _guard = random_numbers();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = published(&folder, &settings(&["xvlm.text_hidden=32"]));
    let settings = settings(&[&named(&path)]);
    let refused = fresh(&settings, &Device::flex()).pretrained(&settings);
    match refused {
        Err(TrainError::WeightsIncomplete { report, .. }) => {
            assert!(report.contains("mis-shaped text_encoder"), "{report}");
        }
        other => panic!("{:?}", other.map(|(_, pretrained)| pretrained)),
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
        Err(TrainError::Weights(error)) => {
            let expected = format!("tensor {table} holds NaN where a finite number should be");
            assert_eq!(error.fault.to_string(), expected);
        }
        other => panic!("{:?}", other.map(|(_, pretrained)| pretrained)),
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
    assert!(matches!(refused, Err(TrainError::Part(_))));
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
