//! `folder.json`, which `aoa data import` writes: where images lie that were not copied, and how answers are read.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::answers::{AnswerNormalisation, AnswerReading};
use crate::error::DataError;
use crate::files;
use crate::sample::{Answer, Split};

/// The manifest's name.
pub(super) const NAME: &str = "folder.json";

/// The version that is read.
const VERSION: u32 = 1;

/// Field of a line whose answers count as they are written.
const AS_WRITTEN: &str = "as_written";

/// Field of a line with the weights of its answers in the loss of a decoder.
const WEIGHTS: &str = "weights";

/// What the manifest says.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Manifest {
    version: u32,
    /// Folders of images, by the first part of the names in the lines.
    #[serde(default)]
    pub(super) images: BTreeMap<String, PathBuf>,
    /// Lengths of the lists that hold votes.
    #[serde(default)]
    pub(super) vote_lengths: BTreeSet<usize>,
    /// The split that stands for the test split where there is none.
    #[serde(default)]
    test: Option<String>,
    /// The data sets that the folder was made of.
    #[serde(default)]
    imported: Vec<Imported>,
}

/// A data set that a folder was made of.
#[derive(Debug, Clone, Deserialize)]
struct Imported {
    /// Name of its layout.
    format: String,
}

impl Manifest {
    /// The manifest of a folder, `None` if the folder has none.
    pub(super) fn read(root: &Path) -> Result<Option<Self>, DataError> {
        let path = root.join(NAME);
        if !files::is_file(&path)? {
            return Ok(None);
        }
        let text = files::text(&path, files::LARGEST_LIST)?;
        let manifest: Self =
            serde_json::from_str(&text).map_err(|error| DataError::json(&path, &error))?;
        let unexpected = |expected: &str, found: String| DataError::Content {
            path: path.clone(),
            expected: expected.to_owned(),
            found,
        };
        if manifest.version != VERSION {
            return Err(unexpected("version 1", manifest.version.to_string()));
        }
        match manifest.test.as_deref() {
            None | Some("validation") => Ok(Some(manifest)),
            Some(other) => Err(unexpected(
                "no `test`, or `validation`",
                format!("`{other}`"),
            )),
        }
    }

    /// Names of the layouts that the questions were imported from.
    pub(super) fn layouts(&self) -> Vec<&str> {
        let imported = self.imported.iter();
        imported.map(|set| set.format.as_str()).collect()
    }

    /// The split whose questions are read for `split`.
    pub(super) fn stands_for(&self, split: Split) -> Split {
        match split {
            Split::Test if self.test.is_some() => Split::Validation,
            split => split,
        }
    }

    /// Where an image lies, if its name begins with a folder that the manifest has.
    pub(super) fn image(&self, name: &str) -> Option<PathBuf> {
        let (folder, rest) = name.split_once('/')?;
        Some(self.images.get(folder)?.join(rest))
    }

    /// The folder of an image that is not there, as an error.
    pub(super) fn missing_folder(
        &self,
        root: &Path,
        images: &[String],
    ) -> Result<Option<DataError>, DataError> {
        let used: BTreeSet<&str> = images
            .iter()
            .filter_map(|name| Some(name.split_once('/')?.0))
            .collect();
        for (name, folder) in &self.images {
            if used.contains(name.as_str()) && !files::is_folder(folder)? {
                return Ok(Some(DataError::Content {
                    path: root.join(NAME),
                    expected: format!("the folder of the images `{name}`"),
                    found: format!("`{}`, which is not there", folder.display()),
                }));
            }
        }
        Ok(None)
    }
}

/// What the fields of an imported line say of its answers.
#[derive(Debug, Default)]
pub(super) struct LineReading {
    as_written: bool,
    weights: Option<Map<String, Value>>,
}

impl LineReading {
    /// Takes the fields out of those of the line, or says what should be there.
    pub(super) fn take(fields: &mut Vec<(Cow<str>, Value)>) -> Result<Self, &'static str> {
        let mut remove = |name| {
            let place = fields.iter().position(|(known, _)| known == name)?;
            Some(fields.remove(place).1)
        };
        let as_written = match remove(AS_WRITTEN) {
            None => false,
            Some(Value::Bool(as_written)) => as_written,
            Some(_) => return Err("`as_written` as true or false"),
        };
        let weights = match remove(WEIGHTS) {
            None => None,
            Some(Value::Object(weights)) => Some(weights),
            Some(_) => return Err("`weights` as an object from answer to weight"),
        };
        Ok(Self {
            as_written,
            weights,
        })
    }

    /// How the answers of the line are read.
    pub(super) fn reading(&self, reading: &AnswerReading) -> AnswerReading {
        AnswerReading {
            normalisation: if self.as_written {
                AnswerNormalisation::None
            } else {
                reading.normalisation
            },
            ..reading.clone()
        }
    }

    /// Whether answers are read in another way than those of other lines.
    pub(super) fn as_written(&self) -> bool {
        self.as_written
    }

    /// Gives the answers the weights of the line. Those of one form are added up, and an answer without a weight has 0.
    pub(super) fn weigh(
        &self,
        answers: &mut [Answer],
        normalisation: AnswerNormalisation,
    ) -> Result<(), &'static str> {
        let Some(weights) = &self.weights else {
            return Ok(());
        };
        for answer in &mut *answers {
            answer.weight = 0.0;
        }
        for (written, weight) in weights {
            let weight = weight
                .as_f64()
                .filter(|weight| (0.0..=1.0).contains(weight));
            let weight = weight.ok_or("weights between 0 and 1")? as f32;
            let form = normalisation.of(written);
            let is_it = |answer: &&mut Answer| answer.text == form || answer.text == written.trim();
            if let Some(answer) = answers.iter_mut().find(is_it) {
                answer.weight += weight;
            }
        }
        Ok(())
    }
}
