//! VQA v1 and v2, and OK-VQA: files of questions, and files of annotations with ten votes.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

use serde_json::Value;

use super::annotations::{Annotated, as_number};
use super::layout::{Job, Layout, Part, Split, check_question, of, twice};
use crate::error::{ImportError, Place};
use crate::format::Format;
use crate::json::{
    Fields, Id, Input, Item, QuestionId, Shape, Text, element, need, stream, top_text,
};
use crate::record::{Record, Rest};
use crate::sniff::{Kind, Sniffed, part_of};

/// One in this many images of the val part is held out as `minival`.
const MINIVAL_PART: u64 = 8;

/// The part of the val questions that is held out of training.
pub(crate) const MINIVAL: &str = "minival";

/// The rest of the val questions.
const NOMINIVAL: &str = "nominival";

/// The questions of one part, with their annotations where there are any.
struct Files {
    questions: PathBuf,
    annotations: Option<PathBuf>,
    /// `train2014`, which is also the folder of the images.
    subset: String,
    /// What the names of the images begin with, and their ending.
    image: (String, &'static str),
}

pub(super) struct Vqa {
    format: Format,
    parts: Vec<Part>,
    /// For each part, its files and whether it has the images that are held out, the others, or all.
    files: Vec<(usize, Option<bool>)>,
    all: Vec<Files>,
}

impl Vqa {
    pub(super) fn find(
        files: &[Sniffed],
        stemmed: bool,
        meter: &AtomicU64,
    ) -> Result<Self, ImportError> {
        let (format, wanted, other) = if stemmed {
            (Format::OkVqa, Kind::OkVqaAnnotations, Kind::VqaAnnotations)
        } else {
            (Format::Vqa2, Kind::VqaAnnotations, Kind::OkVqaAnnotations)
        };
        // In a folder with both, the file names of version 2 tell the questions apart.
        let both = of(files, other).next().is_some();
        let version_2 = of(files, Kind::VqaAnnotations).any(|file| file.stem().starts_with("v2_"));
        let ours =
            |file: &&Sniffed| !both || !version_2 || (file.stem().starts_with("v2_") != stemmed);
        let mut annotations: HashMap<String, PathBuf> = HashMap::new();
        for file in of(files, wanted) {
            let subset = text(file, "data_subtype", meter)?;
            if let Some(first) = annotations.insert(subset.clone(), file.path.clone()) {
                return Err(twice(&subset, &first, &file.path));
            }
        }
        let mut all: Vec<Files> = Vec::new();
        for file in of(files, Kind::VqaQuestions).filter(ours) {
            let subset = text(file, "data_subtype", meter)?;
            if let Some(first) = all.iter().find(|known| known.subset == subset) {
                return Err(twice(&subset, &first.questions, &file.path));
            }
            all.push(Files {
                image: image_name(file, &subset),
                annotations: annotations.remove(&subset),
                questions: file.path.clone(),
                subset,
            });
        }
        if let Some((subset, path)) = annotations.into_iter().next() {
            return Err(ImportError::content(
                &path,
                Place::File,
                format!("there are no questions of {subset} for these annotations"),
                "put the file of questions beside it, or name both files",
            ));
        }
        let has_test = all
            .iter()
            .any(|files| part_of(&files.subset) == Some("test"));
        let mut found = Self {
            format,
            parts: Vec::new(),
            files: Vec::new(),
            all,
        };
        for index in 0..found.all.len() {
            found.add(index, has_test);
        }
        let order = |part: &Part| {
            let order = ["train", "val", NOMINIVAL, MINIVAL, "test", "testdev"];
            order.iter().position(|name| *name == part.name)
        };
        let mut places: Vec<usize> = (0..found.parts.len()).collect();
        places.sort_by_key(|place| order(&found.parts[*place]).unwrap_or(usize::MAX));
        found.parts = places
            .iter()
            .map(|place| found.parts[*place].clone())
            .collect();
        found.files = places.iter().map(|place| found.files[*place]).collect();
        Ok(found)
    }

