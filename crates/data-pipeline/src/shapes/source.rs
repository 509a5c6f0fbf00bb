use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::describe::{self, REGIONS};
use super::language::Language;
use super::question::{Question, Reply, Topic, ask};
use super::render::render;
use super::scene::{Scene, any};
use crate::error::DataError;
use crate::image::encode_png;
use crate::inputs::{Inputs, Regions, most_tokens};
use crate::sample::{Answer, Sample, Split};
use crate::source::Source;

/// Most questions about one image. Of the few that a scene of two objects allows, more would use up those with the one
/// answer before those with the other.
const MAX_QUESTIONS: usize = 5;

/// Most images of a split: the lower bits of a random stream's number.
const MAX_IMAGES: usize = 1 << 32;

/// Size and seed of a `shapes` split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShapesConfig {
    /// Names the data set: equal seeds, equal data.
    pub seed: u64,
    /// Number of images in the split.
    pub images: usize,
    /// Different questions about each image, at most 5.
    pub questions_per_image: usize,
}

/// One split of the `shapes` data set.
///
/// An image is 64 x 64 pixels: two or three circles, squares and triangles in six colours, no two alike, on a light
/// noisy ground. Questions ask for colour, shape, count (0 to 3), position relative to the other objects (the leftmost,
/// rightmost, topmost or lowest one) and existence; each has exactly one right answer, and yes/no questions have the
/// answer yes in half of the cases.
///
/// Image i of a split depends on seed, split and i alone: not on how many images there are. The random streams of two
/// splits have nothing in common.
#[derive(Debug)]
pub struct Shapes {
    seed: u64,
    split: Split,
    scenes: Vec<Scene>,
    asked: Vec<Asked>,
    language: Language,
    samples: Vec<Sample>,
    /// Statistical words of each image, where the data set is to have all inputs.
    described: Option<Vec<Vec<String>>>,
}

/// A question about an image in no language yet, and its answer.
#[derive(Debug, Clone, Copy)]
struct Asked {
    image: usize,
    question: Question,
    reply: Reply,
}

/// What a random stream of an image is for.
#[derive(Clone, Copy)]
enum Purpose {
    Scene,
    Questions,
    Noise,
}

impl Shapes {
    /// Lays out the scenes of a split and asks the questions; images are drawn when they are read.
    ///
    /// # Errors
    /// [`DataError::Setting`] when there are no images, no questions, or too many of either.
    pub fn new(config: ShapesConfig, split: Split) -> Result<Self, DataError> {
        let ShapesConfig {
            seed,
            images,
            questions_per_image,
        } = config;
        for (setting, value, limit, expected) in [
            ("images", images, MAX_IMAGES, "1 to 4294967296"),
            (
                "questions_per_image",
                questions_per_image,
                MAX_QUESTIONS,
                "1 to 5",
            ),
        ] {
            if !(1..=limit).contains(&value) {
                return Err(DataError::Setting {
                    setting,
                    value: value.to_string(),
                    expected,
                });
            }
        }
        let mut scenes = Vec::with_capacity(images);
        let mut asked = Vec::with_capacity(images.saturating_mul(questions_per_image));
        for image in 0..images {
            let scene = Scene::generate(&mut stream(seed, split, image, Purpose::Scene));
            let mut rng = stream(seed, split, image, Purpose::Questions);
            let questions = questions(&scene, questions_per_image, &mut rng);
            asked.extend(questions.into_iter().map(|(question, reply)| Asked {
                image,
                question,
                reply,
            }));
            scenes.push(scene);
        }
        let mut shapes = Self {
            seed,
            split,
            scenes,
            asked,
            language: Language::default(),
            samples: Vec::new(),
            described: None,
        };
        shapes.say();
        Ok(shapes)
    }

    /// Asks and answers in another language: the same scenes and questions, translated.
    #[must_use]
    pub fn in_language(mut self, language: Language) -> Self {
        self.language = language;
        self.say();
        self
    }

