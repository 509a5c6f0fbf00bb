//! Scenes and answers, checked again by other means than those that made them.

use std::collections::BTreeMap;

use super::language::Language;
use super::question::Topic;
use super::render::render;
use super::scene::{Colour, Object, SIDE, Scene, Shape};
use super::source::{Shapes, ShapesConfig};
use crate::image::{ExifOrientation, RgbImage};
use crate::inputs::Inputs;
use crate::sample::{Answer, Split};
use crate::source::Source;
use crate::text::tokenize;

const EN: Language = Language::En;

fn shapes(split: Split) -> Shapes {
    let config = ShapesConfig {
        seed: 11,
        images: 600,
        questions_per_image: 5,
    };
    Shapes::new(config, split).expect("scenes")
}

fn distance(a: [f32; 2], b: [f32; 2]) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

#[test]
fn objects_differ_and_keep_apart_and_inside() {
    let mut counts = [0; 4];
    for scene in shapes(Split::Train).scenes() {
        counts[scene.objects.len()] += 1;
        for (number, a) in scene.objects.iter().enumerate() {
            for b in &scene.objects[..number] {
                assert!((a.colour, a.shape) != (b.colour, b.shape), "{scene:?}");
                let gap = distance(a.centre, b.centre) - a.radius - b.radius;
                assert!(gap >= 2.0, "{scene:?}");
            }
            for place in a.centre {
                assert!(place - a.radius >= 1.0 && place + a.radius <= SIDE as f32 - 1.0);
            }
        }
    }
    assert_eq!(counts[..2], [0, 0]);
    assert!(counts[2..].iter().all(|count| *count > 150), "{counts:?}");
}

/// Reads a question as a person would, looks at the scene, and answers; nothing if it has no single answer.
fn answer(scene: &Scene, question: &str) -> Option<(Topic, String)> {
    let words: Vec<String> = tokenize(question)
        .map(|word| word.strip_suffix('s').map_or(word.clone(), str::to_owned))
        .collect();
    let colour = |word: &str| Colour::ALL.into_iter().find(|c| EN.colour(*c) == word);
    let shape = |word: &str| Shape::ALL.into_iter().find(|s| EN.shape(*s) == word);
    let has = |word: &str| words.iter().any(|w| w == word);
    let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();

    // Things named: a noun with the colour in front of it, if there is one.
    let named: Vec<(Option<Colour>, Option<Shape>)> = (0..words.len())
        .filter(|&at| words[at] == "object" || shape(&words[at]).is_some())
        .map(|at| {
            let before = at.checked_sub(1).and_then(|before| colour(&words[before]));
            (before, shape(&words[at]))
        })
        .collect();
    let found: Vec<Vec<&Object>> = named
        .iter()
        .map(|(colour, shape)| {
            let objects = scene.objects.iter();
            objects
                .filter(|o| {
                    colour.is_none_or(|c| c == o.colour) && shape.is_none_or(|s| s == o.shape)
                })
                .collect()
        })
        .collect();

    // The object furthest out, with a margin.
    let outermost = |axis: usize, towards: f32| {
        let mut objects: Vec<&Object> = scene.objects.iter().collect();
        objects.sort_by(|a, b| (towards * b.centre[axis]).total_cmp(&(towards * a.centre[axis])));
        ((objects[0].centre[axis] - objects[1].centre[axis]).abs() >= 12.0).then_some(objects[0])
    };
    let place = [
        ("leftmost", 0, -1.0),
        ("rightmost", 0, 1.0),
        ("topmost", 1, -1.0),
        ("lowest", 1, 1.0),
    ]
    .into_iter()
    .find(|(name, ..)| has(name));
    if let Some((_, axis, towards)) = place {
        let object = outermost(axis, towards)?;
        let last = words.last()?;
        let answer = match () {
            () if has("color") => EN.colour(object.colour).to_owned(),
            () if has("what") => EN.shape(object.shape).to_owned(),
            () => yes_no(EN.colour(object.colour) == last || EN.shape(object.shape) == last),
        };
        return Some((Topic::Position, answer));
    }

    Some(match found.as_slice() {
        [things] if has("color") => match things[..] {
            [only] => (Topic::Colour, EN.colour(only.colour).to_owned()),
            _ => return None,
        },
        [things] if has("shape") => match things[..] {
            [only] => (Topic::Shape, EN.shape(only.shape).to_owned()),
            _ => return None,
        },
        [things] if has("many") => (Topic::Count, things.len().to_string()),
        [things] => (Topic::Existence, yes_no(!things.is_empty())),
        _ => return None,
    })
}

