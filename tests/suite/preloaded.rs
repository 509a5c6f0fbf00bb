//! What of a data set is preloaded, by plan and by the loaders.

use std::sync::Arc;

use aoa_model::Vqa;
use config_schema::Config;
use data_pipeline::Loader;
use trainer::host::{Data, HostBudget, HostNeeds, HostPlan};
use trainer::plan::{WorstCase, least, plan};
use trainer::{Dataset, TrainError, training_loader, validation_loader};

use crate::runs::small;

fn opened(sets: &[&str]) -> (Config, Data) {
    let settings = small(sets);
    let data = Data::open::<Vqa>(&settings, Dataset::open).expect("shapes");
    (settings, data)
}

/// Images and bytes that the loaders of a plan keep.
fn kept(settings: &Config, data: &Data, plan: &HostPlan) -> (usize, u64) {
    let (dataset, encoder) = (&data.dataset, Arc::new(data.encoder.clone()));
    let limits = (plan.training_limit, plan.validation_limit);
    let train = training_loader(settings, dataset.train.clone(), encoder.clone(), limits.0);
    let validation = validation_loader(settings, dataset.validation.clone(), encoder, limits.1);
    let loaders = [train, validation].map(|loader| loader.expect("a loader"));
    let images = loaders.iter().map(Loader::preloaded_images).sum();
    let bytes: usize = loaders.iter().map(Loader::resident_bytes).sum();
    (images, bytes as u64)
}

#[track_caller]
fn check(sets: &[&str]) {
    for preload in ["true", "\"auto\""] {
        let preload = format!("data_loading.preload_data={preload}");
        let (settings, data) = opened(&[&[preload.as_str()], sets].concat());
        let plan = HostNeeds::of(&settings, &data).plan(None);
        let (images, bytes) = kept(&settings, &data, &plan);
        assert_eq!(
            (plan.preloaded_images, plan.images),
            (images, images),
            "{sets:?}"
        );
        // Beside its numbers an image has a place in a list, counts of what shares it, and a list of its regions.
        let beside = plan.preloaded_bytes - bytes;
        assert!(
            beside > 0 && beside <= 200 * images as u64,
            "{sets:?}: {beside}"
        );
    }
}

#[test]
fn of_images_alone_and_with_region_features() {
    check(&[]);
    check(&["dataset.image_size=48"]);
    check(&["dataset.shapes_described=true"]);
}

#[test]
fn nothing_is_kept_where_nothing_is_to_be() {
    let (settings, data) = opened(&["data_loading.preload_data=false"]);
    let plan = HostNeeds::of(&settings, &data).plan(Some(u64::MAX));
    assert_eq!((plan.preloaded_images, plan.preloaded_bytes), (0, 0));
    assert_eq!(kept(&settings, &data, &plan), (0, 0));
}

/// The plan of a run with so many bytes for data beside a GPU, or why there is none.
fn own(settings: &Config, data: &Data, bytes: u64) -> Result<HostPlan, TrainError> {
    let worst = || WorstCase::of(&data.encoder, data.dataset.train.samples());
    let budget = Some(HostBudget::Own(bytes));
    HostNeeds::of(settings, data).checked::<Vqa>(settings, &worst, budget)
}

#[test]
fn as_many_images_as_fit_are_kept_and_fewer_never_fail() {
    for compress in ["true", "false"] {
        let compress = format!("data_loading.use_compression={compress}");
        let sets = [
            "data_loading.preload_data=\"auto\"",
            compress.as_str(),
            "dataset.shapes_train_images=400",
            "dataset.image_size=64",
        ];
        let (settings, data) = opened(&sets);
        let whole = HostNeeds::of(&settings, &data).plan(None);
        let least = HostNeeds::of(&settings, &data).plan(Some(0)).total_bytes;
        let mut before = 0;
        for part in [0.0, 0.3, 0.6, 0.9] {
            let room = least + (part * whole.images_bytes as f64) as u64;
            let plan = own(&settings, &data, room).expect("it fits");
            assert!(plan.total_bytes <= room, "{plan:?}");
            let (images, bytes) = kept(&settings, &data, &plan);
            assert!(bytes <= plan.training_limit, "{plan:?}");
            assert!(images >= before, "{part}: {images}");
            // What a packed image takes is estimated, so nearly all the bytes may be enough for all.
            assert!(images < whole.images || part > 0.8, "{part}: {images}");
            let apart = plan.preloaded_images.abs_diff(images);
            assert!(apart * 5 <= images.max(5), "{part}: {images}, {plan:?}");
            before = images;
        }
        assert!(before > 0);
        let enough = own(&settings, &data, whole.total_bytes).expect("it fits");
        assert_eq!(enough.preloaded_images, whole.images);
        assert!(
            own(&settings, &data, least - 1).is_err(),
            "the rest does not fit"
        );
    }
}

