use std::path::{Path, PathBuf};

use crate::sample::Split;

/// Name of the data set in messages.
pub(super) const NAME: &str = "folder";

/// Where the parts of the data set lie under its folder.
pub(super) struct Layout<'a>(pub(super) &'a Path);

impl Layout<'_> {
    pub(super) fn questions(&self, split: Split) -> PathBuf {
        self.0.join(format!("{}.jsonl", split.name()))
    }

    pub(super) fn images(&self) -> PathBuf {
        self.0.join("images")
    }

    pub(super) fn image(&self, name: &str) -> PathBuf {
        self.images().join(name)
    }

    pub(super) fn features(&self) -> PathBuf {
        self.0.join("features")
    }

    pub(super) fn features_of(&self, image: &str) -> PathBuf {
        self.features().join(format!("{image}.safetensors"))
    }

    pub(super) fn statistical_words(&self) -> PathBuf {
        self.0.join("statistical_words.json")
    }
}
