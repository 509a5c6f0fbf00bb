use std::path::PathBuf;
use std::sync::Arc;

use crate::answers::ReadingFacts;
use crate::check::Glance;
use crate::error::DataError;
use crate::inputs::{Inputs, RegionShape, Regions};
use crate::sample::Sample;
use crate::shards::InShard;
use crate::source::Source;

/// A split without some of its samples: as if their lines were not there. Images that no sample is about are not there
/// either; messages name the files and lines of the split that it is made of.
pub struct Subset {
    whole: Arc<dyn Source>,
    samples: Vec<Sample>,
    /// Index of each sample in the whole split.
    numbers: Vec<usize>,
    /// Index of each image in the whole split.
    images: Vec<usize>,
}

impl Subset {
    /// The samples of a split but for those with the given indices.
    pub fn without(whole: Arc<dyn Source>, left_out: &[usize]) -> Self {
        let mut stays = vec![true; whole.samples().len()];
        for &sample in left_out {
            if let Some(stays) = stays.get_mut(sample) {
                *stays = false;
            }
        }
        let kept = || {
            let samples = whole.samples().iter().enumerate();
            samples.filter(|(number, _)| stays[*number])
        };
        let mut used = vec![false; whole.image_count()];
        for (_, sample) in kept() {
            if let Some(used) = used.get_mut(sample.image) {
                *used = true;
            }
        }
        let images: Vec<_> = (0..used.len()).filter(|&image| used[image]).collect();
        let mut position = vec![0; used.len()];
        for (new, &old) in images.iter().enumerate() {
            position[old] = new;
        }
        let numbers = kept().map(|(number, _)| number).collect();
        let samples = kept().map(|(_, sample)| Sample {
            // One without an image is left to whoever loads it.
            image: position.get(sample.image).copied().unwrap_or(usize::MAX),
            ..sample.clone()
        });
        Self {
            samples: samples.collect(),
            numbers,
            images,
            whole,
        }
    }

    /// The image in the whole split; one behind all where there is none, of which the split then says so.
    fn image(&self, image: usize) -> usize {
        let there = self.images.get(image).copied();
        there.unwrap_or_else(|| self.whole.image_count())
    }
}

impl Source for Subset {
    fn samples(&self) -> &[Sample] {
        &self.samples
    }

    fn image_count(&self) -> usize {
        self.images.len()
    }

    fn inputs(&self) -> Inputs {
        self.whole.inputs()
    }

    fn regions(&self, image: usize) -> Result<Regions, DataError> {
        self.whole.regions(self.image(image))
    }

    fn statistical_words(&self, image: usize) -> &[String] {
        self.whole.statistical_words(self.image(image))
    }

    fn encoded_image(&self, image: usize) -> Result<Vec<u8>, DataError> {
        self.whole.encoded_image(self.image(image))
    }

    fn in_shard(&self, image: usize) -> Option<InShard<'_>> {
        self.whole.in_shard(self.image(image))
    }

    fn glance(&self, image: usize) -> Result<Option<Glance>, DataError> {
        self.whole.glance(self.image(image))
    }

    fn glance_regions(&self, image: usize) -> Result<Option<RegionShape>, DataError> {
        self.whole.glance_regions(self.image(image))
    }

    fn files(&self, image: usize) -> Vec<PathBuf> {
        self.whole.files(self.image(image))
    }

    fn image_name(&self, image: usize) -> String {
        self.whole.image_name(self.image(image))
    }

    fn regions_name(&self, image: usize) -> String {
        self.whole.regions_name(self.image(image))
    }

    fn place(&self) -> String {
        self.whole.place()
    }

    fn questions(&self) -> (Option<String>, &'static str) {
        self.whole.questions()
    }

    fn sample_number(&self, sample: usize) -> usize {
        let number = self.numbers.get(sample).copied();
        self.whole.sample_number(number.unwrap_or(usize::MAX))
    }

    fn reading(&self) -> Option<&ReadingFacts> {
        self.whole.reading()
    }

    fn layouts(&self) -> Vec<&str> {
        self.whole.layouts()
    }

    fn has_answers(&self) -> bool {
        self.whole.has_answers()
    }

    fn image_id(&self, image: usize) -> String {
        self.whole.image_id(self.image(image))
    }
}
