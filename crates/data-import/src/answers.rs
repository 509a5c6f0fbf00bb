//! Published lists of answers, in whose order classifiers were trained.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use crate::error::{ImportError, Place};
use crate::json::{Input, whole};
use crate::layouts::Layout;
use crate::pickle::Pickle;
use crate::sniff::{Kind, Sniffed};
use crate::write::Staging;

/// Name of the file that a list is written to.
const FILE: &str = "answers.json";

/// Writes the list of answers that lies with the files, if there is one. What to say about it.
pub(crate) fn write(
    staging: &Staging,
    layouts: &[Box<dyn Layout>],
    files: &[Sniffed],
    folder: &Path,
) -> Result<Option<String>, ImportError> {
    let parts = layouts.iter().flat_map(|layout| layout.parts());
    let used: HashSet<&PathBuf> = parts.flat_map(|part| &part.files).collect();
    let lists: Vec<&Sniffed> = files
        .iter()
        .filter(|file| !used.contains(&file.path))
        .filter(|file| match file.kind {
            Kind::Texts => true,
            Kind::Pickle => file.stem().ends_with("label2ans"),
            _ => false,
        })
        .collect();
    let list = match lists.as_slice() {
        [] => return Ok(None),
        [list] => list,
        several => {
            let names = several
                .iter()
                .map(|file| format!("`{}`", file.path.display()));
            return Ok(Some(format!(
                "several lists of answers are there, and none was taken: {}",
                names.collect::<Vec<_>>().join(", ")
            )));
        }
    };
    let answers = read(list)?;
    let text = serde_json::to_string_pretty(&answers).expect("texts are JSON");
    staging.file(FILE, text.as_bytes())?;
    Ok(Some(format!(
        "`{}` has {} answers; `--set answers.file={}` ranks these, in their order, instead of those of the training questions",
        list.path.display(),
        answers.len(),
        folder.join(FILE).display()
    )))
}

/// The answers of a list, each once.
fn read(list: &Sniffed) -> Result<Vec<String>, ImportError> {
    let meter = AtomicU64::new(0);
    let input = Input {
        path: &list.path,
        meter: &meter,
    };
    let answers = if list.kind == Kind::Pickle {
        let pickle = Pickle::read(input)?;
        let texts = pickle.texts().ok_or_else(|| {
            ImportError::content(
                input.path,
                Place::File,
                "no list of texts is pickled in it",
                "name the list of answers, or move the file away",
            )
        })?;
        texts.into_iter().map(str::to_owned).collect()
    } else {
        whole::<Vec<String>>(input)?
    };
    let mut known = HashSet::new();
    match answers.iter().position(|answer| !known.insert(answer)) {
        None => Ok(answers),
        Some(element) => Err(ImportError::content(
            input.path,
            Place::Element(element),
            format!("the answer `{}` is in the list already", answers[element]),
            "remove one of them, or move the file away",
        )),
    }
}
