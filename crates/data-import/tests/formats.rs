//! Every sample of a layout is imported, read as a data set, and compared with what is right.
//!
//! `AOA_FORMATS=DIR` walks another folder that has a folder for each layout, with an `expected.jsonl` in it.
//!
//! One file because all tests import the samples that the helpers at its top walk.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use data_import::{ImportError, Report, Request, import, questions};
use data_pipeline::{
    AnswerNormalisation, Folder, HoldOut, Questions, Sample, Source, Split, Votes, normalise_answer,
};
use serde_json::{Map, Value};

const KEPT: [&str; 7] = [
    "answer_type",
    "question_type",
    "answerable",
    "ocr_tokens",
    "choices",
    "right_choice",
    "raw_answer",
];

fn samples() -> PathBuf {
    std::env::var_os("AOA_FORMATS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats"),
        PathBuf::from,
    )
}

/// What is expected of the questions of one part.
struct Part {
    /// Its name, as the program has it.
    name: String,
    lines: Vec<Map<String, Value>>,
}

/// The expected lines by part, in order.
fn expected(folder: &Path) -> Vec<Part> {
    let text = fs::read_to_string(folder.join("expected.jsonl")).expect("expected.jsonl");
    let mut parts: Vec<Part> = Vec::new();
    for line in text.lines() {
        let line: Map<String, Value> = serde_json::from_str(line).expect("JSON");
        let split = line["split"].as_str().expect("a split");
        let name = match line.get("file").and_then(Value::as_str) {
            Some(file) => {
                let name = file.trim_end_matches(".json");
                name.trim_end_matches("_questions").to_owned()
            }
            None => split.to_owned(),
        };
        match parts.iter_mut().find(|part| part.name == name) {
            Some(part) => part.lines.push(line),
            None => parts.push(Part {
                name,
                lines: vec![line],
            }),
        }
    }
    parts
}

