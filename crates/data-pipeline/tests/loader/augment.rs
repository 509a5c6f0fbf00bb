//! Random views of images: the same whatever prepares them.

use std::sync::Arc;

use data_pipeline::{
    Augmentation, Batch, Encoder, Footprint, ImageSizes, Inputs, Loader, LoaderConfig, Order,
    Preload, RegionShape, Source,
};

use crate::support::{Gauge, Numbers, SIDE, batches, config, loader};

/// Side of the images before they are resized.
const STORED: usize = 16;

const ON: Augmentation = Augmentation {
    seed: 3,
    crop_scale: 0.5,
    flip: 0.5,
    operations: 2,
    magnitude: 7,
};

const FLIP: Augmentation = Augmentation {
    crop_scale: 1.0,
    flip: 1.0,
    operations: 0,
    ..ON
};

fn noise(samples: usize, images: usize) -> Numbers {
    Numbers::reading(samples, images, |image| Ok(Numbers::noise(image)))
}

fn varied(augmentation: Augmentation) -> LoaderConfig {
    LoaderConfig {
        augmentation: Some(augmentation),
        ..config()
    }
}

fn pixels(batch: &Batch, row: usize) -> &[u8] {
    &batch.images[row * SIDE * SIDE * 3..][..SIDE * SIDE * 3]
}

/// The pixels of each sample of an epoch, with its number.
fn by_sample(batches: &[Batch]) -> Vec<(usize, Vec<u8>)> {
    let of = |batch: &Batch| -> Vec<_> {
        let rows = batch.samples.iter().zip(&batch.image_of);
        rows.map(|(sample, row)| (*sample, pixels(batch, *row).to_vec()))
            .collect()
    };
    batches.iter().flat_map(of).collect()
}

