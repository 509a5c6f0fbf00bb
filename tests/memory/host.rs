//! Host memory of loaders beside what is planned for them.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use aoa_model::Vqa;
use config_schema::{Config, Layers, presets, resolve};
use integration_tests::random_numbers;
use trainer::host::{Data, HostNeeds, HostPlan};
use trainer::{Dataset, evaluation_loader, training_loader, validation_loader};

fn settings(sets: &[&str]) -> Config {
    let base = [
        "dataset.shapes_train_images=300",
        "dataset.shapes_validation_images=60",
        "dataset.shapes_test_images=60",
        "dataset.image_size=160",
        "training.batch_size=8",
        "training.update_freq=4",
        "hardware.parallel_micro_batches=1",
        "memory_optimization.num_workers=2",
        "memory_optimization.prefetch_factor=3",
    ];
    let layers = Layers {
        sets: base.iter().chain(sets).map(ToString::to_string).collect(),
        ..Layers::preset("cpu")
    };
    resolve(&layers, &presets::lookup)
        .expect("it resolves")
        .config
}

/// Waits until the process holds so many bytes. The time is a limit for a broken loader, not a measure.
fn wait_for(bytes: u64, before: usize) {
    for _ in 0..4000 {
        if allocator::live_bytes().saturating_sub(before) as u64 >= bytes {
            return;
        }
        sleep(Duration::from_millis(5));
    }
    let held = allocator::live_bytes() - before;
    panic!("{held} of {bytes} bytes are held");
}

/// The most bytes that loading took: preloading, then an epoch that is evaluated on the way, with full queues.
fn peak(settings: &Config, data: &Data, plan: &HostPlan) -> u64 {
    let encoder = Arc::new(data.encoder.clone());
    let splits = &data.dataset;
    let before = allocator::live_bytes();
    allocator::take_peak();
    let (train, validation) = (splits.train.clone(), splits.validation.clone());
    let training = training_loader(settings, train, encoder.clone(), plan.training_limit);
    let training = training.expect("a loader");
    let limit = plan.validation_limit;
    let validation = validation_loader(settings, validation, encoder.clone(), limit);
    let validation = validation.expect("a loader");
    {
        let mut batches = training.epoch(0, 0).expect("threads");
        let batch = batches.next().expect("a batch").expect("it is read");
        let mut evaluated = validation.epoch(0, 0).expect("threads");
        let other = evaluated.next().expect("a batch").expect("it is read");
        let slice = batch.slice(0..settings.training.batch_size);
        // All that is planned is there now but what is being read.
        let all = plan.total_bytes - plan.data_bytes - plan.decoding_bytes;
        wait_for(all / 4 * 3, before);
        drop((other, slice, batch));
        assert!(batches.chain(evaluated).all(|batch| batch.is_ok()));
    }
    let test = evaluation_loader(settings, splits.test.clone(), encoder);
    let test = test.expect("a loader").epoch(0, 0).expect("threads");
    assert!(test.into_iter().all(|batch| batch.is_ok()));
    (allocator::take_peak() - before) as u64
}

#[test]
fn loaders_take_what_is_planned() {
    let _guard = random_numbers();
    for preload in ["true", "false", "\"auto\""] {
        for compress in ["true", "false"] {
            for described in ["true", "false"] {
                for size in ["160", "96"] {
                    let sets = [
                        format!("data_loading.preload_data={preload}"),
                        format!("data_loading.use_compression={compress}"),
                        format!("dataset.shapes_described={described}"),
                        format!("dataset.image_size={size}"),
                    ];
                    let sets = sets.each_ref().map(String::as_str);
                    let settings = settings(&sets);
                    let data = Data::open::<Vqa>(&settings, Dataset::open).expect("shapes");
                    let needs = HostNeeds::of(&settings, &data);
                    let whole = needs.plan(None);
                    let room = match preload {
                        "\"auto\"" => needs.plan(Some(0)).total_bytes + whole.images_bytes / 2,
                        _ => u64::MAX,
                    };
                    let plan = needs.plan(Some(room));
                    let planned = plan.total_bytes - plan.data_bytes;
                    let taken = peak(&settings, &data, &plan);
                    // What is compressed is estimated.
                    let slack = if compress == "true" { planned / 20 } else { 0 };
                    assert!(
                        taken <= planned + slack + (64 << 10),
                        "{sets:?}: {taken} bytes of {plan:?}"
                    );
                    // Whether all threads read an image at the same moment is chance.
                    let certain = planned - plan.decoding_bytes;
                    assert!(
                        taken as f64 >= 0.75 * certain as f64,
                        "{sets:?}: {taken} bytes of {plan:?}"
                    );
                }
            }
        }
    }
}

/// The encoded images of the samples that wait to be mixed are in memory, and in the plan.
#[test]
fn a_larger_shuffle_buffer_takes_more_memory_as_planned() {
    let _guard = random_numbers();
    let taken = |buffer: usize| {
        let buffer = format!("data_loading.shuffle_buffer_size={buffer}");
        let sets = [
            "data_loading.streaming=true",
            "data_loading.preload_data=false",
            "dataset.shapes_train_images=400",
            "dataset.image_size=16",
            &buffer,
        ];
        let settings = settings(&sets);
        let data = Data::open::<Vqa>(&settings, Dataset::open).expect("shapes");
        let plan = HostNeeds::of(&settings, &data).plan(None);
        let before = allocator::live_bytes();
        allocator::take_peak();
        let train = data.dataset.train.clone();
        let loader = training_loader(&settings, train, Arc::new(data.encoder.clone()), 0);
        let mut batches = loader.expect("a loader").epoch(0, 0).expect("threads");
        assert!(batches.all(|batch| batch.is_ok()));
        let taken = (allocator::take_peak() - before) as u64;
        let planned = plan.total_bytes - plan.data_bytes;
        assert!(taken <= planned + (64 << 10), "{taken} bytes of {plan:?}");
        (taken, plan.buffer_bytes)
    };
    let [few, many] = [8, 1200].map(taken);
    let (more, planned) = (many.0 - few.0, many.1 - few.1);
    assert!(many.1 > 2 * few.1, "{few:?} and {many:?}");
    assert!(more as f64 > 0.7 * planned as f64, "{few:?} and {many:?}");
}

#[test]
fn the_data_set_is_counted_as_it_is() {
    let _guard = random_numbers();
    let taken = |images: usize| {
        let images = format!("dataset.shapes_train_images={images}");
        let settings = settings(&[&images]);
        let before = allocator::live_bytes();
        let data = Data::open::<Vqa>(&settings, Dataset::open).expect("shapes");
        let held = allocator::live_bytes() - before;
        assert_eq!(data.bytes, held as u64);
        data.bytes
    };
    let [some, more] = [300, 900].map(taken);
    assert!(more as f64 > 2.0 * some as f64, "{some} and {more}");
}
