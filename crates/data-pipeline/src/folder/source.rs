//! A split of a folder.
//!
//! One file because a split is opened into the fields that it answers from as a source.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Layout;
use super::features::Features;
use super::manifest::Manifest;
use super::read::{self, Readable};
use crate::answers::{AnswerNormalisation, AnswerReading, ReadingFacts};
use crate::check::Glance;
use crate::error::{DataError, Errors};
use crate::files;
use crate::hold_out::HoldOut;
use crate::image_file;
use crate::inputs::{Inputs, RegionShape, Regions};
use crate::sample::{Sample, Split};
use crate::shards::{InShard, Shards};
use crate::source::Source;

/// One split of a data set of the user's own.
///
/// ```text
/// train.jsonl               a question a line: {"image": "a.png", "question": "what is it?", "answers": ["cat"]}
/// validation.jsonl          the same; without it a part of the training images is held out
/// test.jsonl                the same
/// images/a.png              an image each; the folder may be absent where there are features
/// shards.json, *.tar        instead of images: what `aoa data shard` wrote
/// features/train.regions    optional: region features of many images, which `aoa data import-features` writes
/// features/a.png.safetensors   or a file an image: regions [regions, dim] and boxes [regions, 6], F32
/// statistical_words.json    optional: {"a.png": ["cat", "grass"]}
/// ```
///
/// `answers` is a list, read as [`AnswerReading`] says, or an object from answer to score, or one answer; an answer is a
/// word or a number, which keeps its digits. A training question without a right answer is left out. Only `test.jsonl` may be without. Any further field stays with its [`Sample`]. `entities`, a list of words or phrases, stands on every
/// line or on none. The boxes are left, top, right and bottom edge, width and height, as fractions of the image's.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
    split: Split,
    /// The split whose file holds the questions.
    part: Split,
    pub(super) samples: Arc<Vec<Sample>>,
    /// Line of each sample, from 1.
    pub(super) lines: Arc<Vec<usize>>,
    pub(super) images: Arc<Vec<String>>,
    statistical_words: Arc<Vec<Vec<String>>>,
    inputs: Inputs,
    features: Option<Arc<Features>>,
    facts: Arc<ReadingFacts>,
    /// What `aoa data import` wrote beside the questions.
    manifest: Option<Manifest>,
    /// What holds the images, where they are no files of their own.
    shards: Option<Arc<Shards>>,
}

/// A split of the lines that could be read, and the errors of the others.
pub type ReadablePart = (Folder, Result<(), DataError>);

impl Folder {
    /// Reads the questions of a split from the folder `root`. Where there is no `validation.jsonl`, `hold_out` says
    /// which training images make up that split.
    ///
    /// # Errors
    /// When a part of the data set is missing, there are too few images to hold any out, a file is not what it should be, an
    /// image lacks words that others have, or no region features can be read. Images and features are opened when they
    /// are read; whether they can be, [`check`](crate::check()) says.
    pub fn open(root: &Path, split: Split, hold_out: HoldOut) -> Result<Self, DataError> {
        let reading = Self::reading_of(root, AnswerNormalisation::default());
        Self::open_with(root, split, hold_out, &reading)
    }

    /// How the answers of the data set are read: the lists of all splits decide together which of them hold votes.
    pub fn reading_of(root: &Path, normalisation: AnswerNormalisation) -> AnswerReading {
        AnswerReading {
            normalisation,
            vote_lengths: match Manifest::read(root) {
                Ok(Some(manifest)) => manifest.vote_lengths,
                // What is wrong with a manifest, opening the folder says.
                _ => read::vote_lengths(&Layout(root)),
            },
        }
    }

    /// [`Folder::open`] with answers read as `reading` says, which [`Folder::reading_of`] finds out once for all splits.
    ///
    /// # Errors
    /// As for [`Folder::open`].
    pub fn open_with(
        root: &Path,
        split: Split,
        hold_out: HoldOut,
        reading: &AnswerReading,
    ) -> Result<Self, DataError> {
        hold_out.check()?;
        let layout = Layout(root);
        let own_validation = files::is_file(&layout.questions(Split::Validation))?;
        let manifest = Manifest::read(root)?;
        let stands_for = |manifest: &Manifest| manifest.stands_for(split);
        let questions = manifest.as_ref().map_or(split, stands_for);
        let part = match questions {
            Split::Validation if !own_validation => Split::Train,
            part => part,
        };
        let (whole, errors) = Self::whole(root, (split, part), reading, manifest)?;
        errors.none()?;
        let part = if own_validation || questions == Split::Test {
            whole
        } else {
            let all = (0..whole.images.len()).collect();
            let images = hold_out.divide(all, questions, layout.questions(part))?;
            whole.only(&images)
        };
        match split {
            // Published data sets train on such questions, too: none of the listed answers is right.
            Split::Train if part.manifest.is_none() => part.with_right_answers(),
            Split::Train | Split::Validation | Split::Test => Ok(part),
        }
    }

