//! Region features that were written as a published container, imported, and trained on.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use aoa_model::Vqa;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use config_schema::Config;
use data_import::{FeatureRequest, Number, import_features};
use data_pipeline::{Folder, HoldOut, Shapes, ShapesConfig, Source, Split, folder};

use crate::runs::{small, start};

const SPLITS: [(Split, usize); 3] = [
    (Split::Train, 320),
    (Split::Validation, 60),
    (Split::Test, 120),
];

/// Described shapes, with a file of features an image.
fn described(root: &Path) -> [Shapes; 3] {
    let shapes = SPLITS.map(|(split, images)| {
        let config = ShapesConfig {
            seed: 11,
            images,
            questions_per_image: 5,
        };
        Shapes::new(config, split).expect("scenes").described()
    });
    let splits: Vec<(Split, &dyn Source)> = SPLITS
        .iter()
        .zip(&shapes)
        .map(|((split, _), shapes)| (*split, shapes as &dyn Source))
        .collect();
    folder::write(root, &splits, usize::MAX).expect("a data set");
    shapes
}

/// The regions of a split as lines of bottom-up attention: as many as an image has objects, boxes in pixels.
fn lines(shapes: &Shapes, split: Split) -> String {
    let mut text = String::new();
    for image in 0..shapes.image_count() {
        let found = shapes.regions(image).expect("a scene");
        let rows = found
            .features
            .chunks(found.shape.dim)
            .zip(found.boxes.chunks(6));
        let rows: Vec<_> = rows.filter(|(_, edges)| edges[4] > 0.0).collect();
        let encode = |numbers: Vec<f32>| {
            let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
            STANDARD.encode(bytes.collect::<Vec<u8>>())
        };
        let boxes = rows
            .iter()
            .flat_map(|(_, edges)| edges[..4].iter().map(|edge| edge * 64.0));
        let features = rows
            .iter()
            .flat_map(|(features, _)| features.iter().copied());
        let (boxes, features) = (encode(boxes.collect()), encode(features.collect()));
        let (name, count) = (split.name(), rows.len());
        write!(
            text,
            "{name}-{image}\t64\t64\t{count}\t{boxes}\t{features}\r\n"
        )
        .expect("memory");
    }
    text
}

fn settings(root: &Path) -> Config {
    let root = format!("dataset.root={}", root.display());
    small(&[
        "dataset.name=folder",
        &root,
        "model.num_hid=48",
        "model.word_dim=24",
        "training.epochs=6",
        "training.batch_size=20",
        "evaluation.question_only_epochs=0",
    ])
}

#[test]
fn adaptive_regions_of_a_published_container_teach_as_much_as_native_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    let [native, imported] = ["native", "imported"].map(|name| folder.path().join(name));
    let shapes = described(&native);
    described(&imported);
    fs::remove_dir_all(imported.join("features")).expect("features");
    for ((split, _), (number, shapes)) in SPLITS.iter().zip(shapes.iter().enumerate()) {
        let file = folder.path().join(format!("{}.tsv.{number}", split.name()));
        fs::write(&file, lines(shapes, *split)).expect("a file");
        let report = import_features(
            &FeatureRequest {
                sources: vec![file],
                to: imported.clone(),
                number: Number::F16,
                ..FeatureRequest::default()
            },
            &|_| {},
        );
        let report = report.expect("it is imported");
        assert_eq!(
            (report.fewest, report.most),
            (2, 3),
            "the scenes have two or three objects"
        );
    }
    let hold_out = HoldOut {
        fraction: 0.5,
        seed: 1,
    };
    let split = Folder::open(&imported, Split::Validation, hold_out).expect("a data set");
    let shape = split.inputs().regions.expect("regions");
    assert!(shape.varying && shape.regions == 3, "{shape}");

    let [native, imported] = [native, imported].map(|root| {
        let run = root.with_extension("run");
        let summary = start::<Vqa>(&settings(&root), &run, false, None).expect("the run ends well");
        let majority = summary.majority_accuracy.expect("answers");
        (summary.test_accuracy.expect("the whole run"), majority)
    });
    assert!(native.0 > native.1 + 0.1, "native: {native:?}");
    assert!(
        imported.0 > native.0 - 0.08,
        "native {native:?}, imported {imported:?}"
    );
}
