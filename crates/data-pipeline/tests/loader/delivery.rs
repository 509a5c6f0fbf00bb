//! What a batch holds, and that no setting changes it.

use std::sync::Arc;

use data_pipeline::{
    Batch, Encoder, Loader, LoaderConfig, Order, Preload, Shapes, ShapesConfig, Source, Split,
};

use crate::support::{Numbers, SIDE, batches, config, loader, samples};

#[test]
fn a_batch_holds_what_its_samples_say() {
    let source = Numbers::new(50, 16);
    let stored = source.samples().to_vec();
    let loader = loader(source, config());
    let encoder = Arc::clone(loader.encoder());
    let all = batches(&loader, 3, 0);
    assert_eq!(
        all.iter().map(Batch::len).collect::<Vec<_>>(),
        [8, 8, 8, 8, 8, 8, 2]
    );
    assert_eq!(loader.batches_per_epoch(), 7);
    for (index, batch) in all.iter().enumerate() {
        assert_eq!((batch.epoch, batch.index), (3, index));
        assert_eq!(batch.image_size, SIDE);
        assert_eq!(batch.images.len(), batch.unique_images() * SIDE * SIDE * 3);
        assert_eq!(batch.questions.len(), batch.len() * 5);
        let mut seen = Vec::new();
        for (place, &number) in batch.samples.iter().enumerate() {
            let sample = &stored[number];
            if !seen.contains(&sample.image) {
                seen.push(sample.image);
            }
            let row = batch.image_of[place];
            assert_eq!(seen[row], sample.image, "images come in order of first use");
            let image = &batch.images[row * SIDE * SIDE * 3..][..SIDE * SIDE * 3];
            assert_eq!(image, [Numbers::level(sample.image); SIDE * SIDE * 3]);
            let (tokens, length) = encoder.vocabulary.encode(&sample.question, 5);
            assert_eq!(batch.questions[place * 5..][..5], tokens);
            assert_eq!(batch.question_lengths[place], length);
            assert_eq!(batch.targets[place], encoder.answers.targets(sample));
            assert_eq!(batch.weights[place], encoder.answers.weights(sample));
            let pieces = encoder
                .pieces
                .as_ref()
                .expect("as the source's encoder has them");
            let table = batch.pieces.as_ref().expect("there is a tokenizer");
            assert_eq!(table.row(place), pieces.question(&sample.question));
        }
        assert_eq!(batch.unique_images(), seen.len());
    }
    // Answers outside the list are dropped: the list has those of the first half of the samples.
    let targets = |number: usize| encoder.answers.targets(&stored[number]).len();
    assert_eq!((targets(0), targets(49)), (2, 1));
}

/// Every setting but the effective batch and the order leaves the batches as they are, bit for bit.
#[test]
fn batches_do_not_depend_on_settings() {
    let shapes = ShapesConfig {
        seed: 3,
        images: 23,
        questions_per_image: 5,
    };
    let source: Arc<dyn Source> = Arc::new(Shapes::new(shapes, Split::Train).expect("scenes"));
    let encoder = Encoder::build(source.as_ref(), 12, 40).expect("words");
    let encoder = Arc::new(encoder);
    let orders = [
        Order::Sequential,
        Order::Permutation { seed: 9 },
        Order::Grouped { seed: 9, group: 3 },
        Order::Streamed {
            seed: 9,
            buffer: 20,
            group: 1,
        },
        Order::Streamed {
            seed: 9,
            buffer: 30,
            group: 3,
        },
    ];
    for shuffle in orders {
        let reference = LoaderConfig {
            effective_batch: 16,
            chunk: 16,
            num_workers: 0,
            prefetch_factor: 1,
            preload: Preload::Nothing,
            use_compression: false,
            shuffle,
            augmentation: None,
        };
        let run = |config: LoaderConfig, skip| {
            let loader = Loader::new(Arc::clone(&source), Arc::clone(&encoder), config);
            batches(&loader.expect("a loader"), 1, skip)
        };
        let expected = run(reference, 0);
        assert_eq!(samples(&expected).len(), 115);
        // A limit that some of the images fit into.
        let some = Preload::UpTo { limit: 40_000 };
        for preload in [Preload::Nothing, Preload::ALL, some] {
            for use_compression in [false, true] {
                for (num_workers, prefetch_factor, chunk) in [
                    (0, 1, 5),
                    (1, 1, 16),
                    (1, 3, 4),
                    (4, 2, 1),
                    (3, 4, 7),
                    (2, 2, 100),
                ] {
                    let config = LoaderConfig {
                        chunk,
                        num_workers,
                        prefetch_factor,
                        preload,
                        use_compression,
                        ..reference
                    };
                    for skip in [0, 3] {
                        assert!(
                            run(config, skip) == expected[skip..],
                            "{config:?}, skip {skip}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn skipping_everything_leaves_nothing() {
    let loader = loader(Numbers::new(20, 4), config());
    for skip in [3, 4, usize::MAX] {
        assert_eq!(batches(&loader, 0, skip), []);
    }
}
