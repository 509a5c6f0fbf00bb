//! A data set of the user's own, in a documented folder layout.

mod features;
mod line;
mod manifest;
mod read;
mod source;
mod write;

pub use source::Folder;
pub use write::write;

use std::path::{Path, PathBuf};

use crate::sample::Split;

/// Name of the data set in messages.
const NAME: &str = "folder";

/// Where the parts of the data set lie under its folder.
struct Layout<'a>(&'a Path);

impl Layout<'_> {
    fn questions(&self, split: Split) -> PathBuf {
        self.0.join(format!("{}.jsonl", split.name()))
    }

    fn images(&self) -> PathBuf {
        self.0.join("images")
    }

    fn image(&self, name: &str) -> PathBuf {
        self.images().join(name)
    }

    fn features(&self) -> PathBuf {
        self.0.join("features")
    }

    fn features_of(&self, image: &str) -> PathBuf {
        self.features().join(format!("{image}.safetensors"))
    }

    fn statistical_words(&self) -> PathBuf {
        self.0.join("statistical_words.json")
    }
}
