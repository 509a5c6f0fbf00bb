use std::fs;
use std::time::UNIX_EPOCH;

use crc32fast::Hasher;

use crate::inputs::{Inputs, RegionShape};
use crate::sample::Sample;
use crate::source::Source;

/// A checksum of what a split asks and answers: its questions in their order, their answers, entities and images by
/// name, the images' statistical words, and the sizes of the inputs. The images themselves are not read, and where the
/// data set lies makes no difference.
///
/// ```
/// use data_pipeline::{Shapes, ShapesConfig, Split, fingerprint};
///
/// let shapes = |seed| {
///     let config = ShapesConfig { seed, images: 3, questions_per_image: 2 };
///     Shapes::new(config, Split::Train).map(|shapes| fingerprint(&shapes))
/// };
/// assert_eq!(shapes(1)?, shapes(1)?);
/// assert_ne!(shapes(1)?, shapes(2)?);
/// # Ok::<(), data_pipeline::DataError>(())
/// ```
pub fn fingerprint(source: &dyn Source) -> u32 {
    let mut sum = Checksum(Hasher::new());
    let inputs = source.inputs();
    sum.inputs(inputs);
    let images = source.image_count();
    sum.number(images);
    for image in 0..images {
        sum.text(&source.image_id(image));
        if inputs.statistical_words.is_some() {
            sum.texts(source.statistical_words(image));
        }
    }
    sum.number(source.samples().len());
    for sample in source.samples() {
        sum.sample(sample);
    }
    sum.0.finalize()
}

/// A checksum of all that is written about the questions of a split and of where their images lie: [`fingerprint`], every
/// field that is kept, and the names of the images.
pub fn fingerprint_of_questions(source: &dyn Source) -> u32 {
    let mut sum = Checksum(Hasher::new());
    sum.number(fingerprint(source) as usize);
    for sample in source.samples() {
        for (name, value) in sample.fields.iter() {
            sum.text(name);
            sum.text(&value.to_string());
        }
        sum.text("");
    }
    for image in 0..source.image_count() {
        sum.text(&source.image_name(image));
    }
    sum.0.finalize()
}

/// A checksum of the files that a split's images and region features lie in: their paths, sizes in bytes and times of the last
/// change. The files are not read.
pub fn fingerprint_of_files(source: &dyn Source) -> u32 {
    let mut sum = Checksum(Hasher::new());
    let mut last = None;
    for image in 0..source.image_count() {
        for file in source.files(image) {
            // Images of a shard name it one behind the other.
            if last.as_ref() == Some(&file) {
                continue;
            }
            sum.text(&file.to_string_lossy());
            if let Ok(there) = fs::metadata(&file) {
                sum.0.update(&there.len().to_le_bytes());
                let changed = there.modified().ok();
                let since = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                sum.0
                    .update(&since.unwrap_or_default().as_nanos().to_le_bytes());
            }
            last = Some(file);
        }
    }
    sum.0.finalize()
}

/// Every part goes in with its length, so that no two splits give the same bytes.
struct Checksum(Hasher);

impl Checksum {
    fn number(&mut self, number: usize) {
        self.0.update(&(number as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.update(text.as_bytes());
    }

    fn texts(&mut self, texts: &[String]) {
        self.number(texts.len());
        for text in texts {
            self.text(text);
        }
    }

    fn sample(&mut self, sample: &Sample) {
        self.number(sample.image);
        self.text(&sample.question);
        self.number(sample.answers.len());
        for answer in &sample.answers {
            self.text(&answer.text);
            for value in [answer.score, answer.weight] {
                self.0.update(&value.to_le_bytes());
            }
        }
        self.texts(&sample.entities);
    }

    fn inputs(&mut self, inputs: Inputs) {
        let Inputs {
            images,
            regions,
            statistical_words,
            entities,
        } = inputs;
        let none = RegionShape {
            regions: 0,
            dim: 0,
            varying: false,
        };
        let RegionShape {
            regions,
            dim,
            varying,
        } = regions.unwrap_or(none);
        // There is no input of size 0.
        for size in [
            usize::from(images),
            regions,
            dim,
            statistical_words.unwrap_or(0),
            entities.unwrap_or(0),
        ] {
            self.number(size);
        }
        if varying {
            self.text("varying");
        }
    }
}
