use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::read::Layout;
use crate::check::Glance;
use crate::error::DataError;
use crate::hold_out::HoldOut;
use crate::image_file;
use crate::sample::{Answer, Sample, Split};
use crate::source::Source;

/// One split of the `easy-vqa` data set, read from its folder.
///
/// The data set comes as `train` and `test`; [`Split::Validation`] is a part of `train`, whole images, that
/// [`Split::Train`] then lacks.
#[derive(Debug)]
pub struct EasyVqa {
    samples: Vec<Sample>,
    images: Vec<PathBuf>,
    /// The file of questions.
    questions: PathBuf,
    /// Entry of each sample in it, from 0.
    entries: Vec<usize>,
}

impl EasyVqa {
    /// Reads the questions of a split from `folder`, which holds `answers.txt`, `train` and `test`.
    ///
    /// `hold_out` says which training images make up the validation split.
    ///
    /// # Errors
    /// When a part of the data set is missing, there are too few images to hold any out, a file is not what it should be, or an answer
    /// is not in `answers.txt`. Images are opened when they are read; whether they can be, [`check`](crate::check()) says.
    pub fn open(folder: &Path, split: Split, hold_out: HoldOut) -> Result<Self, DataError> {
        hold_out.check()?;
        let layout = Layout(folder);
        layout.check()?;
        let part = match split {
            Split::Train | Split::Validation => "train",
            Split::Test => "test",
        };
        let entries = layout.read_questions(part)?;

        let all: BTreeSet<usize> = entries.iter().map(|entry| entry.2).collect();
        let all = all.into_iter().collect();
        let numbers = match split {
            Split::Test => all,
            split => hold_out.divide(all, split, layout.questions(part))?,
        };
        let position: BTreeMap<_, _> = numbers.iter().copied().zip(0..).collect();
        let (samples, numbers_of_entries) = entries
            .into_iter()
            .enumerate()
            .filter_map(|(number, entry)| {
                let sample = Sample {
                    image: *position.get(&entry.2)?,
                    question: entry.0,
                    answers: vec![Answer::only(entry.1)],
                    ..Sample::default()
                };
                Some((sample, number))
            })
            .unzip();
        let images = numbers.iter().map(|&number| layout.image(part, number));
        Ok(Self {
            samples,
            images: images.collect(),
            questions: layout.questions(part),
            entries: numbers_of_entries,
        })
    }

    /// Path of an image that there is.
    fn path(&self, image: usize) -> Result<&Path, DataError> {
        let path = self.images.get(image).map(PathBuf::as_path);
        path.ok_or(DataError::NoSuchImage {
            image,
            images: self.images.len(),
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
        image_file::read(self.path(image)?)
    }

    fn glance(&self, image: usize) -> Result<Option<Glance>, DataError> {
        image_file::glance(self.path(image)?).map(Some)
    }

    fn files(&self, image: usize) -> Vec<PathBuf> {
        self.images.get(image).cloned().into_iter().collect()
    }

    fn image_name(&self, image: usize) -> String {
        self.images
            .get(image)
            .map_or_else(|| format!("{image}"), |path| path.display().to_string())
    }

    fn questions(&self) -> (Option<String>, &'static str) {
        (Some(self.questions.display().to_string()), "entry")
    }

    fn sample_number(&self, sample: usize) -> usize {
        self.entries.get(sample).copied().unwrap_or(0)
    }

    fn image_id(&self, image: usize) -> String {
        let name = self.images.get(image).and_then(|path| path.file_name());
        name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }
}
