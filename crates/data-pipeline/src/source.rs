use std::path::PathBuf;

use crate::answers::ReadingFacts;
use crate::check::Glance;
use crate::error::DataError;
use crate::inputs::{Inputs, RegionShape, Regions};
use crate::sample::Sample;
use crate::shards::InShard;

/// One split of a data set: samples, and the encoded images they are about.
///
/// Images are handed out as the bytes of a file, so that every data set passes through the same decoder.
pub trait Source: Send + Sync {
    /// Every sample, in storage order.
    fn samples(&self) -> &[Sample];

    /// How many images there are; [`Sample::image`] lies below it.
    fn image_count(&self) -> usize;

    /// What there is beside the questions. [`Source::encoded_image`], [`Source::regions`] and
    /// [`Source::statistical_words`] are called only for what is there.
    fn inputs(&self) -> Inputs {
        Inputs::IMAGES
    }

    /// The region features of an image. Equal features at each call.
    ///
    /// # Errors
    /// When they cannot be read, naming the image.
    fn regions(&self, image: usize) -> Result<Regions, DataError> {
        Err(DataError::MissingInput {
            of: self.image_name(image),
            input: "region features",
        })
    }

    /// What images like this one show, as words or phrases.
    fn statistical_words(&self, _image: usize) -> &[String] {
        &[]
    }

    /// The encoded bytes of an image. Equal bytes at each call.
    ///
    /// # Errors
    /// When the image cannot be read, naming it.
    fn encoded_image(&self, image: usize) -> Result<Vec<u8>, DataError>;

    /// Where an image lies, if images lie one behind the other in shards. A loader that streams then reads them from front to
    /// back, and calls [`Source::encoded_image`] for what it reads out of turn.
    fn in_shard(&self, _image: usize) -> Option<InShard<'_>> {
        None
    }

    /// Looks at an image as far as little reading goes: whether its file is there, is a regular one, and begins and ends as
    /// images do. An image of which that cannot be told is decoded. Nothing if the
    /// data set has no files.
    ///
    /// # Errors
    /// When the image cannot be read, naming it.
    fn glance(&self, _image: usize) -> Result<Option<Glance>, DataError> {
        Ok(None)
    }

    /// Looks at the region features of an image as far as little reading goes, and gives the size that they say they have;
    /// nothing if the data set has no files.
    ///
    /// # Errors
    /// When they cannot be read, naming them.
    fn glance_regions(&self, _image: usize) -> Result<Option<RegionShape>, DataError> {
        Ok(None)
    }

    /// The files that hold what the split has of an image: the image, its region features. None where it has no files.
    fn files(&self, _image: usize) -> Vec<PathBuf> {
        Vec::new()
    }

    /// What to call an image in a message: its path, where it has one.
    fn image_name(&self, image: usize) -> String;

    /// What to call the region features of an image in a message: their path, where they have one.
    fn regions_name(&self, image: usize) -> String {
        self.image_name(image)
    }

    /// What to call the split in a message, with its file, where it has one.
    fn place(&self) -> String {
        "the split".to_owned()
    }

    /// What to call a sample in a message: its file and line, where it has them.
    fn sample_place(&self, sample: usize) -> String {
        match self.questions() {
            (Some(file), unit) => format!("`{file}`, {unit} {}", self.sample_number(sample)),
            (None, unit) => format!("{unit} {}", self.sample_number(sample)),
        }
    }

    /// The file that the samples are written in, where there is one, and what is counted there: `line` or `entry`.
    fn questions(&self) -> (Option<String>, &'static str) {
        (None, "sample")
    }

    /// Number of a sample in [`Source::questions`].
    fn sample_number(&self, sample: usize) -> usize {
        sample
    }

    /// How the file of questions was read, where there is one.
    fn reading(&self) -> Option<&ReadingFacts> {
        None
    }

    /// Names of the layouts of published data sets that the split was imported from, such as `vqa2`.
    fn layouts(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Whether there are answers to compare a model's with. A question whose answers are blank, or have the score 0, has some:
    /// no answer to it is right. A source that knows such questions from those without answers says so here.
    fn has_answers(&self) -> bool {
        let mut samples = self.samples().iter();
        samples.any(|sample| !sample.answers.is_empty())
    }

    /// What tells an image from any other, wherever the data set lies.
    fn image_id(&self, image: usize) -> String {
        self.image_name(image)
    }
}

impl Inputs {
    /// Whether another split has what these are: the training split's, or those of them that a model looks at.
    ///
    /// # Errors
    /// Names the first input that the split lacks, or that there has another size.
    pub fn check(&self, split: &dyn Source) -> Result<(), DataError> {
        let there = split.inputs();
        let lacks = [
            ("images", self.images && !there.images),
            (
                "region features",
                self.regions.is_some() && there.regions.is_none(),
            ),
            (
                "statistical words",
                self.statistical_words.is_some() && there.statistical_words.is_none(),
            ),
            (
                "entities",
                self.entities.is_some() && there.entities.is_none(),
            ),
        ];
        if let Some((input, _)) = lacks.into_iter().find(|(_, lacking)| *lacking) {
            return Err(DataError::MissingInput {
                of: split.place(),
                input,
            });
        }
        match (self.regions, there.regions) {
            (Some(expected), Some(found)) if !expected.admits(found) => {
                Err(DataError::RegionShape {
                    of: split.regions_name(0),
                    expected,
                    found,
                })
            }
            _ => Ok(()),
        }
    }
}
