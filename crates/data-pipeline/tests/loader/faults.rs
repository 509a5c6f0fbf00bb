//! Errors come in their place, and nothing hangs.

use std::error::Error;
use std::sync::Arc;

use data_pipeline::{DataError, Loader, LoaderConfig, Order, Preload, Sample, Source};

use crate::support::{Numbers, config, loader};

/// Storage order with a buffer of one sample.
fn streamed(buffer: usize) -> Order {
    Order::Streamed {
        seed: 1,
        buffer,
        group: 1,
    }
}

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
    for (num_workers, shuffle) in [
        (0, Order::Sequential),
        (1, Order::Sequential),
        (4, Order::Sequential),
        (0, streamed(1)),
        (2, streamed(1)),
    ] {
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
                shuffle,
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

/// All of them, so that they can be repaired at once; more than are listed are counted.
#[test]
fn preloading_names_every_image_that_cannot_be_read() {
    for limit in [u64::MAX, 1 << 20] {
        for preload in [Preload::All { limit }, Preload::UpTo { limit }] {
            for panics in [false, true] {
                let source = Numbers::reading(90, 30, move |image| match (image, panics) {
                    (4 | 9 | 29, false) => Ok(Numbers::png(image)[..70].to_vec()),
                    (4 | 9 | 29, true) => panic!("image {image} is cursed"),
                    _ => Ok(Numbers::png(image)),
                });
                let encoder = source.encoder();
                let config = LoaderConfig {
                    preload,
                    ..config()
                };
                let error = Loader::new(Arc::new(source), encoder, config).err();
                let text = error.expect("three images").to_string();
                let lines: Vec<_> = text.lines().collect();
                assert_eq!(lines[0], "3 of 30 files of the data set cannot be used");
                for (line, (image, samples)) in lines[1..].iter().zip([
                    (4, "(samples 12, 13 and 14)"),
                    (9, "(samples 27, 28 and 29)"),
                    (29, "(samples 87, 88 and 89)"),
                ]) {
                    let name = format!("  `numbers/{image}.png`: ");
                    assert!(line.starts_with(&name) && line.ends_with(samples), "{text}");
                }
                assert_eq!(lines.len(), 4, "{text}");
            }
        }
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
            set(|c| c.shuffle = streamed(0)),
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
    let expected = "sample 6 names image 2 of 2 images";
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
