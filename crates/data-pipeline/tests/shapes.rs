//! The `shapes` data set from outside.

use std::collections::{BTreeMap, HashSet};

use data_pipeline::{DataError, Shapes, ShapesConfig, Source, Split};

const SPLITS: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

fn shapes(seed: u64, images: usize, questions_per_image: usize, split: Split) -> Shapes {
    let config = ShapesConfig {
        seed,
        images,
        questions_per_image,
    };
    Shapes::new(config, split).expect("scenes")
}

fn images(shapes: &Shapes) -> Vec<Vec<u8>> {
    (0..shapes.image_count())
        .map(|image| shapes.encoded_image(image).expect("an image"))
        .collect()
}

#[test]
fn an_image_depends_on_seed_split_and_number_alone() {
    let few = shapes(3, 20, 5, Split::Train);
    let many = shapes(3, 50, 5, Split::Train);
    assert_eq!(images(&few), images(&many)[..20]);
    assert_eq!(few.samples(), &many.samples()[..100]);
    assert_eq!(few.image_count(), 20);
    // In any order, and as often as one likes.
    let last = many.encoded_image(49).expect("an image");
    assert_eq!(many.encoded_image(49).expect("an image"), last);
}

#[test]
fn no_image_is_shared_between_splits_or_seeds() {
    let mut seen = HashSet::new();
    let mut expected = 0;
    for seed in [3, 4] {
        for split in SPLITS {
            let images = images(&shapes(seed, 150, 1, split));
            expected += images.len();
            seen.extend(images);
        }
    }
    assert_eq!(seen.len(), expected);
}

/// Noise hides a repeated scene: the questions and answers of an image tell scenes apart.
#[test]
fn no_scene_is_shared_between_splits() {
    let mut seen = HashSet::new();
    for split in SPLITS {
        let shapes = shapes(3, 150, 5, split);
        for image in shapes.samples().chunks(5) {
            let told: Vec<_> = image
                .iter()
                .map(|s| format!("{}{:?}", s.question, s.answers))
                .collect();
            seen.insert(told);
        }
    }
    assert_eq!(seen.len(), 450);
}

#[test]
fn questions_about_an_image_differ() {
    for questions in [1, 4, 5] {
        let shapes = shapes(5, 100, questions, Split::Train);
        assert_eq!(shapes.samples().len(), 100 * questions);
        for (image, samples) in shapes.samples().chunks(questions).enumerate() {
            assert!(samples.iter().all(|sample| sample.image == image));
            let distinct: HashSet<_> = samples.iter().map(|s| &s.question).collect();
            assert_eq!(distinct.len(), questions);
        }
    }
}

/// Within each kind of answer, none is rare and none so frequent that it could be guessed.
#[test]
fn answers_are_balanced() {
    let shapes = shapes(7, 10_000, 5, Split::Train);
    let mut counts = BTreeMap::<&str, usize>::new();
    for sample in shapes.samples() {
        assert_eq!(sample.answers.len(), 1);
        *counts.entry(&sample.answers[0].text).or_default() += 1;
    }
    let mut left = counts.clone();
    for (answers, least, most) in [
        (&["yes", "no"][..], 0.48, 0.52),
        (&["circle", "square", "triangle"], 0.30, 0.37),
        (
            &["red", "green", "blue", "yellow", "purple", "black"],
            0.14,
            0.20,
        ),
        (&["0", "1", "2", "3"], 0.06, 0.45),
    ] {
        let counts: Vec<_> = answers
            .iter()
            .map(|answer| left.remove(answer).unwrap_or(0) as f64)
            .collect();
        let all: f64 = counts.iter().sum();
        for (answer, count) in answers.iter().zip(counts) {
            let share = count / all;
            assert!((least..most).contains(&share), "{answer}: {share}");
        }
    }
    assert!(left.is_empty(), "unknown answers: {left:?}");
}

#[test]
fn sizes_are_checked() {
    for (images, questions, expected) in [
        (0, 1, "images is 0: expected 1 to 4294967296"),
        (1, 0, "questions_per_image is 0: expected 1 to 5"),
        (1, 6, "questions_per_image is 6: expected 1 to 5"),
    ] {
        let config = ShapesConfig {
            seed: 1,
            images,
            questions_per_image: questions,
        };
        let refused = Shapes::new(config, Split::Train).expect_err(expected);
        assert_eq!(refused.to_string(), expected);
    }
    let missing = shapes(1, 2, 1, Split::Test).encoded_image(2);
    assert!(matches!(
        missing,
        Err(DataError::NoSuchImage {
            image: 2,
            images: 2
        })
    ));
}