#[test]
fn every_question_has_the_one_right_answer() {
    let mut topics = [0; 5];
    for split in [Split::Train, Split::Validation, Split::Test] {
        let shapes = shapes(split);
        for sample in shapes.samples() {
            let (topic, right) = answer(&shapes.scenes()[sample.image], &sample.question)
                .unwrap_or_else(|| panic!("ambiguous: {}", sample.question));
            assert_eq!(sample.answers, [Answer::only(right)], "{}", sample.question);
            topics[Topic::ALL
                .iter()
                .position(|t| *t == topic)
                .expect("a topic")] += 1;
        }
    }
    // 9,000 questions on five topics; colour and shape are not possible in every scene.
    assert!(topics.iter().all(|count| *count > 1000), "{topics:?}");
}

/// Whatever a question names, half of the answers are yes: a model that does not look is right half of the time.
#[test]
fn yes_and_no_are_balanced() {
    let config = ShapesConfig {
        seed: 12,
        images: 40000,
        questions_per_image: 5,
    };
    let shapes = Shapes::new(config, Split::Train).expect("scenes");
    // Topic and what is named, to (questions, yes).
    let mut counts = BTreeMap::<String, (f64, f64)>::new();
    for sample in shapes.samples() {
        let yes = match sample.answers[0].text.as_str() {
            "yes" => 1.0,
            "no" => 0.0,
            _ => continue,
        };
        let named = |name: &str| sample.question.contains(name).then(|| name.to_owned());
        let colours: Vec<_> = Colour::ALL
            .iter()
            .filter_map(|c| named(EN.colour(*c)))
            .collect();
        let shapes: Vec<_> = Shape::ALL
            .iter()
            .filter_map(|s| named(EN.shape(*s)))
            .collect();
        let topic = if sample.question.starts_with("is the ") {
            format!(
                "position {}",
                sample.question.split(' ').nth(2).expect("a place")
            )
        } else {
            format!("existence {shapes:?} {}", colours.is_empty())
        };
        for key in [topic, format!("{colours:?}")] {
            let (all, of_them_yes) = counts.entry(key).or_default();
            *all += 1.0;
            *of_them_yes += yes;
        }
    }
    assert!(counts.len() > 15, "{counts:?}");
    for (key, (all, yes)) in counts {
        // Four standard deviations of a fair coin.
        let (share, margin) = (yes / all, 2.0 / all.sqrt());
        assert!((share - 0.5).abs() < margin, "{key}: {share} of {all}");
    }
}

fn mean(image: &RgbImage, select: impl Fn(f32, f32) -> bool) -> [f32; 3] {
    let mut sums = [0.0; 3];
    let mut count = 0.0;
    for (at, pixel) in image.pixels.as_chunks::<3>().0.iter().enumerate() {
        if select((at % SIDE) as f32 + 0.5, (at / SIDE) as f32 + 0.5) {
            count += 1.0;
            for (sum, level) in sums.iter_mut().zip(pixel) {
                *sum += f32::from(*level);
            }
        }
    }
    sums.map(|sum| sum / count)
}

/// Every object is painted where the scene says, in its colour, with about the area of its shape.
#[test]
fn images_show_their_scenes() {
    let shapes = shapes(Split::Test);
    for (number, scene) in shapes.scenes()[..60].iter().enumerate() {
        let encoded = shapes.encoded_image(number).expect("an image");
        let image = RgbImage::decode(&encoded, ExifOrientation::Apply)
            .expect("a PNG")
            .image;
        assert_eq!((image.width, image.height), (SIDE, SIDE));
        let near = |a: [f32; 3], b: [f32; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 3.5);
        let ground = mean(&image, |x, y| {
            let outside = |o: &Object| distance([x, y], o.centre) > o.radius + 1.0;
            scene.objects.iter().all(outside)
        });
        assert!(near(ground, scene.background), "{number}: {ground:?}");
        for object in &scene.objects {
            let core = mean(&image, |x, y| {
                distance([x, y], object.centre) < object.radius * 0.4
            });
            assert!(near(core, object.paint), "{number}: {core:?} {object:?}");

            // How far the disc around the object lies from the background towards its paint.
            let disc = mean(&image, |x, y| {
                distance([x, y], object.centre) < object.radius
            });
            let along = |level: [f32; 3]| -> f32 {
                let towards = (0..3).map(|c| object.paint[c] - scene.background[c]);
                let from = (0..3).map(|c| level[c] - scene.background[c]);
                towards.zip(from).map(|(t, f)| t * f).sum()
            };
            let filled = along(disc) / along(object.paint);
            // Areas of the shapes in the unit circle, in parts of its own.
            let expected = match object.shape {
                Shape::Circle => 0.81,
                Shape::Square => 0.637,
                Shape::Triangle => 0.413,
            };
            assert!(
                (filled - expected).abs() < 0.06,
                "{number}: {filled} {object:?}"
            );
        }
    }
}