/// On the CPU training may go on in smaller micro-batches, which is what lets `true` keep everything.
#[test]
fn auto_keeps_everything_where_true_does() {
    let images = "dataset.shapes_train_images=400";
    let preloading = |how: &str| opened(&[images, how]);
    let (settings, data) = preloading("data_loading.preload_data=\"auto\"");
    let (stated, _) = preloading("data_loading.preload_data=true");
    let worst = || WorstCase::of(&data.encoder, data.dataset.train.samples());
    let peak = plan::<Vqa>(&settings, &worst())
        .expect("a model")
        .peak_bytes;
    let whole = HostNeeds::of(&settings, &data).plan(None).total_bytes;
    let alone = least::<Vqa>(&settings, &worst()).expect("a model");
    assert!(alone < peak, "smaller micro-batches take less");
    let checked = |settings: &Config, bytes: u64| {
        let budget = Some(HostBudget::Shared(bytes));
        HostNeeds::of(settings, &data).checked::<Vqa>(settings, &worst, budget)
    };
    for bytes in [
        alone + whole,
        u64::midpoint(alone, peak) + whole,
        peak + whole,
    ] {
        let everything = checked(&stated, bytes).expect("it fits");
        let kept = checked(&settings, bytes).expect("it fits");
        assert_eq!((kept.preloaded_images, kept), (kept.images, everything));
    }
    assert!(checked(&stated, alone + whole - 1).is_err());
    let fewer = checked(&settings, alone + whole - 1).expect("what fits");
    assert!(fewer.preloaded_images < fewer.images, "{fewer:?}");
}

#[track_caller]
fn refused(result: Result<HostPlan, TrainError>, words: &[&str], help: &str) {
    let error = result.expect_err("it does not fit");
    for word in words {
        assert!(error.to_string().contains(word), "no {word}: {error}");
    }
    let found = error.help().unwrap_or_default();
    assert!(found.contains(help), "no {help}: {found}");
}

#[test]
fn a_run_that_cannot_hold_its_data_is_refused_with_the_key_to_change() {
    let (settings, data) = opened(&["data_loading.preload_data=true"]);
    let plan = HostNeeds::of(&settings, &data).plan(None);
    assert!(own(&settings, &data, plan.total_bytes).is_ok());
    let images = format!("{} preloaded images", plan.images);
    refused(
        own(&settings, &data, plan.total_bytes - 1),
        &["does not fit", "host memory", &images],
        "data_loading.preload_data",
    );

    let (settings, data) = opened(&[
        "data_loading.preload_data=false",
        "dataset.image_size=256",
        "memory_optimization.prefetch_factor=1024",
        "memory_optimization.num_workers=1024",
    ]);
    refused(
        own(&settings, &data, 1 << 20),
        &["prefetch queue"],
        "memory_optimization.prefetch_factor",
    );
}

#[test]
fn on_the_cpu_data_and_training_share_the_budget() {
    let (settings, data) = opened(&[
        "data_loading.preload_data=true",
        "dataset.shapes_train_images=4000",
    ]);
    let worst = || WorstCase::of(&data.encoder, data.dataset.train.samples());
    let needs = HostNeeds::of(&settings, &data);
    let host = needs.plan(None).total_bytes;
    let training = plan::<Vqa>(&settings, &worst())
        .expect("a model")
        .peak_bytes;
    let shared = |bytes| needs.checked::<Vqa>(&settings, &worst, Some(HostBudget::Shared(bytes)));
    assert!(shared(host + training).is_ok());
    // Where training does not fit either, it says so itself.
    let alone = least::<Vqa>(&settings, &worst()).expect("a model");
    assert!(shared(alone - 1).is_ok());
    refused(
        shared(alone + host - 1),
        &["training", "memory budget"],
        "data_loading.preload_data",
    );
    let (_, refusal) = needs.beside(Some(HostBudget::Shared(host + training)), training);
    assert_eq!(refusal, None);
    let (_, refusal) = needs.beside(Some(HostBudget::Shared(host + training - 1)), training);
    assert!(refusal.is_some());
}
