//! Errors come in their place, and nothing hangs.

use std::error::Error;
use std::sync::Arc;

use data_pipeline::{DataError, Loader, LoaderConfig, Order, Preload, Sample, Source};

use crate::support::{Numbers, config, loader};

fn failing(image: usize, panics: bool) -> Numbers {
    Numbers::reading(60, 20, move |asked| match (asked == image, panics) {
        (false, _) => Ok(Numbers::png(asked)),
        (true, false) => Err(DataError::NoSuchImage { image, images: 0 }),
        (true, true) => panic!("image {image} is cursed"),
    })
}

/// Samples come in storage order, three an image, and eight a batch: image 9 lies in the batch of 24..32.
#[test]
fn an_error_comes_in_place_of_its_batch_and_ends_the_epoch() {
    for num_workers in [0, 1, 4] {
        for (panics, expected) in [
            (false, "there is no image 9: there are 0"),
            (
                true,
                "image `numbers/9.png`: reading it panicked: image 9 is cursed",
            ),
        ] {
            let config = LoaderConfig {
                num_workers,
                prefetch_factor: 8,
                shuffle: Order::Sequential,
                ..config()
            };
            let loader = loader(failing(9, panics), config);
            let mut epoch = loader.epoch(0, 0).expect("threads");
            for index in 0..3 {
                assert_eq!(epoch.next().expect("a batch").expect("whole").index, index);
            }
            let error = epoch.next().expect("a batch").expect_err("image 9");
            assert_eq!(error.to_string(), "samples 27, 28 and 29");
            let cause = error.source().expect("a cause").to_string();
            assert_eq!(cause, expected, "{num_workers} workers");
            assert!(epoch.next().is_none());
        }
    }
}

#[test]
fn preloading_reports_errors_and_panics_at_once() {
    for panics in [false, true] {
        let source = failing(9, panics);
        let encoder = source.encoder();
        let config = LoaderConfig {
            preload: Preload::ALL,
            ..config()
        };
        let error = Loader::new(Arc::new(source), encoder, config).err();
        let text = error.expect("image 9").to_string();
        assert_eq!(text, "samples 27, 28 and 29");
    }
}

/// A source that panics outside of image reading takes its worker with it.
#[test]
fn a_lost_worker_is_an_error_and_no_deadlock() {
    struct Trap(Numbers);
    impl Source for Trap {
        fn samples(&self) -> &[Sample] {
            let here = std::thread::current();
            assert!(
                !here.name().is_some_and(|name| name.starts_with("data-")),
                "trap"
            );
            self.0.samples()
        }
        fn image_count(&self) -> usize {
            self.0.image_count()
        }
        fn encoded_image(&self, image: usize) -> Result<Vec<u8>, DataError> {
            self.0.encoded_image(image)
        }
        fn image_name(&self, image: usize) -> String {
            self.0.image_name(image)
        }
    }
    let source = Numbers::new(60, 20);
    let encoder = source.encoder();
    let loader = Loader::new(Arc::new(Trap(source)), encoder, config()).expect("a loader");
    let mut epoch = loader.epoch(2, 1).expect("threads");
    let lost = epoch.next().expect("a batch");
    assert!(
        matches!(lost, Err(DataError::WorkerLost { epoch: 2, batch: 1 })),
        "{lost:?}"
    );
    assert!(epoch.next().is_none());
}

#[test]
fn settings_and_samples_are_checked() {
    let check = |source: Numbers, config: LoaderConfig, expected: &str| {
        let encoder = Numbers::new(9, 3).encoder();
        let refused = Loader::new(Arc::new(source), encoder, config).err();
        assert_eq!(refused.expect(expected).to_string(), expected);
    };
    let set = |change: fn(&mut LoaderConfig)| {
        let mut config = config();
        change(&mut config);
        config
    };
    for (config, expected) in [
        (
            set(|c| c.effective_batch = 0),
            "effective_batch is 0: expected at least 1",
        ),
        (set(|c| c.chunk = 0), "chunk is 0: expected at least 1"),
        (
            set(|c| c.prefetch_factor = 0),
            "prefetch_factor is 0: expected at least 1",
        ),
        (
            set(|c| c.shuffle = Order::Buffered { seed: 1, buffer: 0 }),
            "shuffle buffer is 0: expected at least 1",
        ),
        (
            set(|c| c.shuffle = Order::Grouped { seed: 1, group: 0 }),
            "shuffle group is 0: expected at least 1",
        ),
    ] {
        check(Numbers::new(9, 3), config, expected);
    }
    check(
        Numbers::new(0, 3),
        config(),
        "the split holds no samples (3 images)",
    );
    let mut fewer = Numbers::new(9, 3);
    fewer.images = 2;
    let expected = "sample 6 names image 2, but there are 2 images";
    check(fewer, config(), expected);
}

#[test]
fn a_damaged_image_is_named() {
    let damaged = Numbers::reading(9, 3, |image| Ok(Numbers::png(image)[..70].to_vec()));
    let loader = loader(damaged, config());
    let mut epoch = loader.epoch(0, 0).expect("threads");
    let error = epoch.next().expect("a batch").expect_err("damaged");
    let DataError::InUse { source: error, .. } = error else {
        panic!("{error}");
    };
    assert!(matches!(&*error, DataError::Image { image, .. } if image.starts_with("numbers/")));
    let cause = error.source().expect("a cause").to_string();
    assert!(
        cause.starts_with("the PNG is truncated (70 bytes): "),
        "{cause}"
    );
}