    /// Training, validation and test split, as [`Folder::open_with`] opens each. Where the questions of validation stand for
    /// those of test, they are read once and both splits share them.
    pub fn open_all(
        root: &Path,
        hold_out: HoldOut,
        reading: &AnswerReading,
    ) -> [Result<Self, DataError>; 3] {
        let open = |split| Self::open_with(root, split, hold_out, reading);
        let shared = matches!(
            Manifest::read(root),
            Ok(Some(manifest)) if manifest.stands_for(Split::Test) == Split::Validation
        );
        let (train, (validation, test)) = rayon::join(
            || open(Split::Train),
            || {
                rayon::join(
                    || open(Split::Validation),
                    || (!shared).then(|| open(Split::Test)),
                )
            },
        );
        let test = test.unwrap_or_else(|| match &validation {
            Ok(validation) => Ok(Self {
                split: Split::Test,
                ..validation.clone()
            }),
            // The errors are those of one file, but they cannot be copied.
            Err(_) => open(Split::Test),
        });
        [train, validation, test]
    }

    /// Reads a split's own file of questions: a split of the lines that could be read, with all of their images, and the errors
    /// of the others. `None` where the split takes its questions from another split's file.
    ///
    /// # Errors
    /// When nothing of the file can be read.
    pub fn readable(
        root: &Path,
        split: Split,
        reading: &AnswerReading,
    ) -> Result<Option<ReadablePart>, DataError> {
        let layout = Layout(root);
        let manifest = Manifest::read(root)?;
        let stands_for = |manifest: &Manifest| manifest.stands_for(split);
        let part = manifest.as_ref().map_or(split, stands_for);
        let own = part == split && files::is_file(&layout.questions(part))?;
        if !own && split != Split::Train {
            return Ok(None);
        }
        let (whole, errors) = Self::whole(root, (split, part), reading, manifest)?;
        Ok(Some((whole, errors.none())))
    }

    /// What can be read of the questions of `part`, with all of their images, and what is wrong with the rest.
    pub(super) fn whole(
        root: &Path,
        (split, part): (Split, Split),
        reading: &AnswerReading,
        manifest: Option<Manifest>,
    ) -> Result<(Self, Errors), DataError> {
        let shards = Shards::open(root, part)?;
        let Readable {
            part: read,
            mut errors,
        } = read::read(
            &Layout(root),
            part,
            reading,
            manifest.as_ref(),
            shards.is_some(),
        )?;
        if let Some(shards) = &shards
            && let Some(error) = read
                .images
                .iter()
                .find_map(|image| shards.find(image).err())
        {
            errors.add(error);
        }
        let whole = Self {
            root: root.to_owned(),
            split,
            part,
            lines: Arc::new(read.lines),
            samples: Arc::new(read.samples),
            images: Arc::new(read.images),
            statistical_words: Arc::new(read.statistical_words.unwrap_or_default()),
            inputs: read.inputs,
            features: read.features.map(Arc::new),
            facts: Arc::new(read.facts),
            manifest,
            shards: shards.map(Arc::new),
        };
        Ok((whole, errors))
    }

    /// Without the samples that have no right answer, from which nothing is learned.
    fn with_right_answers(mut self) -> Result<Self, DataError> {
        let all = self.samples.len();
        let left_out = self.samples.iter().filter(|one| one.answers.is_empty());
        let left_out = left_out.count();
        if left_out == 0 {
            return Ok(self);
        }
        let samples = Arc::unwrap_or_clone(self.samples).into_iter();
        let kept = samples.zip(Arc::unwrap_or_clone(self.lines));
        let kept = kept.filter(|(sample, _)| !sample.answers.is_empty());
        let (samples, lines) = kept.unzip();
        (self.samples, self.lines) = (Arc::new(samples), Arc::new(lines));
        Arc::make_mut(&mut self.facts).left_out = left_out;
        if self.samples.is_empty() {
            return Err(DataError::NothingToList {
                what: "right answer",
                samples: all,
            });
        }
        let images: BTreeSet<_> = self.samples.iter().map(|sample| sample.image).collect();
        Ok(self.only(&images.into_iter().collect::<Vec<_>>()))
    }