    /// Adds region features, statistical words and entities, made from the scenes as they are: what a perfect detector
    /// would say.
    #[must_use]
    pub fn described(mut self) -> Self {
        self.described = Some(Vec::new());
        self.say();
        self
    }

    /// Puts questions, answers and descriptions into words.
    fn say(&mut self) {
        let language = self.language;
        let described = self.described.is_some();
        let sample = |asked: &Asked| Sample {
            image: asked.image,
            question: language.question(asked.question),
            answers: vec![Answer::only(language.reply(asked.reply))],
            entities: if described {
                language.entities(asked.question)
            } else {
                Vec::new()
            },
            ..Sample::default()
        };
        self.samples = self.asked.iter().map(sample).collect();
        if described {
            let scenes = self.scenes.iter();
            let words = scenes.map(|scene| describe::statistical_words(scene, language));
            self.described = Some(words.collect());
        }
    }
}

impl Shapes {
    fn scene(&self, image: usize) -> Result<&Scene, DataError> {
        self.scenes.get(image).ok_or(DataError::NoSuchImage {
            image,
            images: self.scenes.len(),
        })
    }

    #[cfg(test)]
    pub(super) fn scenes(&self) -> &[Scene] {
        &self.scenes
    }
}

impl Source for Shapes {
    fn samples(&self) -> &[Sample] {
        &self.samples
    }

    fn image_count(&self) -> usize {
        self.scenes.len()
    }

    fn inputs(&self) -> Inputs {
        let Some(words) = &self.described else {
            return Inputs::IMAGES;
        };
        let entities = self.samples.iter().map(|sample| sample.entities.as_slice());
        Inputs {
            images: true,
            regions: Some(REGIONS),
            statistical_words: Some(most_tokens(words.iter().map(Vec::as_slice))),
            entities: Some(most_tokens(entities)),
        }
    }

    fn regions(&self, image: usize) -> Result<Regions, DataError> {
        self.scene(image).map(describe::regions)
    }

    fn statistical_words(&self, image: usize) -> &[String] {
        let words = self.described.as_ref().and_then(|words| words.get(image));
        words.map_or(&[], Vec::as_slice)
    }

    fn encoded_image(&self, image: usize) -> Result<Vec<u8>, DataError> {
        let scene = self.scene(image)?;
        let mut noise = stream(self.seed, self.split, image, Purpose::Noise);
        encode_png(&render(scene, &mut noise)).map_err(|source| DataError::Image {
            image: self.image_name(image),
            source,
        })
    }

    fn image_name(&self, image: usize) -> String {
        format!("shapes/{}/{image}.png", self.split.name())
    }

    fn place(&self) -> String {
        format!("the {} split", self.split.name())
    }

    fn image_id(&self, image: usize) -> String {
        format!("{}/{}", self.seed, self.image_name(image))
    }
}

fn stream(seed: u64, split: Split, image: usize, purpose: Purpose) -> ChaCha8Rng {
    let split = match split {
        Split::Train => 0,
        Split::Validation => 1,
        Split::Test => 2,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(split << 48 | (purpose as u64) << 40 | image as u64);
    rng
}

/// Different questions, topics in equal parts where the scene allows.
///
/// A question that was asked already is drawn again with the same topic and the same yes or no: to draw these anew
/// would favour what can be asked in more ways, and that is no.
fn questions(scene: &Scene, count: usize, rng: &mut ChaCha8Rng) -> Vec<(Question, Reply)> {
    const TRIES: usize = 64;
    let mut asked: Vec<(Question, Reply)> = Vec::with_capacity(count);
    while asked.len() < count {
        let topic = any(&Topic::ALL, rng);
        let yes = rng.random_bool(0.5);
        let new = (0..TRIES)
            .filter_map(|_| ask(topic, yes, scene, rng))
            .find(|question| !asked.contains(question));
        asked.extend(new);
    }
    asked
}
