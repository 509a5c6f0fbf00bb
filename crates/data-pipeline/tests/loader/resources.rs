//! What the loader reads ahead, reads again, and keeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use data_pipeline::{DataError, Footprint, ImageSizes, Loader, LoaderConfig, Order, Preload};

use crate::support::{Gauge, Numbers, SIDE, batches, config, loader, samples};

/// One image a sample, one sample a chunk, one chunk a batch: images read are chunks begun.
#[test]
fn exactly_workers_times_prefetch_chunks_are_ahead() {
    for (num_workers, prefetch_factor) in [(1, 1), (1, 4), (2, 2), (4, 3)] {
        let limit = num_workers * prefetch_factor;
        let gauge = Gauge::default();
        let allowed = Arc::new(AtomicUsize::new(limit));
        let (reads, bound) = (gauge.clone(), Arc::clone(&allowed));
        let source = Numbers::reading(120, 40, move |image| {
            let images = reads.count();
            if images > bound.load(Ordering::SeqCst) {
                return Err(DataError::NoSuchImage { image, images });
            }
            Ok(Numbers::png(image))
        });
        let config = LoaderConfig {
            effective_batch: 3,
            chunk: 3,
            num_workers,
            prefetch_factor,
            shuffle: Order::Sequential,
            ..config()
        };
        let loader = loader(source, config);
        let mut epoch = loader.epoch(0, 0).expect("threads");
        for taken in 0..40 {
            gauge.wait_for((taken + limit).min(40));
            allowed.store(taken + 1 + limit, Ordering::SeqCst);
            let batch = epoch.next().expect("a batch").expect("within the bound");
            assert_eq!(batch.index, taken);
        }
        assert!(epoch.next().is_none());
        assert_eq!(gauge.read(), 40, "one read an image");
    }
}

#[test]
fn without_workers_nothing_is_read_ahead() {
    let gauge = Gauge::default();
    let config = LoaderConfig {
        effective_batch: 6,
        chunk: 3,
        num_workers: 0,
        shuffle: Order::Sequential,
        ..config()
    };
    let loader = loader(gauge.source(60, 20), config);
    let mut epoch = loader.epoch(0, 0).expect("no threads");
    for images in [0, 2, 4] {
        assert_eq!(gauge.read(), images);
        assert_eq!(
            epoch.next().expect("a batch").expect("whole images").len(),
            6
        );
    }
}

#[test]
fn a_distinct_image_of_a_chunk_is_read_once() {
    let gauge = Gauge::default();
    // 0 0 0 1 1 1 2 2 2 0 0 0: three images in one chunk of twelve.
    let source = gauge.source(12, 3);
    let config = LoaderConfig {
        effective_batch: 12,
        chunk: 12,
        ..config()
    };
    assert_eq!(batches(&loader(source, config), 0, 0)[0].unique_images(), 3);
    assert_eq!(gauge.read(), 3);
}

/// Three samples an image. A permutation needs each image about three times.
#[test]
fn a_shuffle_buffer_reads_each_image_once() {
    for num_workers in [0, 2] {
        let reads = |shuffle| {
            let gauge = Gauge::default();
            let config = LoaderConfig {
                num_workers,
                shuffle,
                ..config()
            };
            let loader = loader(gauge.source(600, 200), config);
            let order = samples(&batches(&loader, 0, 0));
            assert_ne!(order, (0..600).collect::<Vec<_>>());
            gauge.read()
        };
        let streamed = Order::Streamed {
            seed: 3,
            buffer: 100,
            group: 1,
        };
        assert_eq!(reads(streamed), 200);
        assert!(reads(Order::Permutation { seed: 3 }) > 500);
    }
}

/// Where a run is resumed, the images of samples that were delivered are not read again.
#[test]
fn a_resumed_stream_reads_what_is_left() {
    let gauge = Gauge::default();
    let config = LoaderConfig {
        shuffle: Order::Streamed {
            seed: 3,
            buffer: 30,
            group: 1,
        },
        ..config()
    };
    let loader = loader(gauge.source(600, 200), config);
    batches(&loader, 0, 65);
    // 80 samples are left, and as many as the buffer holds may be of images that are half delivered.
    let read = gauge.read();
    assert!((27..=27 + 30).contains(&read), "{read}");
}

#[test]
fn the_plan_of_memory_has_the_shuffle_buffer() {
    let source = Numbers::new(3000, 1000);
    let encoder = source.encoder();
    let sizes = ImageSizes::of(&source, &encoder, &config());
    let bytes = |buffer, preloaded| {
        let config = LoaderConfig {
            shuffle: Order::Streamed {
                seed: 3,
                buffer,
                group: 1,
            },
            ..config()
        };
        Footprint::of(&source, &encoder, &config, sizes, preloaded).buffer_bytes
    };
    let image = Numbers::png(0).len() as u64;
    assert!(
        sizes.encoded >= image && sizes.encoded < 2 * image,
        "{sizes:?}"
    );
    let beside = (64 + 2 * 2 * 3) * sizes.encoded;
    // A third of the samples are the last of their image, at least; all images are of one block.
    for buffer in [30, 300] {
        let held = bytes(buffer, false) - beside;
        let least = buffer as u64 / 3 * sizes.encoded;
        assert!((least..=3 * least).contains(&held), "{buffer}: {held}");
    }
    assert_eq!(bytes(300, true), 0, "preloaded images are held once");
}

