//! What the reader of folders makes of the manifest and of the marks in imported lines.

use std::fs;
use std::path::{Path, PathBuf};

use data_import::{Request, import};
use data_pipeline::{Answer, DataError, Folder, HoldOut, Source, Split};
use tempfile::TempDir;

fn imported(name: &str) -> (TempDir, PathBuf) {
    let place = tempfile::tempdir().expect("a folder");
    let to = place.path().join("imported");
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats");
    let request = Request {
        sources: vec![base.join(name)],
        to: to.clone(),
        ..Request::default()
    };
    import(&request, &|_| {}).expect("an import");
    (place, to)
}

fn open(folder: &Path, split: Split) -> Result<Folder, DataError> {
    let hold_out = HoldOut {
        fraction: 0.5,
        seed: 1,
    };
    Folder::open(folder, split, hold_out)
}

fn answer(text: &str, score: f32, weight: f32) -> Answer {
    Answer {
        text: text.to_owned(),
        score,
        weight,
    }
}

#[test]
fn weights_of_a_line_are_added_up_by_the_form_of_the_answer() {
    let (_place, folder) = imported("xvlm");
    let split = open(&folder, Split::Train).expect("a split");
    let answers = &split.samples()[0].answers;
    assert!(
        (answers[0].weight - 0.8).abs() < 1e-6,
        "`2` and `two`: {answers:?}"
    );
    assert_eq!(split.samples()[3].answers, [answer("1", 1.0, 0.5)]);
    for sample in split.samples() {
        for field in ["weights", "as_written"] {
            assert!(!sample.fields.contains_key(field), "{field}");
        }
        assert!(sample.fields.contains_key("question_id"));
    }
}

#[test]
fn answers_that_count_as_written_are_not_normalised() {
    let (_place, folder) = imported("gqa");
    let file = folder.join("train.jsonl");
    let text = fs::read_to_string(&file).expect("questions");
    fs::write(&file, text.replacen("\"red\"", "\"The Two.\"", 1)).expect("written");
    let split = open(&folder, Split::Train).expect("a split");
    assert_eq!(split.samples()[0].answers, [answer("The Two.", 1.0, 1.0)]);
}

#[test]
fn questions_without_a_right_answer_stay_where_they_were_imported() {
    let (_place, folder) = imported("lxmert");
    let file = folder.join("train.jsonl");
    let count = fs::read_to_string(&file)
        .expect("questions")
        .lines()
        .count();
    let hold_out = HoldOut {
        fraction: 0.0,
        seed: 0,
    };
    let split = Folder::open(&folder, Split::Train, hold_out).expect("a split");
    assert_eq!((count, split.samples().len()), (4, 4));
    assert!(split.samples()[2].answers.is_empty());
}

#[test]
fn a_folder_of_images_that_is_gone_is_named_with_the_manifest() {
    let (_place, folder) = imported("vqa2");
    let manifest = folder.join("folder.json");
    let text = fs::read_to_string(&manifest).expect("the manifest");
    fs::write(&manifest, text.replace("formats/vqa2/val2014", "gone")).expect("written");
    open(&folder, Split::Train).expect("the images of another split");
    let error = open(&folder, Split::Validation)
        .expect_err("no images")
        .to_string();
    for words in ["folder.json", "`val2014`", "gone"] {
        assert!(error.contains(words), "{words}: {error}");
    }
    for (from, to, words) in [
        ("\"version\": 1", "\"version\": 2", "version 1"),
        (
            "\"version\": 1",
            "\"version\": 1, \"test\": \"train\"",
            "`train`",
        ),
        ("\"version\": 1", "\"version\": one", "line 2"),
    ] {
        fs::write(&manifest, text.replace(from, to)).expect("written");
        let error = open(&folder, Split::Train)
            .expect_err("another manifest")
            .to_string();
        assert!(
            error.contains("folder.json") && error.contains(words),
            "{error}"
        );
    }
}

#[test]
fn validation_stands_for_a_test_split_that_is_not_there() {
    let (_place, folder) = imported("okvqa");
    let [validation, test] =
        [Split::Validation, Split::Test].map(|split| open(&folder, split).expect("a split"));
    assert_eq!(validation.samples(), test.samples());
    assert!(test.place().contains("the test split"), "{}", test.place());
    assert!(
        test.place().contains("validation.jsonl"),
        "{}",
        test.place()
    );
    // Without validation questions, the part that is held out stands for both.
    let (_place, folder) = imported("visual_genome");
    let [train, validation, test] = [Split::Train, Split::Validation, Split::Test]
        .map(|split| open(&folder, split).expect("a split"));
    assert_eq!(validation.samples().len(), test.samples().len());
    assert_eq!(train.samples().len() + test.samples().len(), 6);
}
