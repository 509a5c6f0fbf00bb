//! The order of the samples.

use std::collections::HashSet;
use std::sync::Arc;

use data_pipeline::{Loader, LoaderConfig, Order, Preload, Source};
use proptest::prelude::*;

use crate::support::{Numbers, batches, config, loader, samples};

fn order(shuffle: Order, count: usize, epoch: u64) -> Vec<usize> {
    let config = LoaderConfig {
        num_workers: 0,
        shuffle,
        ..config()
    };
    let images = if count > 90 { count / 3 } else { 4 };
    samples(&batches(
        &loader(Numbers::new(count, images), config),
        epoch,
        0,
    ))
}

fn streamed(seed: u64, buffer: usize, group: usize) -> Order {
    Order::Streamed {
        seed,
        buffer,
        group,
    }
}

/// A run that is resumed with a newer version of this program must find the order it left.
#[test]
fn the_order_is_pinned() {
    assert_eq!(order(Order::Sequential, 6, 3), [0, 1, 2, 3, 4, 5]);
    assert_eq!(
        order(Order::Permutation { seed: 42 }, 12, 0),
        [7, 1, 11, 4, 6, 9, 3, 10, 2, 0, 8, 5]
    );
    assert_eq!(
        order(Order::Permutation { seed: 42 }, 12, 1),
        [8, 9, 5, 3, 2, 1, 11, 10, 6, 4, 7, 0]
    );
    assert_eq!(
        order(
            Order::Streamed {
                seed: 42,
                buffer: 4,
                group: 1
            },
            12,
            0
        ),
        [0, 2, 3, 6, 7, 1, 8, 4, 10, 5, 9, 11]
    );
    assert_eq!(
        order(Order::Grouped { seed: 42, group: 2 }, 12, 0),
        [1, 2, 7, 6, 11, 9, 5, 0, 8, 4, 3, 10]
    );
}

/// Twelve samples about each of four images.
#[test]
fn groups_show_one_image() {
    for (group, groups) in [(1, 48), (3, 16), (5, 12), (12, 4), (100, 4)] {
        let epochs = [0, 1].map(|epoch| order(Order::Grouped { seed: 2, group }, 48, epoch));
        for order in &epochs {
            // Two groups in a row may show the same image: the least number of groups that explains the order.
            let images: Vec<_> = order.iter().map(|sample| sample / 3 % 4).collect();
            let runs = images.chunk_by(|a, b| a == b);
            let least: usize = runs.clone().map(|run| run.len().div_ceil(group)).sum();
            assert!(least <= groups, "group {group}: {images:?}");
            assert!(group < 12 || runs.count() == 4, "{images:?}");
        }
        assert_ne!(epochs[0], epochs[1]);
    }
}

#[test]
fn epochs_and_seeds_differ() {
    let orders = [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1)].map(|(seed, epoch)| {
        [
            order(Order::Permutation { seed }, 40, epoch),
            order(streamed(seed, 10, 1), 40, epoch),
            order(Order::Grouped { seed, group: 4 }, 40, epoch),
        ]
    });
    let distinct: HashSet<_> = orders.iter().flatten().collect();
    assert_eq!(distinct.len(), 15);
}

/// Every sample is as likely in every place: 6 samples, 3000 epochs, 500 expected in each cell.
#[test]
fn a_permutation_favours_no_place() {
    let source: Arc<dyn Source> = Arc::new(Numbers::new(6, 2));
    let encoder = Numbers::new(6, 2).encoder();
    for shuffle in [Order::Permutation { seed: 8 }, streamed(8, 6, 1)] {
        let config = LoaderConfig {
            num_workers: 0,
            preload: Preload::ALL,
            shuffle,
            ..config()
        };
        let loader = Loader::new(Arc::clone(&source), Arc::clone(&encoder), config);
        let loader = loader.expect("a loader");
        let mut counts = [[0_i32; 6]; 6];
        for epoch in 0..3000 {
            for (place, sample) in samples(&batches(&loader, epoch, 0)).into_iter().enumerate() {
                counts[place][sample] += 1;
            }
        }
        // Five standard deviations of a count are 102.
        for count in counts.iter().flatten() {
            assert!((count - 500).abs() < 102, "{counts:?}");
        }
    }
}

/// How far samples come from where they are stored, on average.
fn displacement(order: &[usize]) -> f64 {
    let apart = order.iter().enumerate();
    apart
        .map(|(place, &sample)| place.abs_diff(sample) as f64)
        .sum::<f64>()
        / order.len() as f64
}

#[test]
fn a_larger_buffer_mixes_better() {
    // Three samples an image, stored together, in one block.
    let mixed = |buffer| displacement(&order(streamed(3, buffer, 1), 600, 0));
    let orders = [1, 10, 100, 600].map(mixed);
    assert!(orders[0] < 1e-9, "a buffer of one is the storage order");
    for pair in orders.windows(2) {
        assert!(pair[1] > 2.0 * pair[0].max(1.0), "{orders:?}");
    }
}

#[test]
fn samples_of_an_image_leave_the_buffer_in_groups() {
    let images = |group| {
        let order = order(streamed(3, 100, group), 600, 0);
        let images: Vec<_> = order.iter().map(|sample| sample / 3).collect();
        images.chunk_by(|a, b| a == b).count()
    };
    assert_eq!(images(3), 200);
    assert!(images(1) > 500, "{}", images(1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_sample_comes_exactly_once(
        count in 1_usize..90,
        effective_batch in 1_usize..40,
        chunk in 1_usize..20,
        num_workers in 0_usize..4,
        seed in any::<u64>(),
        epoch in any::<u64>(),
        buffer in 0_usize..60,
        grouped in any::<bool>(),
        group in 1_usize..5,
        skip in 0_usize..5,
    ) {
        let shuffle = match (buffer, grouped) {
            (0, _) => Order::Permutation { seed },
            (group, true) => Order::Grouped { seed, group },
            (buffer, false) => streamed(seed, buffer, group),
        };
        let config = LoaderConfig { effective_batch, chunk, num_workers, shuffle, ..config() };
        let loader = loader(Numbers::new(count, 7), config);
        let all = batches(&loader, epoch, 0);
        prop_assert_eq!(all.len(), loader.batches_per_epoch());
        prop_assert!(all[..all.len() - 1].iter().all(|batch| batch.len() == effective_batch));
        let order = samples(&all);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        prop_assert_eq!(sorted, (0..count).collect::<Vec<_>>());
        prop_assert_eq!(batches(&loader, epoch, skip), all.get(skip..).unwrap_or_default());
        if let Order::Streamed { buffer, group, .. } = shuffle {
            // A sample cannot come before the buffer has reached it: as stored, samples of an image are together.
            let stored = |sample: usize| sample / 3 % 7;
            let mut by_image: Vec<_> = (0..count).collect();
            by_image.sort_by_key(|&sample| stored(sample));
            let mut arrives = vec![0; count];
            for (place, &sample) in by_image.iter().enumerate() {
                arrives[sample] = place;
            }
            for (place, sample) in order.iter().enumerate() {
                prop_assert!(arrives[*sample] < place + buffer.max(group) + group);
            }
        }
    }
}
