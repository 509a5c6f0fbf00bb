use std::fs;
use std::path::{Path, PathBuf};

use super::crop;
use super::draw::{Use, View};
use super::operation::{self, Operation};
use super::settings::Augmentation;
use super::sides::says_left_or_right;
use crate::image::{ExifOrientation, Part, RgbImage};
use crate::sample::{Answer, Sample};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/augment")
}

fn picture(name: &str) -> RgbImage {
    let bytes = fs::read(folder().join(format!("{name}.png"))).expect("a picture");
    let decoded = RgbImage::decode(&bytes, ExifOrientation::Ignore).expect("a whole PNG");
    decoded.image
}

/// The result of what the name of a picture says, and which part of its levels may be off by one: where a level lies half-way
/// between two whole numbers, as most do that are resampled of a smooth picture, the last digit decides.
fn done(image: RgbImage, what: &[&str]) -> (RgbImage, f64) {
    let number = |text: &&str| text.parse::<i32>().expect("a number");
    let numbers: Vec<_> = what[1..].iter().map(number).collect();
    let of = |index: usize| {
        let magnitude = numbers.first().copied().unwrap_or_default();
        let strength = magnitude.unsigned_abs() as usize;
        Operation::of(index, strength, magnitude < 0)
    };
    let (operation, part) = match what[0] {
        "autocontrast" => (of(1), 0.0),
        "equalize" => (of(2), 0.0),
        "brightness" => (of(3), 0.0),
        "sharpness" => (of(4), 0.0),
        "shearx" => (of(5), 0.03),
        "sheary" => (of(6), 0.03),
        "translatex" => (of(7), 0.0),
        "translatey" => (of(8), 0.0),
        "rotate" => (of(9), 0.03),
        "mirror" => {
            let mut image = image;
            image.mirror();
            return (image, 0.0);
        }
        "crop" => {
            let side = |at: usize| usize::try_from(numbers[at]).expect("not negative");
            let part = Part {
                left: side(0),
                top: side(1),
                width: side(2),
                height: side(3),
            };
            let resized = image.view().resized(part, 24, 24);
            return (resized.expect("within the picture"), 0.25);
        }
        other => panic!("{other}"),
    };
    (operation.apply(image), part)
}

/// Every picture in the folder that was made from another one.
#[test]
fn operations_give_the_pixels_of_pillow() {
    let (mut compared, mut bad) = (0, Vec::new());
    for entry in fs::read_dir(folder()).expect("the pictures") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_str().expect("ASCII");
        let Some(name) = name.strip_suffix(".png") else {
            continue;
        };
        let parts: Vec<_> = name.split('.').collect();
        let [source, what @ ..] = parts.as_slice() else {
            continue;
        };
        if what.is_empty() {
            continue;
        }
        let expected = picture(name);
        let (found, part) = done(picture(source), what);
        compared += 1;
        if (found.width, found.height) != (expected.width, expected.height) {
            bad.push(format!("{name}: {} x {}", found.width, found.height));
            continue;
        }
        let off = || found.pixels.iter().zip(&expected.pixels);
        let worst = off().map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
        let wrong = off().filter(|(a, b)| a != b).count();
        if worst > 1 || wrong as f64 > part * found.pixels.len() as f64 {
            let levels = found.pixels.len();
            bad.push(format!(
                "{name}: {wrong} of {levels} levels, by up to {worst}"
            ));
        }
    }
    assert!(bad.is_empty(), "off:\n{}", bad.join("\n"));
    assert!(compared >= 130, "{compared} pictures");
}

#[test]
fn identity_and_no_strength_change_nothing() {
    let image = picture("noise");
    assert_eq!(Operation::of(0, 7, false).apply(image.clone()), image);
    for moving in 5..10 {
        assert_eq!(Operation::of(moving, 0, true).apply(image.clone()), image);
    }
    // A factor of 1.
    for factor in [3, 4] {
        assert_eq!(Operation::of(factor, 5, false).apply(image.clone()), image);
    }
}

