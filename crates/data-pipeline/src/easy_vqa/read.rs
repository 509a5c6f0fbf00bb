use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::error::{DataError, Errors};
use crate::files;
use crate::text::AnswerList;

/// Name of the data set and of its folder.
pub(super) const NAME: &str = "easy-vqa";

/// Similarity, `0.0..=1.0`, from which an answer of the list is suggested for one that is not in it.
const SIMILAR: f64 = 0.7;

/// An entry of `questions.json`: question, answer, number of the image.
#[derive(Debug, Deserialize)]
pub(super) struct Entry(pub(super) String, pub(super) String, pub(super) usize);

/// Where the parts of the data set lie under its folder.
pub(super) struct Layout<'a>(pub(super) &'a Path);

impl Layout<'_> {
    pub(super) fn answers(&self) -> PathBuf {
        self.0.join("answers.txt")
    }

    /// `part` is `train` or `test`.
    pub(super) fn questions(&self, part: &str) -> PathBuf {
        self.0.join(part).join("questions.json")
    }

    pub(super) fn images(&self, part: &str) -> PathBuf {
        self.0.join(part).join("images")
    }

    pub(super) fn image(&self, part: &str, number: usize) -> PathBuf {
        self.images(part).join(format!("{number}.png"))
    }

    /// # Errors
    /// Names the first part that is not there.
    pub(super) fn check(&self) -> Result<(), DataError> {
        let parts = ["train", "test"].map(|part| [self.questions(part), self.images(part)]);
        let all = [self.0.to_owned(), self.answers()]
            .into_iter()
            .chain(parts.into_iter().flatten());
        for path in all {
            if !files::exists(&path)? {
                return Err(DataError::MissingDataSet {
                    data_set: NAME,
                    folder: self.0.to_owned(),
                    missing: path,
                });
            }
        }
        Ok(())
    }

    pub(super) fn read_answers(&self) -> Result<AnswerList, DataError> {
        let path = self.answers();
        AnswerList::from_lines(&files::text(&path, files::LARGEST_LIST)?, &path)
    }

    /// The questions of a part, their answers checked against the list.
    pub(super) fn read_questions(&self, part: &str) -> Result<Vec<Entry>, DataError> {
        let path = self.questions(part);
        let rows: Vec<Value> = serde_json::from_str(&files::text(&path, files::LARGEST_JSON)?)
            .map_err(|error| DataError::json(&path, &error))?;
        let answers = self.read_answers()?;
        let entry = |(number, row): (usize, Value)| {
            let entry = Entry::deserialize(&row).map_err(|_| DataError::Entry {
                path: path.clone(),
                entry: number,
                expected: "[question, answer, image number]",
                found: row.to_string(),
            })?;
            match answers.index(&entry.1) {
                Some(_) => Ok(entry),
                None => Err(DataError::UnknownAnswer {
                    path: path.clone(),
                    entry: number,
                    suggestion: most_similar(&entry.1, answers.answers()),
                    answer: entry.1,
                    list: self.answers(),
                }),
            }
        };
        let mut errors = Errors::default();
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows.into_iter().enumerate() {
            match entry(row) {
                Ok(entry) => entries.push(entry),
                Err(error) => errors.add(error),
            }
        }
        errors.none()?;
        Ok(entries)
    }
}

fn most_similar(answer: &str, list: &[String]) -> Option<String> {
    let rated = list
        .iter()
        .map(|known| (strsim::jaro_winkler(answer, known), known));
    rated
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known.clone())
}