#[test]
fn dropping_an_epoch_early_stops_the_workers() {
    for taken in [0, 1, 3] {
        let gauge = Gauge::default();
        let reads = gauge.clone();
        // Slow enough that almost all of the chunks read ahead are still to be begun when the epoch is dropped.
        let source = Numbers::reading(1500, 500, move |image| {
            reads.count();
            std::thread::sleep(Duration::from_millis(1));
            Ok(Numbers::png(image))
        });
        let config = LoaderConfig {
            num_workers: 1,
            prefetch_factor: 400,
            chunk: 3,
            effective_batch: 3,
            shuffle: Order::Sequential,
            ..config()
        };
        let loader = loader(source, config);
        let mut epoch = loader.epoch(0, 0).expect("threads");
        for _ in 0..taken {
            epoch.next().expect("a batch").expect("whole images");
        }
        drop(epoch);
        // The thread is joined: nothing is read any more, and what was not begun was called back.
        let read = gauge.read();
        assert!(read < 400, "{read} images read, {taken} batches taken");
        assert!(
            loader
                .epoch(0, 499)
                .expect("threads")
                .all(|batch| batch.is_ok())
        );
    }
}

#[test]
fn preloading_keeps_every_image_and_reads_none_later() {
    let gauge = Gauge::default();
    let config = |use_compression| LoaderConfig {
        preload: Preload::ALL,
        use_compression,
        ..config()
    };
    let plain = loader(gauge.source(60, 20), config(false));
    assert_eq!(plain.resident_bytes(), 20 * SIDE * SIDE * 3);
    for epoch in 0..3 {
        assert_eq!(samples(&batches(&plain, epoch, 0)).len(), 60);
    }
    assert_eq!(gauge.read(), 20);

    let compressed = loader(Numbers::new(60, 20), config(true)).resident_bytes();
    assert!(
        compressed * 4 < plain.resident_bytes(),
        "{compressed} bytes"
    );
    let streamed = loader(Numbers::new(60, 20), self::config());
    assert_eq!(streamed.resident_bytes(), 0);
}

/// Images that are kept of twenty within a limit: each takes its pixels, counts of what shares it, and a place in the list.
fn kept(limit: u64, use_compression: bool) -> usize {
    let config = LoaderConfig {
        preload: Preload::UpTo { limit },
        use_compression,
        ..config()
    };
    loader(Numbers::new(60, 20), config).preloaded_images()
}

#[test]
fn a_limit_is_kept_while_images_are_preloaded() {
    let whole = 20 * (SIDE * SIDE * 3 + 64) as u64;
    assert_eq!(kept(u64::MAX, false), 20);
    assert_eq!(kept(whole, false), 20);
    assert_eq!(kept(0, false), 0);
    for limit in [500, 2000, whole - 1] {
        let images = kept(limit, false);
        assert!(images < 20, "{limit}");
        let next = (images + 1) * (SIDE * SIDE * 3 + 16);
        assert!(images * SIDE * SIDE * 3 <= limit as usize);
        assert!(
            next + 20 * 48 > limit as usize,
            "{limit}: room for one more of {images}"
        );
        // Images of one level pack well.
        assert!(kept(limit, true) >= images, "{limit}");
    }
    assert!(kept(whole / 2, true) > kept(whole / 2, false));
}

#[test]
fn images_that_must_all_be_kept_and_do_not_fit_are_an_error_before_the_limit_is_passed() {
    let gauge = Gauge::default();
    let source = gauge.source(60, 20);
    let encoder = source.encoder();
    let limit = 20 * 48 + 5 * (SIDE * SIDE * 3 + 16) as u64;
    let config = LoaderConfig {
        preload: Preload::All { limit },
        ..config()
    };
    let error = Loader::new(Arc::new(source), encoder, config).err();
    let error = error.expect("five fit");
    let DataError::PreloadLimit { kept, images, .. } = error else {
        panic!("{error}");
    };
    assert_eq!((kept, images), (5, 20));
    assert!(error.hint().is_some_and(|hint| hint.contains("auto")));
    // One is read to see that it is too much.
    assert_eq!(gauge.read(), 6);
}

#[test]
fn compression_that_makes_nothing_smaller_takes_no_more_than_none() {
    let noise = |use_compression| {
        let source = Numbers::reading(60, 20, |image| Ok(Numbers::noise(image)));
        let config = LoaderConfig {
            preload: Preload::ALL,
            use_compression,
            ..config()
        };
        loader(source, config).resident_bytes()
    };
    assert_eq!(noise(true), noise(false));
}

#[test]
fn more_workers_than_there_are_chunks_are_not_started() {
    let config = LoaderConfig {
        num_workers: usize::MAX,
        prefetch_factor: usize::MAX,
        ..config()
    };
    let loader = loader(Numbers::new(60, 20), config);
    assert_eq!(samples(&batches(&loader, 0, 0)).len(), 60);
}