/// A line that was written.
fn written(folder: &Path, split: &str) -> Vec<Map<String, Value>> {
    let text = fs::read_to_string(folder.join(format!("{split}.jsonl"))).expect("the split");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn manifest(folder: &Path) -> Value {
    let text = fs::read_to_string(folder.join("folder.json")).expect("the manifest");
    serde_json::from_str(&text).expect("JSON")
}

/// Imports one part as the training split, or as the test split where it has no answers.
fn import_part(source: &Path, to: &Path, part: &Part, others: &[Part]) -> (Report, Split) {
    let answered = !part.lines[0]["scores"].is_null();
    let parts = vec![part.name.clone()];
    // A test split needs training questions beside it.
    let train = others
        .iter()
        .find(|part| !part.lines[0]["scores"].is_null())
        .expect("answers");
    let request = Request {
        sources: vec![source.to_owned()],
        to: to.to_owned(),
        train: if answered {
            parts.clone()
        } else {
            vec![train.name.clone()]
        },
        test: if answered { Vec::new() } else { parts },
        ..Request::default()
    };
    let report = import(&request, &|_| {})
        .unwrap_or_else(|error| panic!("{}: {error} ({:?})", source.display(), error.hint()));
    (report, if answered { Split::Train } else { Split::Test })
}

fn scores(sample: &Sample) -> BTreeMap<String, f64> {
    let answers = sample.answers.iter();
    answers
        .map(|answer| (answer.text.clone(), f64::from(answer.score)))
        .collect()
}

fn equal(ours: &BTreeMap<String, f64>, right: &Value) -> bool {
    let right = right.as_object().expect("an object");
    right.len() == ours.len()
        && right.iter().all(|(answer, score)| {
            let ours = ours.get(answer);
            ours.is_some_and(|ours| (ours - score.as_f64().unwrap_or(f64::NAN)).abs() < 1e-6)
        })
}

/// Compares a line and its sample with what is expected, field by field.
#[track_caller]
fn compare(line: &Map<String, Value>, sample: &Sample, right: &Map<String, Value>, id: &str) {
    // A number where the official file has one; all digits in any case.
    let written = match &line["question_id"] {
        Value::Number(number) => Value::String(number.to_string()),
        text => text.clone(),
    };
    assert_eq!(written, right["id"], "{id}");
    assert_eq!(
        sample.question,
        right["question"].as_str().expect("text"),
        "{id}"
    );
    match &right["scores"] {
        Value::Null => assert!(
            sample.answers.is_empty() && !line.contains_key("answers"),
            "{id}"
        ),
        scores_of => assert!(
            equal(&scores(sample), scores_of),
            "{id}: {:?}",
            sample.answers
        ),
    }
    for field in KEPT {
        let Some(right) = right.get(field) else {
            continue;
        };
        let ours = sample.fields.get(field).unwrap_or(&Value::Null);
        assert_eq!(ours, right, "{id}: {field}");
    }
    if let Some(entities) = right.get("entities") {
        assert_eq!(serde_json::json!(sample.entities), *entities, "{id}");
    }
    if let Some(weights) = right.get("weights") {
        let ours = line["weights"].as_object().expect("weights");
        let ours = ours
            .iter()
            .map(|(text, weight)| (text.clone(), weight.as_f64().expect("a number")));
        assert!(equal(&ours.collect(), weights), "{id}: {line:?}");
    }
    if let Some(empty) = right.get("empty_answer_score") {
        assert_eq!(sample.fields.get("empty_answer_score"), Some(empty), "{id}");
    }
    let blank = right
        .get("empty_votes")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    if let Some(Value::Array(votes)) = line.get("answers") {
        let votes = votes.iter().map(|vote| vote.as_str().expect("text"));
        assert_eq!(
            Votes::new(votes, AnswerNormalisation::Vqa).blank() as u64,
            blank,
            "{id}"
        );
    }
}

#[test]
fn every_sample_of_a_layout_imports_to_what_is_right() {
    let samples = samples();
    let mut walked = Vec::new();
    let mut folders: Vec<_> = fs::read_dir(&samples)
        .expect("the samples")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("expected.jsonl").is_file())
        .collect();
    folders.sort();
    for source in folders {
        let parts = expected(&source);
        for part in &parts {
            let place = tempfile::tempdir().expect("a folder");
            let to = place.path().join("imported");
            let (report, split) = import_part(&source, &to, part, &parts);
            let hold_out = HoldOut {
                fraction: 0.0,
                seed: 0,
            };
            let folder = Folder::open(&to, split, hold_out).expect("a data set");
            let lines = written(&to, split.name());
            let name = format!("{} {}", source.display(), part.name);
            assert_eq!(folder.samples().len(), part.lines.len(), "{name}");
            assert_eq!(lines.len(), part.lines.len(), "{name}");
            let places = manifest(&to);
            for ((line, sample), right) in lines.iter().zip(folder.samples()).zip(&part.lines) {
                let id = format!("{name}, question {}", right["id"]);
                compare(line, sample, right, &id);
                // The image lies where the layout has it, and can be read there.
                let image = folder.image_name(sample.image);
                let absolute =
                    std::path::absolute(source.join(right["image"].as_str().expect("a path")));
                assert_eq!(Path::new(&image), absolute.expect("a path"), "{id}");
                assert!(
                    !folder
                        .encoded_image(sample.image)
                        .expect("an image")
                        .is_empty(),
                    "{id}"
                );
                assert!(!places["images"].as_object().expect("folders").is_empty());
                if let Some(words) = right.get("statistical_words") {
                    let ours = folder.statistical_words(sample.image);
                    assert_eq!(serde_json::json!(ours), *words, "{id}");
                }
                if let Some(words) = right.get("attribute_words") {
                    let text = fs::read_to_string(to.join("attribute_words.json")).expect("words");
                    let all: HashMap<String, Value> = serde_json::from_str(&text).expect("JSON");
                    assert_eq!(all[line["image"].as_str().expect("a name")], *words, "{id}");
                }
            }
            assert!(
                report.images.iter().all(|folder| folder.missing == 0),
                "{:?}",
                report.images
            );
        }
        walked.push(
            source
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned(),
        );
    }
    assert!(!walked.is_empty(), "{}", samples.display());
    if std::env::var_os("AOA_FORMATS").is_none() {
        assert_eq!(
            walked,
            [
                "cfr",
                "gqa",
                "lxmert",
                "okvqa",
                "textvqa",
                "visual7w",
                "visual_genome",
                "vizwiz",
                "vqa2",
                "xvlm"
            ]
        );
    }
}

