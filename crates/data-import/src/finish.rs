//! What all splits of a folder share: the manifest, the places of images and their words.

use file_kind::counted;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::ImportError;
use crate::images::{self, Bases};
use crate::layouts::{ImageWords, Layout, Part, Split, Words};
use crate::record::Style;
use crate::report::{DataSet, ImageFolder, PartFiles, Report, SplitReport};
use crate::write::{Images, Staging};

/// Name of the file that says where the images are.
pub const MANIFEST: &str = "folder.json";

/// Version of the manifest.
const VERSION: u32 = 1;

/// What the manifest says; its reader is in `data-pipeline`.
#[derive(Serialize)]
struct Manifest<'a> {
    version: u32,
    images: BTreeMap<&'a str, &'a str>,
    vote_lengths: &'a BTreeSet<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<&'static str>,
    imported: &'a [DataSet],
}

/// What a split was made of.
pub(crate) struct Written {
    pub(crate) report: SplitReport,
    pub(crate) images: Images,
    pub(crate) style: Style,
    pub(crate) words: Vec<ImageWords>,
}

/// Writes what all splits share. The report, but for the folder's name.
pub(crate) fn finish(
    staging: &Staging,
    layouts: &[Box<dyn Layout>],
    bases: &Bases,
    written: &[Written],
) -> Result<Report, ImportError> {
    let mut notes: Vec<String> = layouts.iter().flat_map(|layout| layout.notes()).collect();
    let mut used = Images::new();
    for (folder, images) in written.iter().flat_map(|split| &split.images) {
        let all = used.entry(folder.clone()).or_default();
        if all.first.is_empty() {
            all.first.clone_from(&images.first);
        }
        all.names.extend(images.names.iter().cloned());
    }
    notes.extend(words(staging, written, &used)?);
    let mut folders = Vec::new();
    let mut names: Vec<_> = used.iter().collect();
    names.sort_by_key(|(name, _)| *name);
    for (name, used) in names {
        let below: Vec<String> = layouts
            .iter()
            .flat_map(|layout| layout.below(name))
            .collect();
        let found = bases.locate(name, &below, &used.first);
        let path = found.unwrap_or_else(|| bases.first().unwrap_or(Path::new("")).join(&below[0]));
        let path = std::path::absolute(&path).map_err(ImportError::io(&path))?;
        let missing = images::missing(&path, &used.names)?;
        if missing > 0 {
            notes.push(format!(
                "missing in `{}`: {missing} of {}; if they lie elsewhere, pass `--images {name}=DIR`",
                path.display(),
                counted(used.names.len(), "image", "images")
            ));
        }
        folders.push(ImageFolder {
            name: name.clone(),
            path,
            images: used.names.len(),
            missing,
        });
    }
    let has = |split: Split| written.iter().any(|one| one.report.split == split.name());
    if !has(Split::Test) {
        notes.push(
            "there is no test split: the validation questions are reported as test, too".to_owned(),
        );
    }
    if !has(Split::Validation) {
        notes.push("there is no validation split: some training images are held out (`dataset.validation_fraction`)".to_owned());
    }
    let files = |part: &Part| PartFiles {
        name: part.name.clone(),
        files: part.files.clone(),
    };
    let data_sets = layouts.iter().map(|layout| DataSet {
        format: layout.format().name(),
        parts: layout.parts().iter().map(files).collect(),
    });
    let data_sets: Vec<DataSet> = data_sets.collect();
    let vote_lengths = written
        .iter()
        .flat_map(|split| split.style.vote_lengths.iter().copied());
    let mut places = BTreeMap::new();
    for folder in &folders {
        let path = folder.path.to_str().ok_or_else(|| {
            ImportError::choice(
                format!(
                    "the name of `{}` is not valid Unicode",
                    folder.path.display()
                ),
                "rename the folder",
            )
        })?;
        places.insert(folder.name.as_str(), path);
    }
    let manifest = Manifest {
        version: VERSION,
        images: places,
        vote_lengths: &vote_lengths.collect(),
        test: (!has(Split::Test)).then_some(Split::Validation.name()),
        imported: &data_sets,
    };
    let text = serde_json::to_string_pretty(&manifest).expect("texts and numbers are JSON");
    staging.file(MANIFEST, format!("{text}\n").as_bytes())?;
    Ok(Report {
        folder: PathBuf::new(),
        data_sets,
        splits: written.iter().map(|split| split.report.clone()).collect(),
        images: folders,
        notes,
    })
}

/// Writes the words of images. Where a data set has some, every image of the folder has a list.
fn words(
    staging: &Staging,
    written: &[Written],
    used: &Images,
) -> Result<Vec<String>, ImportError> {
    let mut notes = Vec::new();
    let all: Vec<&ImageWords> = written.iter().flat_map(|split| &split.words).collect();
    let lists: [(&str, Vec<&Words>); 2] = [
        (
            "statistical_words.json",
            all.iter().map(|words| &words.statistical).collect(),
        ),
        (
            "attribute_words.json",
            all.iter().map(|words| &words.attributes).collect(),
        ),
    ];
    for (name, lists) in lists {
        if lists.iter().all(|words| words.is_empty()) {
            continue;
        }
        let mut by_image: BTreeMap<String, &[String]> = BTreeMap::new();
        let mut without = 0;
        for (folder, images) in used {
            for image in &images.names {
                let image = format!("{folder}/{image}");
                let words = lists.iter().find_map(|words| words.get(&image));
                without += usize::from(words.is_none());
                by_image.insert(image, words.map_or(&[], Vec::as_slice));
            }
        }
        let text = serde_json::to_string(&by_image).expect("texts are JSON");
        staging.file(name, text.as_bytes())?;
        if without > 0 {
            notes.push(format!(
                "in `{name}`, {without} of {} without words",
                counted(by_image.len(), "image is", "images are")
            ));
        }
    }
    Ok(notes)
}