    /// Adds what a file of questions has as parts.
    fn add(&mut self, index: usize, has_test: bool) {
        let files = &self.all[index];
        let name = part_of(&files.subset).unwrap_or(&files.subset).to_owned();
        let split = match name.as_str() {
            "train" => Some(Split::Train),
            "val" => Some(Split::Validation),
            "test" => Some(Split::Test),
            "testdev" if !has_test => Some(Split::Test),
            _ => None,
        };
        let paths: Vec<_> = [Some(&files.questions), files.annotations.as_ref()]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        let portions: &[(&str, Option<bool>)] = match name.as_str() {
            "val" => &[
                ("val", None),
                (NOMINIVAL, Some(false)),
                (MINIVAL, Some(true)),
            ],
            _ => &[("", None)],
        };
        for (portion, held_out) in portions {
            self.parts.push(Part {
                name: if portion.is_empty() {
                    name.clone()
                } else {
                    (*portion).to_owned()
                },
                split: if held_out.is_none() { split } else { None },
                files: paths.clone(),
                within: held_out.map(|_| "val"),
            });
            self.files.push((index, *held_out));
        }
    }
}

/// What a file says of itself under a key that may stand behind its list; otherwise what it is named after.
fn text(file: &Sniffed, key: &'static str, meter: &AtomicU64) -> Result<String, ImportError> {
    let input = Input {
        path: &file.path,
        meter,
    };
    let stated = match &file.head[key] {
        Value::String(text) => Some(text.clone()),
        _ => top_text(input, key)?,
    };
    let stem = file.stem();
    // `train2014` of a name such as `v2_mscoco_train2014_annotations`.
    let words = stem.split(['_', '.', ' ']);
    let named = words
        .rev()
        .find(|word| part_of(word).is_some())
        .map(str::to_owned);
    let unknown = || {
        ImportError::content(
            &file.path,
            Place::File,
            format!("neither `{key}` nor the file's name says which split it is"),
            format!(
                "name the file after its split, as in `v2_OpenEnded_mscoco_train2014_questions.json`, or add `{key}`"
            ),
        )
    };
    match (stated, named) {
        (Some(stated), Some(named)) if part_of(&stated) != part_of(&named) => {
            Err(ImportError::content(
                &file.path,
                Place::File,
                format!("`{key}` is `{stated}`, but the file is named after `{named}`"),
                "download the file again, or name it after its split",
            ))
        }
        (Some(stated), _) => Ok(stated),
        (None, Some(named)) => Ok(named),
        (None, None) => Err(unknown()),
    }
}

/// How the images of a subset are named: photographs of COCO, or abstract scenes.
fn image_name(file: &Sniffed, subset: &str) -> (String, &'static str) {
    let folder = folder(subset);
    match file.head["data_type"].as_str() {
        Some(kind) if kind.starts_with("abstract") => (format!("{kind}_{folder}_"), "png"),
        _ => (format!("COCO_{folder}_"), "jpg"),
    }
}

/// The folder of the images: questions of `test-dev2015` are about images of `test2015`.
fn folder(subset: &str) -> String {
    match subset.split_once('-') {
        Some((part, rest)) => {
            let year = rest.trim_start_matches(|c: char| !c.is_ascii_digit());
            format!("{part}{year}")
        }
        None => subset.to_owned(),
    }
}

#[derive(Default)]
struct Asked {
    id: Option<QuestionId>,
    image: Option<Id>,
    question: Option<Text>,
    others: Vec<(String, Value)>,
}

element!(Asked {
    "question_id" => id,
    "image_id" => image,
    "question" => question,
    ..others
});

/// Whether an image is held out, by a hash (FNV-1a) of its id alone.
fn held_out(image: &str) -> bool {
    let hash = image.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // FNV mixes the bits of short texts too little (this is the end of MurmurHash3).
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (hash ^ (hash >> 33)).is_multiple_of(MINIVAL_PART)
}

impl Layout for Vqa {
    fn format(&self) -> Format {
        self.format
    }

