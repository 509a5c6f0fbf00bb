//! What an import tells of itself.

use std::path::PathBuf;

use serde::Serialize;

/// What was imported.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The folder.
    pub folder: PathBuf,
    /// Every data set that was recognised.
    pub data_sets: Vec<DataSet>,
    /// Every split that was written.
    pub splits: Vec<SplitReport>,
    /// Where the images are, by the name of their folder.
    pub images: Vec<ImageFolder>,
    /// What else a user should know.
    pub notes: Vec<String>,
}

/// A data set that was recognised.
#[derive(Debug, Clone, Serialize)]
pub struct DataSet {
    /// Name of its layout.
    pub format: &'static str,
    /// Its parts, whether they are read or not.
    pub parts: Vec<PartFiles>,
}

/// A published split of a data set that was recognised.
#[derive(Debug, Clone, Serialize)]
pub struct PartFiles {
    /// Its name, as options take it.
    pub name: String,
    /// What is read for it.
    pub files: Vec<PathBuf>,
}

/// A split that was written.
#[derive(Debug, Clone, Serialize)]
pub struct SplitReport {
    /// Its name.
    pub split: &'static str,
    /// Its parts in order, each with the number of its questions.
    pub parts: Vec<(String, usize)>,
    /// Questions.
    pub questions: usize,
    /// Images that they are about.
    pub images: usize,
}

/// A folder of images.
#[derive(Debug, Clone, Serialize)]
pub struct ImageFolder {
    /// What lines call it.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Images that questions are about.
    pub images: usize,
    /// How many of these are not there.
    pub missing: usize,
}