#[test]
fn magnitudes_are_those_of_the_published_recipe() {
    let of = |number| Operation::of(number, 7, false);
    assert_eq!(of(3), Operation::Brightness(1.36));
    assert_eq!(of(4), Operation::Sharpness(1.36));
    assert_eq!(of(5), Operation::ShearX(0.21));
    assert_eq!(of(7), Operation::TranslateX(7.0));
    assert_eq!(of(9), Operation::Rotate(21.0));
    assert_eq!(Operation::of(9, 7, true), Operation::Rotate(-21.0));
}

fn view(sample: usize) -> View {
    View {
        epoch: 3,
        sample,
        may_flip: true,
    }
}

#[test]
fn all_operations_are_drawn_each_half_of_the_time() {
    let mut counts = [0; 10];
    for sample in 0..20_000 {
        for drawn in operation::draw(&mut view(sample).draw(1, Use::Operations), 2, 7) {
            let same = |number: &usize| {
                [false, true]
                    .map(|backwards| Operation::of(*number, 7, backwards))
                    .contains(&drawn)
            };
            counts[(0..10).find(same).expect("one of the ten")] += 1;
        }
    }
    // 40,000 draws, a tenth each, half of them done: 2,000 expected, 44 the deviation.
    for count in counts {
        assert!((1780..2220).contains(&count), "{counts:?}");
    }
}

#[test]
fn crops_keep_area_and_ratio() {
    let (mut least, mut most) = (1.0_f64, 0.0_f64);
    let mut landscape = 0;
    for sample in 0..5000 {
        let part = crop::draw(&mut view(sample).draw(1, Use::Crop), (640, 480), 0.5);
        assert!(part.left + part.width <= 640 && part.top + part.height <= 480);
        let area = (part.width * part.height) as f64 / (640.0 * 480.0);
        let ratio = part.width as f64 / part.height as f64;
        assert!((0.74..1.34).contains(&ratio), "{part:?}");
        (least, most) = (least.min(area), most.max(area));
        landscape += usize::from(ratio > 1.0);
    }
    assert!((0.495..0.52).contains(&least), "{least}");
    assert!(most > 0.95 && most <= 1.0, "{most}");
    assert!((2000..4500).contains(&landscape), "{landscape}");
}

#[test]
fn long_images_fall_back_to_their_middle() {
    for (size, expected) in [
        ((1000, 100), [433, 0, 133, 100]),
        ((100, 1000), [0, 433, 100, 133]),
        ((1, 1), [0, 0, 1, 1]),
        ((1, 50), [0, 24, 1, 1]),
        ((50, 1), [24, 0, 1, 1]),
    ] {
        let Part {
            left,
            top,
            width,
            height,
        } = crop::middle(size.0, size.1);
        assert_eq!([left, top, width, height], expected, "{size:?}");
        // No draw can fit half of such an image.
        let drawn = crop::draw(&mut view(1).draw(2, Use::Crop), size, 0.5);
        assert_eq!(drawn, crop::middle(size.0, size.1), "{size:?}");
    }
}

#[test]
fn every_part_of_the_key_and_every_use_draws_other_numbers() {
    let first = |view: View, seed, purpose| view.draw(seed, purpose).between(0.0, 1.0).to_bits();
    let mut seen = std::collections::HashSet::new();
    for seed in 0..3 {
        for epoch in 0..3 {
            for sample in 0..20 {
                for purpose in [Use::Crop, Use::Flip, Use::Operations] {
                    let view = View {
                        epoch,
                        ..view(sample)
                    };
                    assert!(seen.insert(first(view, seed, purpose)));
                    assert!(!seen.insert(first(view, seed, purpose)));
                }
            }
        }
    }
}

fn asked(question: &str, answers: &[&str]) -> Sample {
    Sample {
        question: question.to_owned(),
        answers: answers.iter().map(|text| Answer::only(*text)).collect(),
        ..Sample::default()
    }
}