/// Workers, reading ahead, chunks, what is kept and compressed, and where an epoch is taken up change no pixel.
#[test]
fn views_do_not_depend_on_settings() {
    let without_crop = Augmentation {
        crop_scale: 1.0,
        ..ON
    };
    for augmentation in [ON, without_crop] {
        for shuffle in [
            Order::Permutation { seed: 9 },
            Order::Grouped { seed: 9, group: 3 },
            Order::Streamed {
                seed: 9,
                buffer: 20,
                group: 1,
            },
        ] {
            let reference = LoaderConfig {
                effective_batch: 12,
                chunk: 12,
                num_workers: 0,
                shuffle,
                ..varied(augmentation)
            };
            let run = |config: LoaderConfig, skip| batches(&loader(noise(70, 9), config), 2, skip);
            let expected = run(reference, 0);
            // A limit that some of the images fit into.
            let some = Preload::UpTo { limit: 4000 };
            for (num_workers, prefetch_factor, chunk) in
                [(0, 1, 5), (1, 3, 4), (2, 2, 1), (7, 2, 3), (2, 9, 100)]
            {
                for preload in [Preload::Nothing, Preload::ALL, some] {
                    for use_compression in [false, true] {
                        let config = LoaderConfig {
                            chunk,
                            num_workers,
                            prefetch_factor,
                            preload,
                            use_compression,
                            ..reference
                        };
                        for skip in [0, 2] {
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
}

#[test]
fn epochs_seeds_and_batches_have_views_of_their_own() {
    let config = varied(ON);
    let first = batches(&loader(noise(60, 6), config), 0, 0);
    let plain = batches(&loader(noise(60, 6), self::config()), 0, 0);
    let of_image = |batches: &[Batch], image: usize| -> Vec<Vec<u8>> {
        let views = by_sample(batches).into_iter();
        let about = views.filter(|(sample, _)| sample / 3 % 6 == image);
        let mut views: Vec<_> = about.map(|(_, pixels)| pixels).collect();
        views.sort();
        views.dedup();
        views
    };
    // Ten samples about an image in several batches: one look without, several with.
    assert_eq!(of_image(&plain, 2).len(), 1);
    assert!(of_image(&first, 2).len() > 3);
    assert_ne!(of_image(&first, 2)[0], of_image(&plain, 2)[0]);
    let next = batches(&loader(noise(60, 6), config), 1, 0);
    assert!(
        of_image(&first, 2)
            .iter()
            .all(|view| !of_image(&next, 2).contains(view))
    );
    let seed = Augmentation { seed: 4, ..ON };
    let other = batches(&loader(noise(60, 6), varied(seed)), 0, 0);
    assert_ne!(by_sample(&first), by_sample(&other));
    // The order, and what is shared in a batch, stay.
    for (varied, plain) in first.iter().zip(&plain) {
        assert_eq!(varied.samples, plain.samples);
        assert_eq!(varied.image_of, plain.image_of);
        assert_eq!(varied.images.len(), plain.images.len());
    }
}

#[test]
fn a_shared_image_is_read_once_for_its_samples() {
    let gauge = Gauge::default();
    let config = LoaderConfig {
        effective_batch: 12,
        chunk: 12,
        ..varied(ON)
    };
    let batch = &batches(&loader(gauge.source(12, 3), config), 0, 0)[0];
    assert_eq!(batch.unique_images(), 3);
    assert_eq!(gauge.read(), 3);
}

#[test]
fn texts_about_sides_keep_an_image_from_being_mirrored() {
    let plain = by_sample(&batches(&loader(noise(40, 40), config()), 0, 0));
    for side in [
        "what is LEFT of it?",
        "the right one?",
        "它的左边是什么?",
        "右",
    ] {
        // Twenty of forty samples speak of a side. Three neighbours are about one image.
        let source = || {
            noise(40, 40).asking(|number| {
                let question = if number / 3 % 2 == 0 { side } else { "what?" };
                question.to_owned()
            })
        };
        let found = by_sample(&batches(&loader(source(), varied(FLIP)), 0, 0));
        for ((sample, flipped), (_, as_is)) in found.iter().zip(&plain) {
            let mirrored = as_is
                .chunks(SIDE * 3)
                .flat_map(|row| row.chunks(3).rev().flatten().copied());
            if sample / 3 % 2 == 0 {
                assert_eq!(flipped, as_is, "{side}, {sample}");
            } else {
                assert_eq!(*flipped, mirrored.collect::<Vec<_>>(), "{side}, {sample}");
            }
        }
    }
}

/// One question about the left keeps its image from being mirrored for all questions of its effective batch, whichever chunk
/// each is in.
#[test]
fn a_question_about_a_side_counts_for_the_image_of_its_batch() {
    let source = || {
        noise(12, 4).asking(|number| match number {
            5 => "what is left?".to_owned(),
            _ => "what?".to_owned(),
        })
    };
    for chunk in [1, 2, 12] {
        let config = |augmentation| LoaderConfig {
            effective_batch: 12,
            chunk,
            augmentation,
            ..config()
        };
        let plain = by_sample(&batches(&loader(source(), config(None)), 0, 0));
        let flipped = by_sample(&batches(&loader(source(), config(Some(FLIP))), 0, 0));
        for ((sample, flipped), (_, plain)) in flipped.iter().zip(&plain) {
            assert_eq!(flipped == plain, sample / 3 == 1, "{sample}");
        }
    }
}

#[test]
fn images_to_crop_are_kept_as_they_are_stored() {
    let resident = |augmentation| {
        let config = LoaderConfig {
            preload: Preload::ALL,
            augmentation,
            ..config()
        };
        loader(noise(60, 20), config).resident_bytes()
    };
    assert_eq!(resident(Some(ON)), 20 * STORED * STORED * 3);
    assert_eq!(resident(Some(FLIP)), 20 * SIDE * SIDE * 3);
    assert_eq!(resident(None), 20 * SIDE * SIDE * 3);
    for limit in [3000, 9000, 14_000, 16_000, 20_000] {
        let config = LoaderConfig {
            preload: Preload::UpTo { limit },
            ..varied(ON)
        };
        let loader = loader(noise(60, 20), config);
        let images = loader.preloaded_images();
        // Each has its pixels, the count of what is shared, and its place in the list of twenty.
        let taken = |images: usize| (20 * 48 + images * (STORED * STORED * 3 + 16)) as u64;
        assert!(taken(images) <= limit, "{images} of {limit}");
        assert!(
            images == 20 || taken(images + 1) > limit,
            "{images} of {limit}"
        );
    }
}

#[test]
fn host_memory_is_counted_as_it_is_kept() {
    let source = noise(60, 20);
    let encoder = source.encoder();
    let sizes = |config: &LoaderConfig| ImageSizes::of(&source, &encoder, config);
    let (crop, plain) = (sizes(&varied(ON)), sizes(&config()));
    let pixels = ((STORED * STORED - SIDE * SIDE) * 3) as u64;
    // Besides the pixels there are counts, which are known or assumed to be the most there can be.
    let more = crop.kept - plain.kept;
    assert!((pixels - 32..=pixels).contains(&more), "{more}");
    assert_eq!(crop.waiting, plain.waiting);
    let queue = |config: &LoaderConfig, sizes, preloaded| {
        Footprint::of(&source, &encoder, config, sizes, preloaded).queue_bytes
    };
    // Kept images are shared, views of them are not.
    assert!(queue(&config(), plain, true) < queue(&config(), plain, false));
    assert_eq!(
        queue(&varied(ON), crop, true),
        queue(&varied(ON), crop, false)
    );
}

#[test]
fn region_features_and_missing_images_refuse_augmentation() {
    let regions = Some(RegionShape {
        regions: 3,
        dim: 4,
        varying: false,
    });
    let refused = |inputs: Inputs| {
        let mut source = noise(60, 20);
        source.inputs = inputs;
        let encoder: Arc<Encoder> = source.encoder();
        let source: Arc<dyn Source> = Arc::new(source);
        Loader::new(source, encoder, varied(ON))
            .err()
            .expect("refused")
            .to_string()
    };
    let beside = refused(Inputs {
        regions,
        ..Inputs::IMAGES
    });
    assert!(
        beside.contains("augmentation is on beside region features"),
        "{beside}"
    );
    let without = refused(Inputs {
        images: false,
        regions,
        ..Inputs::IMAGES
    });
    assert!(
        without.contains("augmentation is on without images"),
        "{without}"
    );
}
