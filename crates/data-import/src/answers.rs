//! Published lists of answers, in whose order classifiers were trained.

use file_kind::counted;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use file_kind::shortened;

use crate::error::{ImportError, Place};
use crate::json::{Input, whole};
use crate::layouts::Layout;
use crate::pickle::Pickle;
use crate::sniff::{Kind, Sniffed};
use crate::write::Staging;

/// How the names end of a published list, and of the numbers of its answers.
const LIST: &str = "label2ans";
const NUMBERS: &str = "ans2label";

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
            Kind::Pickle => file.stem().ends_with(LIST),
            _ => false,
        })
        .collect();
    for list in &lists {
        compare(list, files)?;
    }
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
        "`{}` has {}; `--set answers.file={}` uses this list, in its order, instead of the answers of the training questions",
        list.path.display(),
        counted(answers.len(), "answer", "answers"),
        folder.join(FILE).display()
    )))
}

/// Checks a list against the numbers of its answers, where a file of these lies beside it: training reads one of the two and
/// evaluation the other.
fn compare(list: &Sniffed, files: &[Sniffed]) -> Result<(), ImportError> {
    let stem = list.stem();
    let Some(prefix) = stem.strip_suffix(LIST) else {
        return Ok(());
    };
    let beside = |file: &&Sniffed| {
        let numbers = matches!(file.kind, Kind::Pickle | Kind::TextNumbers);
        numbers && file.stem().strip_suffix(NUMBERS) == Some(prefix)
    };
    for file in files.iter().filter(beside) {
        let answers = read(list)?;
        let numbers = read_numbers(file)?;
        let path = list.path.display();
        let wrong = |problem: String| {
            let cure = "take both files of one version, or move the wrong one away";
            ImportError::content(&file.path, Place::File, problem, cure)
        };
        for (number, answer) in answers.iter().enumerate() {
            match numbers.get(answer) {
                Some(stated) if *stated == number as i64 => {}
                Some(stated) => {
                    let answer = shortened(answer);
                    let problem = format!(
                        "answer `{answer}` has number {stated}, and `{path}` has it at {number}"
                    );
                    return Err(wrong(problem));
                }
                None => {
                    let answer = shortened(answer);
                    return Err(wrong(format!(
                        "it lacks answer `{answer}`, which `{path}` has at {number}"
                    )));
                }
            }
        }
        if numbers.len() != answers.len() {
            let [more, less] = [numbers.len(), answers.len()];
            return Err(wrong(format!(
                "it has {more} answers, and `{path}` has {less}"
            )));
        }
    }
    Ok(())
}

/// Answers and their numbers.
fn read_numbers(file: &Sniffed) -> Result<HashMap<String, i64>, ImportError> {
    let meter = AtomicU64::new(0);
    let input = Input {
        path: &file.path,
        meter: &meter,
    };
    if file.kind != Kind::Pickle {
        return whole::<HashMap<String, i64>>(input);
    }
    let pickle = Pickle::read(input)?;
    let numbers = pickle.text_numbers().ok_or_else(|| {
        ImportError::content(
            input.path,
            Place::File,
            "the pickle holds no dictionary from text to integer",
            "name the file that numbers the answers, or move this file away",
        )
    })?;
    let owned = numbers
        .into_iter()
        .map(|(text, number)| (text.to_owned(), number));
    Ok(owned.collect())
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
                "the pickle holds no list of strings",
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
            format!(
                "the answer `{}` is in the list already",
                shortened(&answers[element])
            ),
            "remove one of them, or move the file away",
        )),
    }
}