    /// The part about the given images, in rising order.
    fn only(self, images: &[usize]) -> Self {
        let mut position = vec![None; self.images.len()];
        for (new, &old) in images.iter().enumerate() {
            position[old] = Some(new);
        }
        let moved = |(sample, line): (Sample, usize)| {
            let image = position[sample.image]?;
            Some((Sample { image, ..sample }, line))
        };
        let (samples, lines) = Arc::unwrap_or_clone(self.samples)
            .into_iter()
            .zip(Arc::unwrap_or_clone(self.lines))
            .filter_map(moved)
            .unzip();
        let words = images
            .iter()
            .filter_map(|&image| self.statistical_words.get(image));
        let names = images.iter().map(|&image| self.images[image].clone());
        Self {
            samples: Arc::new(samples),
            lines: Arc::new(lines),
            statistical_words: Arc::new(words.cloned().collect()),
            images: Arc::new(names.collect()),
            ..self
        }
    }

    fn features(&self) -> &Features {
        self.features.as_deref().unwrap_or(&Features::OneAnImage)
    }

    /// Where an image of this name lies.
    pub(super) fn image_path(&self, name: &str) -> PathBuf {
        let elsewhere = self
            .manifest
            .as_ref()
            .and_then(|manifest| manifest.image(name));
        elsewhere.unwrap_or_else(|| Layout(&self.root).image(name))
    }

    /// Name of an image that there is.
    fn name(&self, image: usize) -> Result<&str, DataError> {
        let name = self.images.get(image).map(String::as_str);
        name.ok_or(DataError::NoSuchImage {
            image,
            images: self.images.len(),
        })
    }
}

impl Source for Folder {
    fn samples(&self) -> &[Sample] {
        &self.samples
    }

    fn image_count(&self) -> usize {
        self.images.len()
    }

    fn inputs(&self) -> Inputs {
        self.inputs
    }

    fn regions(&self, image: usize) -> Result<Regions, DataError> {
        self.features().read(&Layout(&self.root), self.name(image)?)
    }

    fn statistical_words(&self, image: usize) -> &[String] {
        self.statistical_words.get(image).map_or(&[], Vec::as_slice)
    }

    fn in_shard(&self, image: usize) -> Option<InShard<'_>> {
        let name = self.images.get(image)?;
        self.shards.as_ref()?.find(name).ok()
    }

    fn encoded_image(&self, image: usize) -> Result<Vec<u8>, DataError> {
        if let Some(place) = self.in_shard(image) {
            return place.read();
        }
        image_file::read(&self.image_path(self.name(image)?))
    }

    fn glance(&self, image: usize) -> Result<Option<Glance>, DataError> {
        if let Some(place) = self.in_shard(image) {
            return place.glance().map(Some);
        }
        image_file::glance(&self.image_path(self.name(image)?)).map(Some)
    }

    fn glance_regions(&self, image: usize) -> Result<Option<RegionShape>, DataError> {
        let shape = self
            .features()
            .glance(&Layout(&self.root), self.name(image)?);
        shape.map(Some)
    }

    fn image_name(&self, image: usize) -> String {
        if let Some(place) = self.in_shard(image) {
            return place.name();
        }
        match self.name(image) {
            Ok(name) if self.inputs.images => self.image_path(name).display().to_string(),
            _ => self.regions_name(image),
        }
    }

    fn files(&self, image: usize) -> Vec<PathBuf> {
        let Ok(name) = self.name(image) else {
            return Vec::new();
        };
        let mut files = Vec::new();
        if let Some(place) = self.in_shard(image) {
            files.push(place.shards.path(place.shard));
        } else if self.inputs.images {
            files.push(self.image_path(name));
        }
        if self.inputs.regions.is_some() {
            files.extend(self.features().file(&Layout(&self.root), name));
        }
        files
    }

    fn regions_name(&self, image: usize) -> String {
        let name = |name: &String| self.features().name(&Layout(&self.root), name);
        self.images
            .get(image)
            .map_or_else(|| image.to_string(), name)
    }

    fn place(&self) -> String {
        let file = Layout(&self.root).questions(self.part);
        format!("the {} split (`{}`)", self.split.name(), file.display())
    }

    fn questions(&self) -> (Option<String>, &'static str) {
        let file = Layout(&self.root).questions(self.part);
        (Some(file.display().to_string()), "line")
    }

    fn sample_number(&self, sample: usize) -> usize {
        self.lines.get(sample).copied().unwrap_or(0)
    }

    fn reading(&self) -> Option<&ReadingFacts> {
        Some(&self.facts)
    }

    fn layouts(&self) -> Vec<&str> {
        self.manifest
            .as_ref()
            .map_or_else(Vec::new, Manifest::layouts)
    }

    fn has_answers(&self) -> bool {
        // A file has answers on all lines or on none.
        self.facts.unanswered < self.facts.questions
    }

    fn image_id(&self, image: usize) -> String {
        self.images.get(image).cloned().unwrap_or_default()
    }
}
