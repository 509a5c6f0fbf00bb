//! What preloading takes of host memory is known before it is done.

use std::sync::Arc;

use aoa_model::Vqa;
use trainer::{Dataset, evaluation_loader, preloaded_bytes, training_encoder, training_loader};

use crate::runs::small;

#[track_caller]
fn check(sets: &[&str]) {
    let settings = small(&[&["data_loading.preload_data=true"], sets].concat());
    let dataset = Dataset::open(&settings).expect("shapes");
    let encoder = training_encoder::<Vqa>(&settings, dataset.train.as_ref());
    let encoder = Arc::new(encoder.expect("words and answers"));
    let foretold = preloaded_bytes(&dataset, &encoder);
    let training = training_loader(&settings, dataset.train.clone(), encoder.clone());
    let evaluated = [dataset.validation, dataset.test]
        .map(|split| evaluation_loader(&settings, split, encoder.clone()));
    let loaders = [training].into_iter().chain(evaluated);
    let taken: usize = loaders
        .map(|loader| loader.expect("a loader").resident_bytes())
        .sum();
    assert_eq!(foretold, taken as u64, "{sets:?}");
    assert!(taken > 0);
}

#[test]
fn of_images_alone_and_with_region_features() {
    check(&[]);
    check(&["dataset.image_size=48"]);
    check(&["dataset.shapes_described=true"]);
}
