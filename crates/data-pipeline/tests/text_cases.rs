//! Folders of questions that are hard to read: each is read as its case says, or refused by file and line.
//!
//! `AOA_CASES=DIR cargo test -p data-pipeline --test text_cases` walks the cases of another folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use data_pipeline::{
    AnswerNormalisation, Check, Checked, DataError, DataReport, Depth, Encoder, Folder, HoldOut,
    Source, Split, Thresholds, check,
};
use serde::Deserialize;

#[path = "support/cases.rs"]
mod cases;

/// What is right of a folder.
#[derive(Deserialize)]
struct Case {
    file: String,
    right: String,
    /// Scores of the answers to the first question.
    scores: Option<BTreeMap<String, f64>>,
    /// The form in which each spelling of an answer counts.
    normalised: Option<BTreeMap<String, String>>,
    /// Number of training questions.
    questions: Option<usize>,
    /// Words of questions.
    tokens: Option<BTreeMap<String, Vec<String>>>,
    /// Images that the test shares with training.
    images: Option<usize>,
    /// An image that cannot be used.
    bad_image: Option<String>,
}

/// Words of a question that are read.
const QUESTION_WORDS: usize = 9;

/// A data set whose questions could be read.
struct Read {
    splits: [Arc<Folder>; 3],
    encoder: Encoder,
    checked: Checked,
    warnings: String,
}

fn read(root: &Path) -> Result<Read, DataError> {
    let hold_out = HoldOut {
        fraction: 0.34,
        seed: 1,
    };
    let reading = Folder::reading_of(root, AnswerNormalisation::Vqa);
    let names = [Split::Train, Split::Validation, Split::Test];
    // What is held out of training is as odd as the rest.
    let whole = HoldOut {
        fraction: 0.0,
        ..hold_out
    };
    let open = |split| {
        let part = if split == Split::Train {
            whole
        } else {
            hold_out
        };
        Folder::open_with(root, split, part, &reading).map(Arc::new)
    };
    let splits = DataError::all(names.map(open))?;
    let [train, _, test] = &splits;
    let encoder = Encoder::build(train.as_ref(), QUESTION_WORDS, 16)?;
    let sources = [train, test].map(|split| (split.as_ref() as &dyn Source, Depth::Whole));
    let asked = Check {
        splits: &sources,
        inputs: train.inputs(),
        image_size: 16,
        threads: 2,
    };
    let checked = check(asked, &mut |_, _| {})?;
    let report = DataReport::of(
        &encoder,
        &[(Split::Train, train.as_ref()), (Split::Test, test.as_ref())],
        true,
        &checked.shared,
    );
    let mut warnings = report.warnings(&Thresholds::DEFAULT);
    for split in [train, test] {
        let facts = split.reading().expect("it was read from a file");
        warnings.extend(facts.notes());
        warnings.extend(facts.warnings());
    }
    Ok(Read {
        encoder,
        checked,
        warnings: warnings.join("\n"),
        splits,
    })
}

/// What is wrong with how a refusal is said.
fn refused(case: &Case, error: &DataError) -> Result<(), String> {
    let said = format!("{error}\n{}", error.hint().unwrap_or_default());
    if !case.right.contains("refused") {
        return Err(format!("refused: {said}"));
    }
    let mut words = vec![".jsonl`"];
    for (promise, word) in [
        ("line", ", line "),
        ("UTF-8", "UTF-8"),
        ("UTF-16", "UTF-16"),
    ] {
        let promised = case.right.contains(promise) && case.right.starts_with("refused");
        words.extend(promised.then_some(word));
    }
    match words.iter().find(|word| !said.contains(**word)) {
        Some(word) => Err(format!("no {word:?} in {said}")),
        None => Ok(()),
    }
}

/// What is wrong with how it was read.
fn as_it_should(case: &Case, read: &Read) -> Result<(), String> {
    let must = |holds: bool, what: String| if holds { Ok(()) } else { Err(what) };
    let [train, _, test] = &read.splits;
    must(
        !case.right.starts_with("refused") || !read.checked.faults.is_empty(),
        "read, not refused".to_owned(),
    )?;
    let faults: Vec<_> = read
        .checked
        .faults
        .iter()
        .map(ToString::to_string)
        .collect();
    let faults = faults.join("\n");
    let may_be_broken = case.bad_image.is_some() || case.right.contains("refused");
    must(may_be_broken || faults.is_empty(), faults.clone())?;
    let place = case.bad_image.as_deref().map(|image| format!("{image}`: "));
    let named =
        place.is_none_or(|place| faults.contains(&place) && faults.contains("train.jsonl`, line"));
    must(named, format!("the image is not named: {faults}"))?;
    if let Some(expected) = &case.scores {
        let scores = train.samples()[0].answers.iter();
        let scores: BTreeMap<_, _> = scores
            .map(|answer| (answer.text.clone(), f64::from(answer.score)))
            .collect();
        let near = |(text, score): (&String, &f64)| {
            scores
                .get(text)
                .is_some_and(|found| (found - score).abs() < 1e-5)
        };
        must(
            scores.len() == expected.len() && expected.iter().all(near),
            format!("{scores:?}"),
        )?;
    }
    if let Some(expected) = &case.normalised {
        let answers = train.samples().iter().flat_map(|sample| &sample.answers);
        let answers: BTreeSet<_> = answers.map(|answer| &answer.text).collect();
        must(
            answers == expected.values().collect(),
            format!("{answers:?}"),
        )?;
    }
    if let Some(expected) = case.questions {
        let questions = train.samples().len();
        must(questions == expected, format!("{questions} questions"))?;
    }
    for (question, expected) in case.tokens.iter().flatten() {
        let words = read.encoder.known_words(question).into_iter();
        let words: Vec<_> = words.map(|(word, _)| word).collect();
        must(words == *expected, format!("{words:?}"))?;
        let there = train
            .samples()
            .iter()
            .any(|sample| sample.question == *question);
        must(there, format!("no question {question:?}"))?;
    }
    if let Some(expected) = case.images {
        let shared: usize = read.checked.shared.iter().map(|shared| shared.images).sum();
        must(shared == expected, format!("{shared} shared images"))?;
    }
    must(
        !case.right.contains("a warning says") || !read.warnings.is_empty(),
        "no warning".to_owned(),
    )?;
    must(
        !case.right.contains("says that there are none") || !test.has_answers(),
        "the test has answers".to_owned(),
    )?;
    let kept = |sample: &data_pipeline::Sample| sample.fields.contains_key("question_id");
    must(
        !case.right.contains("`question_id` comes back")
            || train.samples().iter().all(kept) && read.warnings.contains("`question_id`"),
        "`question_id` is lost".to_owned(),
    )
}

#[test]
fn every_folder_is_read_as_its_case_says_or_refused() {
    let (folder, other) = cases::folder("cases");
    let cases: Vec<Case> = cases::read(&folder, |part| part == "text");
    assert!(other || cases.len() == 21, "the list is whole");
    let mut wrong = Vec::new();
    for case in cases {
        let verdict = match read(&folder.join(&case.file)) {
            Err(error) => refused(&case, &error),
            Ok(read) => as_it_should(&case, &read),
        };
        if let Err(what) = verdict {
            wrong.push(format!("{}: {what}; right: {}", case.file, case.right));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
