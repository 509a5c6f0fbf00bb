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
    samples(&batches(&loader(Numbers::new(count, 4), config), epoch, 0))
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
            Order::Buffered {
                seed: 42,
                buffer: 4
            },
            12,
            0
        ),
        [0, 3, 2, 6, 7, 1, 4, 9, 10, 5, 11, 8]
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
            order(Order::Buffered { seed, buffer: 10 }, 40, epoch),
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
    for shuffle in [
        Order::Permutation { seed: 8 },
        Order::Buffered { seed: 8, buffer: 6 },
    ] {
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
        skip in 0_usize..5,
    ) {
        let shuffle = match (buffer, grouped) {
            (0, _) => Order::Permutation { seed },
            (group, true) => Order::Grouped { seed, group },
            (buffer, false) => Order::Buffered { seed, buffer },
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
        if let Order::Buffered { buffer, .. } = shuffle {
            // A sample cannot come before the buffer has reached it.
            for (place, sample) in order.iter().enumerate() {
                prop_assert!(*sample < place + buffer);
            }
        }
    }
}