/// Without any option: which parts go where.
#[test]
fn each_layout_has_splits_of_its_own() {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats");
    for (name, expected) in [
        ("cfr", "train train:2; validation val:1; test test:1"),
        (
            "gqa",
            "train train_balanced:3; validation val_balanced:2; test test_balanced:2",
        ),
        ("lxmert", "train train:3 nominival:1; test test:1"),
        ("okvqa", "train train:2; validation val:2"),
        ("textvqa", "train train:1; validation val:1; test test:1"),
        ("visual7w", "train train:2; validation val:1; test test:1"),
        ("visual_genome", "train train:6"),
        ("vizwiz", "train train:2; validation val:1; test test:2"),
        ("vqa2", "train train:6; validation val:3; test test:3"),
        (
            "xvlm",
            "train vqa_train:2 vg_qa:2; validation vqa_val:1; test vqa_test:2",
        ),
    ] {
        let place = tempfile::tempdir().expect("a folder");
        let to = place.path().join("imported");
        let request = Request {
            sources: vec![base.join(name)],
            to: to.clone(),
            ..Request::default()
        };
        let report = import(&request, &|_| {}).expect(name);
        let splits = report.splits.iter().map(|split| {
            let parts = split
                .parts
                .iter()
                .map(|(part, count)| format!(" {part}:{count}"));
            format!("{}{}", split.split, parts.collect::<String>())
        });
        assert_eq!(splits.collect::<Vec<_>>().join("; "), expected, "{name}");
        // Every split can be opened, where a part of the training images is held out or stands for the test split, too.
        let hold_out = HoldOut {
            fraction: 0.5,
            seed: 0,
        };
        for split in [Split::Train, Split::Validation, Split::Test] {
            let opened = Folder::open(&to, split, hold_out);
            match opened {
                Ok(folder) => assert!(!folder.samples().is_empty(), "{name}"),
                Err(error) => {
                    // One training image cannot be divided.
                    assert!(
                        error.to_string().contains("less than two images"),
                        "{name}: {error}"
                    );
                }
            }
        }
    }
}

#[test]
fn an_id_is_a_number_or_a_text_as_in_the_official_file() {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats");
    for (name, is_number) in [
        ("cfr", false),
        ("gqa", false),
        ("lxmert", true),
        ("okvqa", true),
        ("textvqa", true),
        ("visual7w", true),
        ("visual_genome", true),
        ("vizwiz", false),
        ("vqa2", true),
        ("xvlm", true),
    ] {
        let place = tempfile::tempdir().expect("a folder");
        let to = place.path().join("imported");
        let request = Request {
            sources: vec![base.join(name)],
            to: to.clone(),
            ..Request::default()
        };
        import(&request, &|_| {}).expect(name);
        for line in written(&to, "train") {
            assert_eq!(
                line["question_id"].is_number(),
                is_number,
                "{name}: {line:?}"
            );
            assert_eq!(
                line["question_id"].is_string(),
                !is_number,
                "{name}: {line:?}"
            );
        }
    }
}

/// What a file alone has for whoever answers its questions.
fn asked(file: &str, images: &[(Option<String>, PathBuf)]) -> Result<Questions, ImportError> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats");
    let file = base.join(file);
    let mut lines = Vec::new();
    let found = questions(&file, None, images, &mut |line| lines.push(line.to_owned()))?;
    Ok(Questions::listed(&file, lines, found.images).expect("questions"))
}

#[test]
fn questions_of_an_official_file_can_be_asked_without_their_answers() {
    for (file, ids) in [
        // Neither annotations nor targets are named.
        ("vqa2/v2_OpenEnded_mscoco_val2014_questions.json", 3),
        ("vqa2/v2_OpenEnded_mscoco_test-dev2015_questions.json", 2),
        ("gqa/val_balanced_questions.json", 2),
        ("vizwiz/Annotations/test.json", 2),
        ("xvlm/vqa_test.json", 2),
        ("lxmert/test.json", 1),
    ] {
        let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats");
        let folder = base.join(file.split('/').next().expect("a folder"));
        for images in [vec![(None, folder)], Vec::new()] {
            let asked = asked(file, &images).expect(file);
            assert_eq!(asked.samples().len(), ids, "{file}");
            for sample in asked.samples() {
                assert!(sample.answers.is_empty() && sample.fields.contains_key("question_id"));
                assert!(!sample.fields.contains_key("as_written"), "{file}");
                // Beside the file where they are not named; VizWiz has its files in a folder of their own.
                let there = asked.encoded_image(sample.image).is_ok();
                assert!(
                    there || (images.is_empty() && file.starts_with("vizwiz")),
                    "{file}"
                );
            }
            assert!(asked.sample_place(0).contains("entry 0"));
        }
    }
    let several = asked("visual7w/dataset.json", &[]).expect_err("several parts");
    assert!(
        several.to_string().contains("train, val, test"),
        "{several}"
    );
    let none = asked("vqa2/v2_mscoco_val2014_annotations.json", &[]).expect_err("annotations");
    assert!(
        none.to_string().contains("no questions of val2014"),
        "{none}"
    );
}

#[test]
fn the_normaliser_is_applied_by_the_reader_alone() {
    assert_eq!(normalise_answer("In the wall."), "in wall");
    let place = tempfile::tempdir().expect("a folder");
    let to = place.path().join("imported");
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/visual_genome");
    let request = Request {
        sources: vec![base],
        to: to.clone(),
        ..Request::default()
    };
    import(&request, &|_| {}).expect("an import");
    assert_eq!(written(&to, "train")[2]["answers"], "In the wall.");
}