    fn parts(&self) -> &[Part] {
        &self.parts
    }

    fn read(&self, part: usize, job: &mut Job<'_>) -> Result<(), ImportError> {
        let (index, portion) = self.files[part];
        let files = &self.all[index];
        let name = part_of(&files.subset).unwrap_or_default();
        let mut annotated = match &files.annotations {
            Some(path) => Some(Annotated::read(path, job)?),
            None if job.unanswered || name.starts_with("test") => None,
            None => {
                return Err(ImportError::content(
                    &files.questions,
                    Place::File,
                    format!(
                        "there are no annotations of {} for these questions",
                        files.subset
                    ),
                    "put the file of annotations beside it, or name both files",
                ));
            }
        };
        let input = Input {
            path: &files.questions,
            meter: job.meter,
        };
        let folder = folder(&files.subset);
        let (mut image_name, mut rest) = (String::new(), String::new());
        stream(input, Shape::Under("questions"), &mut |item: Item<
            Fields<Asked>,
        >| {
            let Fields(Asked {
                id,
                image,
                question,
                mut others,
            }) = item.value;
            let id = need(id, "question_id", input, &Place::Element(item.index))?;
            let place = Place::Question(id.text.clone());
            let Id(image) = need(image, "image_id", input, &place)?;
            let Text(question) = need(question, "question", input, &place)?;
            check_question(&question, input, &place)?;
            rest.clear();
            if let Some(annotated) = &mut annotated {
                rest.push_str(annotated.take(&id.text, &image, input.path)?);
            } else {
                others.push(("image_id".to_owned(), as_number(&image)));
            }
            // A field that both files have stays as both have it.
            for (name, _) in &mut others {
                if rest.contains(&format!(",\"{name}\":")) {
                    name.insert_str(0, "question_");
                }
            }
            if !others.is_empty() {
                let fields = Rest {
                    fields: &others,
                    ..Rest::default()
                };
                job.style.rest(&fields, &mut rest);
            }
            if portion.is_some_and(|wanted| wanted != held_out(&image)) {
                return Ok(());
            }
            let number: u64 = image.parse().map_err(|_| {
                ImportError::content(
                    input.path,
                    place,
                    format!("`{image}` is not an image number"),
                    "images of this layout are named by a number of up to 12 digits",
                )
            })?;
            let (start, ending) = &files.image;
            image_name.clear();
            let _ = write!(image_name, "{start}{number:012}.{ending}");
            (job.sink)(&Record {
                id: &id,
                folder: &folder,
                image: &image_name,
                question: &question,
                answered: annotated.is_some(),
                rest: &rest,
            })
        })?;
        annotated.map_or(Ok(()), |annotated| annotated.all_taken(input.path))
    }

    fn below(&self, folder: &str) -> Vec<String> {
        vec![folder.to_owned(), format!("Images/mscoco/{folder}")]
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let has = |name: &str| self.parts.iter().any(|part| part.name == name);
        if has("test") && has("testdev") {
            notes.push(
                "the questions of test-dev are also in test, so only test is read".to_owned(),
            );
        }
        if self.format == Format::OkVqa && has("val") {
            notes.push("val is the test split of OK-VQA".to_owned());
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_test_dev_are_those_of_test() {
        assert_eq!(folder("test-dev2015"), "test2015");
        assert_eq!(folder("train2014"), "train2014");
    }

    #[test]
    fn an_eighth_of_the_images_is_held_out() {
        let held = (0..40_000)
            .filter(|image: &u32| held_out(&image.to_string()))
            .count();
        assert!((4_700..5_300).contains(&held), "{held}");
    }
}