#[test]
fn noise_is_keyed() {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    let scene = Scene::generate(&mut ChaCha8Rng::seed_from_u64(1));
    let draw = |seed| render(&scene, &mut ChaCha8Rng::seed_from_u64(seed));
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

/// The colours and things that an English question names, found by its words.
fn named_in(question: &str) -> Vec<String> {
    let things = || {
        Shape::ALL
            .map(|shape| EN.shape(shape))
            .into_iter()
            .chain(["object"])
    };
    let names = |word: &String| {
        let singular = word.strip_suffix('s').unwrap_or(word);
        Colour::ALL.iter().any(|colour| EN.colour(*colour) == word)
            || things().any(|thing| thing == singular)
    };
    tokenize(question).filter(names).collect()
}

/// Chinese questions are English ones translated: as many different ones, with the same answers, and short enough.
#[test]
fn the_chinese_twin_asks_the_same() {
    let english = shapes(Split::Train).described();
    let chinese = shapes(Split::Train).described().in_language(Language::Zh);
    let mut twins = BTreeMap::new();
    let mut back = BTreeMap::new();
    let mut pair = |a: &str, b: &str| {
        assert_eq!(twins.entry(a.to_owned()).or_insert(b.to_owned()), b);
        assert_eq!(back.entry(b.to_owned()).or_insert(a.to_owned()), a);
    };
    for (en, zh) in english.samples().iter().zip(chinese.samples()) {
        assert_eq!(en.image, zh.image);
        pair(&en.question, &zh.question);
        let [a, b] = [en, zh].map(|sample| sample.answers[0].text.as_str());
        pair(a, b);
        assert_eq!(en.entities.len(), zh.entities.len());
        let tokens = tokenize(&zh.question).count();
        assert!((4..=8).contains(&tokens), "{}", zh.question);
        assert_eq!(tokens + 1, zh.question.chars().count(), "{}", zh.question);
    }
    for image in 0..english.image_count() {
        let words = [&english, &chinese].map(|shapes| shapes.statistical_words(image));
        for (a, b) in words[0].iter().zip(words[1]) {
            pair(a, b);
        }
        let bytes = |shapes: &Shapes| shapes.encoded_image(image).expect("an image");
        assert!(image > 3 || bytes(&english) == bytes(&chinese));
    }
    assert!(twins.len() > 100, "{}", twins.len());
    assert_eq!(twins["how many red objects are there?"], "有几个红色物体？");
}

/// The regions, words and entities of a scene, told by reading the numbers again.
#[test]
fn descriptions_tell_the_scene() {
    let described = shapes(Split::Test).described();
    let inputs = described.inputs();
    let shape = inputs.regions.expect("it is described");
    assert_eq!((shape.regions, shape.dim), (3, 12));
    assert_eq!(
        (inputs.statistical_words, inputs.entities),
        (Some(6), Some(2))
    );
    for (image, scene) in described.scenes().iter().enumerate() {
        let regions = described.regions(image).expect("a scene");
        assert_eq!(regions.shape, shape);
        let mut named = Vec::new();
        for (number, region) in regions.features.chunks(12).enumerate() {
            let [left, top, right, bottom, width, height] = regions.boxes[number * 6..][..6] else {
                panic!("six numbers a box")
            };
            let Some(object) = scene.objects.get(number) else {
                let edges = [left, top, right, bottom, width, height];
                assert!(
                    region
                        .iter()
                        .chain(&edges)
                        .all(|number| number.abs() < 1e-9)
                );
                continue;
            };
            let which = |part: &[f32]| {
                assert!((part.iter().sum::<f32>() - 1.0).abs() < 1e-6);
                part.iter()
                    .position(|feature| *feature > 0.5)
                    .expect("one of them")
            };
            assert_eq!(Colour::ALL[which(&region[..6])], object.colour);
            assert_eq!(Shape::ALL[which(&region[6..9])], object.shape);
            let close = |a: f32, pixels: f32| (a * SIDE as f32 - pixels).abs() < 1e-3;
            assert!(
                close(f32::midpoint(left, right), object.centre[0])
                    && close(region[9], object.centre[0])
            );
            assert!(
                close(f32::midpoint(top, bottom), object.centre[1])
                    && close(region[10], object.centre[1])
            );
            assert!(close(width / 2.0, object.radius) && close(region[11], object.radius));
            assert!(close(right - left, 2.0 * object.radius) && close(height / 2.0, object.radius));
            named.extend([EN.colour(object.colour), EN.shape(object.shape)]);
        }
        let words = described.statistical_words(image);
        assert!(
            named
                .iter()
                .all(|name| words.iter().any(|word| word == name))
        );
        assert!(words.iter().all(|word| named.contains(&word.as_str())));
        let distinct: std::collections::BTreeSet<_> = words.iter().collect();
        assert_eq!(distinct.len(), words.len());
    }
    let plain = shapes(Split::Test);
    for (with, without) in described.samples().iter().zip(plain.samples()) {
        assert_eq!(with.entities, named_in(&with.question));
        assert!(!with.entities.is_empty() && without.entities.is_empty());
        assert_eq!(
            (&with.question, &with.answers),
            (&without.question, &without.answers)
        );
    }
    assert_eq!(plain.inputs(), Inputs::IMAGES);
}