#[test]
fn left_and_right_are_found_in_questions_and_answers() {
    for (question, answers) in [
        ("What is on the left?", &["cat"][..]),
        ("Which hand? LEFT or other", &[]),
        ("What does the rightmost man hold?", &["bat"]),
        ("Where is the dog?", &["on sofa", "Right side"]),
        ("upper-left corner: what colour?", &["red"]),
        ("左边是什么?", &["猫"]),
        ("狗在哪里?", &["在右边"]),
    ] {
        assert!(says_left_or_right(&asked(question, answers)), "{question}");
    }
    for (question, answers) in [
        ("What is above the cat?", &["lamp"][..]),
        ("Is the felt hat green?", &["yes"]),
        ("上面是什么?", &["灯"]),
    ] {
        assert!(!says_left_or_right(&asked(question, answers)), "{question}");
    }
}

#[test]
fn samples_of_an_image_share_its_view() {
    let mut stored = vec![
        asked("what?", &["a"]),
        asked("who?", &["b"]),
        asked("what is left?", &["c"]),
        asked("where?", &["d"]),
    ];
    for (sample, image) in stored.iter_mut().zip([0, 1, 0, 1]) {
        sample.image = image;
    }
    let views = View::of_batch(5, &[3, 2, 0, 1], &stored);
    let expected = |sample, may_flip| View {
        epoch: 5,
        sample,
        may_flip,
    };
    assert_eq!(views.len(), 2);
    assert_eq!(views[&0], expected(2, false));
    assert_eq!(views[&1], expected(3, true));
    // In a batch without the question about the left it may be mirrored.
    assert_eq!(View::of_batch(5, &[0], &stored)[&0], expected(0, true));
}

const NOTHING: Augmentation = Augmentation {
    seed: 4,
    crop_scale: 1.0,
    flip: 0.0,
    operations: 0,
    magnitude: 7,
};

#[test]
fn each_setting_has_an_effect_of_its_own() {
    let image = picture("square");
    let views = |augmentation: Augmentation, may_flip: bool| {
        let views = (0..40).map(|sample| View {
            may_flip,
            ..view(sample)
        });
        views
            .map(|view| augmentation.apply(image.view(), 64, view).expect("a size"))
            .collect::<Vec<_>>()
    };
    let same = |images: &[RgbImage]| images.iter().filter(|one| **one == image).count();
    assert_eq!(same(&views(NOTHING, true)), 40);

    let mut mirrored = image.clone();
    mirrored.mirror();
    let flip = Augmentation {
        flip: 0.5,
        ..NOTHING
    };
    let flipped = views(flip, true);
    assert!(flipped.iter().all(|one| *one == image || *one == mirrored));
    assert!((10..30).contains(&same(&flipped)));
    assert_eq!(same(&views(flip, false)), 40);
    let always = Augmentation {
        flip: 1.0,
        ..NOTHING
    };
    assert_eq!(same(&views(always, true)), 0);

    let crop = Augmentation {
        crop_scale: 0.5,
        ..NOTHING
    };
    assert_eq!(same(&views(crop, true)), 0);
    assert_ne!(
        views(crop, true),
        views(
            Augmentation {
                crop_scale: 0.9,
                ..crop
            },
            true
        )
    );
    assert_ne!(
        views(crop, true),
        views(Augmentation { seed: 5, ..crop }, true)
    );

    let operations = Augmentation {
        operations: 2,
        ..NOTHING
    };
    let varied = views(operations, true);
    assert!((4..26).contains(&same(&varied)));
    let weaker = Augmentation {
        magnitude: 2,
        ..operations
    };
    assert_ne!(varied, views(weaker, true));
    let more = Augmentation {
        operations: 9,
        ..operations
    };
    assert!(same(&views(more, true)) < same(&varied));
}

#[test]
fn values_out_of_range_are_refused() {
    NOTHING.check().expect("in range");
    for (wrong, expected) in [
        (
            Augmentation {
                crop_scale: 0.0,
                ..NOTHING
            },
            "crop_scale is 0: expected more than 0 and at most 1",
        ),
        (
            Augmentation {
                flip: f64::NAN,
                ..NOTHING
            },
            "flip is NaN: expected 0 to 1",
        ),
        (
            Augmentation {
                magnitude: 11,
                ..NOTHING
            },
            "magnitude is 11: expected 0 to 10",
        ),
    ] {
        assert_eq!(
            wrong.check().expect_err("out of range").to_string(),
            expected
        );
    }
}
