//! Runs with augmented images.

use std::sync::Arc;

use aoa_model::Vqa;
use data_pipeline::Batch;
use integration_tests::newest_weights;
use trainer::{Dataset, training_encoder, training_loader, validation_loader};

use crate::runs::{finish, finish_in_two_parts, losses, small, start};

/// As in the presets for GPUs.
const ON: [&str; 3] = [
    "augmentation.crop_scale=0.5",
    "augmentation.flip=0.5",
    "augmentation.operations=2",
];

/// Nothing but the loader and what was asked for decides about views.
#[test]
fn a_run_with_augmentation_resumes_bit_for_bit_with_any_loader() {
    let whole = finish(&small(&ON));
    let resumed = finish_in_two_parts(&small(&ON), 5);
    assert_eq!(resumed.losses(), whole.losses());
    assert_eq!(resumed.weights(), whole.weights());

    let folder = tempfile::tempdir().expect("a temporary folder");
    let run_dir = folder.path().join("run");
    for (part, workers, kept) in [(0, 2, "true"), (1, 1, "false"), (2, 7, "\"auto\"")] {
        let workers = format!("memory_optimization.num_workers={workers}");
        let kept = format!("data_loading.preload_data={kept}");
        let prefetch = "memory_optimization.prefetch_factor=3";
        let settings = small(&[&ON[..], &[&workers, &kept, prefetch]].concat());
        let stop = (part < 2).then_some(5);
        start::<Vqa>(&settings, &run_dir, part > 0, stop).expect("the part ends well");
    }
    assert_eq!(losses(&run_dir), whole.losses());
    assert_eq!(newest_weights::<Vqa>(&run_dir), whole.weights());
}

#[test]
fn each_key_of_augmentation_changes_the_run() {
    let mut seen = vec![finish(&small(&[])).losses()];
    for set in ON {
        seen.push(finish(&small(&[set])).losses());
    }
    seen.push(finish(&small(&[ON[2], "augmentation.magnitude=2"])).losses());
    for (index, losses) in seen.iter().enumerate() {
        assert!(!seen[..index].contains(losses), "run {index}");
    }
}

#[test]
fn evaluation_sees_images_as_they_are() {
    let batches = |sets: &[&str]| -> [Vec<Batch>; 2] {
        let settings = small(sets);
        let dataset = Dataset::open(&settings).expect("shapes");
        let encoder = training_encoder::<Vqa>(&settings, dataset.train.as_ref());
        let encoder = Arc::new(encoder.expect("words and answers"));
        let (train, validation) = (dataset.train, dataset.validation);
        let loaders = [
            training_loader(&settings, train, encoder.clone(), u64::MAX),
            validation_loader(&settings, validation, encoder, u64::MAX),
        ];
        loaders.map(|loader| {
            let epoch = loader.expect("a loader").epoch(0, 0).expect("threads");
            epoch.collect::<Result<_, _>>().expect("images")
        })
    };
    let ([varied, evaluated], [plain, expected]) = (batches(&ON), batches(&[]));
    assert_eq!(evaluated, expected);
    assert_ne!(varied, plain);
}
