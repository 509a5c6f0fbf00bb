use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::read::Layout;
use crate::error::DataError;
use crate::hold_out::HoldOut;
use crate::sample::{Answer, Sample, Source, Split};

/// One split of the `easy-vqa` data set, read from its folder.
///
/// The data set comes as `train` and `test`; [`Split::Validation`] is a part of `train`, whole images, that
/// [`Split::Train`] then lacks.
#[derive(Debug)]
pub struct EasyVqa {
    samples: Vec<Sample>,
    images: Vec<PathBuf>,
}

impl EasyVqa {
    /// Reads the questions of a split from `folder`, which holds `answers.txt`, `train` and `test`.
    ///
    /// `hold_out` says which training images make up the validation split.
    ///
    /// # Errors
    /// When a part of the data set is missing, there are too few images to hold any out, a file is not what it should be, an answer is not in `answers.txt`, or
    /// an image that a question names is not there. Images are looked for here and opened when they are read.
    pub fn open(folder: &Path, split: Split, hold_out: HoldOut) -> Result<Self, DataError> {
        hold_out.check()?;
        let layout = Layout(folder);
        layout.check()?;
        let part = match split {
            Split::Train | Split::Validation => "train",
            Split::Test => "test",
        };
        let entries = layout.read_questions(part)?;

        // The number of each image, with the first entry that names it.
        let mut named = BTreeMap::new();
        for (entry, question) in entries.iter().enumerate() {
            named.entry(question.2).or_insert(entry);
        }
        for (&number, &entry) in &named {
            let image = layout.image(part, number);
            if !image.is_file() {
                return Err(DataError::MissingImage {
                    path: layout.questions(part),
                    entry,
                    image,
                });
            }
        }
        let all: Vec<usize> = named.into_keys().collect();
        let numbers = match split {
            Split::Test => all,
            split => hold_out.divide(all, split, layout.questions(part))?,
        };
        let position: BTreeMap<_, _> = numbers.iter().copied().zip(0..).collect();
        let samples = entries
            .into_iter()
            .filter_map(|entry| {
                Some(Sample {
                    image: *position.get(&entry.2)?,
                    question: entry.0,
                    answers: vec![Answer::only(entry.1)],
                    ..Sample::default()
                })
            })
            .collect();
        let images = numbers.iter().map(|&number| layout.image(part, number));
        Ok(Self {
            samples,
            images: images.collect(),
        })
    }
}

impl Source for EasyVqa {
    fn samples(&self) -> &[Sample] {
        &self.samples
    }

    fn image_count(&self) -> usize {
        self.images.len()
    }

    fn encoded_image(&self, image: usize) -> Result<Vec<u8>, DataError> {
        let path = self.images.get(image).ok_or(DataError::NoSuchImage {
            image,
            images: self.images.len(),
        })?;
        fs::read(path).map_err(|source| DataError::Io {
            path: path.clone(),
            source,
        })
    }

    fn image_name(&self, image: usize) -> String {
        self.images
            .get(image)
            .map_or_else(|| format!("{image}"), |path| path.display().to_string())
    }

    fn image_id(&self, image: usize) -> String {
        let name = self.images.get(image).and_then(|path| path.file_name());
        name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }
}
