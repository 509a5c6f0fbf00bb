//! Slicing a batch into micro-batches.

mod support;

use data_pipeline::{Answer, Batch, Encoder, RegionShape, Regions, Sample, TokenTable};
use proptest::prelude::*;
use support::Questions;

const BYTES: usize = 2 * 2 * 3;

/// Samples about images in the given order; all that belongs to a sample tells its place.
fn batch(image_of: &[usize]) -> Batch {
    let images = image_of.iter().max().map_or(0, |last| last + 1);
    let places = 0..image_of.len();
    Batch {
        epoch: 4,
        index: 7,
        samples: places.clone().map(|place| 100 + place).collect(),
        images: (0..images).flat_map(|image| [image as u8; BYTES]).collect(),
        image_of: image_of.to_vec(),
        image_ids: (0..images).map(|image| 50 + image).collect(),
        image_size: 2,
        questions: places.clone().flat_map(|place| [place as u32; 3]).collect(),
        question_lengths: places.clone().map(|place| place % 3 + 1).collect(),
        regions: Some(Regions {
            shape: RegionShape {
                regions: 1,
                dim: 2,
                varying: false,
            },
            counts: vec![1; images],
            features: (0..images).flat_map(|image| [image as f32; 2]).collect(),
            boxes: (0..images).flat_map(|image| [image as f32; 6]).collect(),
        }),
        statistical_words: Some(TokenTable {
            ids: (0..images as u32).collect(),
            lengths: vec![1; images],
            width: 1,
            pad: 0,
        }),
        entities: None,
        pieces: Some(TokenTable {
            ids: places.clone().flat_map(|place| [place as u32, 9]).collect(),
            lengths: places.clone().map(|place| place % 2 + 1).collect(),
            width: 2,
            pad: 9,
        }),
        targets: places.clone().map(|place| vec![(place, 0.5)]).collect(),
        weights: places.map(|place| vec![(place, 0.25)]).collect(),
    }
}

#[test]
fn a_slice_keeps_only_its_images_in_order_of_first_use() {
    let slice = batch(&[0, 1, 2, 3, 1, 3, 2]).slice(3..6);
    assert_eq!((slice.epoch, slice.index, slice.len()), (4, 7, 3));
    assert_eq!(slice.samples, [103, 104, 105]);
    assert_eq!(slice.image_of, [0, 1, 0]);
    assert_eq!(slice.image_ids, [53, 51]);
    assert_eq!(slice.images, [[3; BYTES], [1; BYTES]].concat());
    assert_eq!(slice.questions, [3, 3, 3, 4, 4, 4, 5, 5, 5]);
    assert_eq!(slice.question_lengths, [1, 2, 3]);
    let regions = slice.regions.expect("as the batch has them");
    assert_eq!(regions.features, [3.0, 3.0, 1.0, 1.0]);
    assert_eq!(regions.boxes, [[3.0; 6], [1.0; 6]].concat());
    let words = slice.statistical_words.expect("as the batch has them");
    assert_eq!((words.ids, words.lengths), (vec![3, 1], vec![1, 1]));
    assert_eq!(slice.entities, None);
    let pieces = slice.pieces.expect("as the batch has them");
    assert_eq!(
        (pieces.rows(), pieces.row(0), pieces.row(1)),
        (3, &[3, 9][..], &[4][..])
    );
    assert_eq!(slice.targets, [[(3, 0.5)], [(4, 0.5)], [(5, 0.5)]]);
    assert_eq!(slice.weights, [[(3, 0.25)], [(4, 0.25)], [(5, 0.25)]]);
    assert!(batch(&[0, 1]).slice(1..1).is_empty());
}

proptest! {
    #[test]
    fn slices_say_what_the_batch_says(
        image_of in prop::collection::vec(0_usize..6, 1..40),
        size in 1_usize..12,
    ) {
        let whole = batch(&image_of);
        for start in (0..whole.len()).step_by(size) {
            let slice = whole.slice(start..whole.len().min(start + size));
            prop_assert!(slice.unique_images() <= slice.len());
            for place in 0..slice.len() {
                let (mine, theirs) = (slice.image_of[place], whole.image_of[start + place]);
                prop_assert_eq!(
                    &slice.images[mine * BYTES..][..BYTES],
                    &whole.images[theirs * BYTES..][..BYTES]
                );
                prop_assert_eq!(slice.samples[place], whole.samples[start + place]);
            }
            let mut used = slice.image_of.clone();
            used.dedup();
            used.sort_unstable();
            used.dedup();
            prop_assert_eq!(used, (0..slice.unique_images()).collect::<Vec<_>>());
        }
    }
}

#[test]
fn questions_about_one_image_are_one_batch() {
    let sample = Sample {
        image: 0,
        question: "what is this".to_owned(),
        answers: vec![Answer::only("dog")],
        ..Sample::default()
    };
    let encoder = Encoder::build(&Questions(vec![sample]), 4, 8).expect("words and answers");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/formats/rgb.png");
    let encoded = std::fs::read(path).expect("fixture");
    let batch = encoder
        .ask(&encoded, &["what is this?", "IS this a cat"])
        .expect("a whole PNG");
    assert_eq!((batch.len(), batch.unique_images()), (2, 1));
    assert_eq!(batch.images, encoder.pixels(&encoded).expect("a whole PNG"));
    assert_eq!(batch.images.len(), 8 * 8 * 3);
    assert_eq!(batch.image_of, [0, 0]);
    // "is", "this", "what" once each: alphabetical from 2 on.
    assert_eq!(batch.questions, [4, 2, 3, 0, 2, 3, 1, 1]);
    assert_eq!(batch.question_lengths, [3, 4]);
    assert!(encoder.ask(b"no image", &["what?"]).is_err());
}

#[test]
fn a_slice_keeps_the_regions_of_its_images_however_many_each_has() {
    let mut whole = batch(&[0, 1, 2, 0]);
    whole.regions = Some(Regions {
        shape: RegionShape {
            regions: 3,
            dim: 1,
            varying: true,
        },
        counts: vec![2, 1, 3],
        features: vec![0.0, 0.1, 1.0, 2.0, 2.1, 2.2],
        boxes: (0..36).map(|number| number as f32).collect(),
    });
    let regions = whole.slice(2..4).regions.expect("as the batch has them");
    assert_eq!(regions.counts, [3, 2]);
    assert_eq!(regions.features, [2.0, 2.1, 2.2, 0.0, 0.1]);
    let boxes = (18..36).chain(0..12).map(|number| number as f32);
    assert_eq!(regions.boxes, boxes.collect::<Vec<_>>());
}
