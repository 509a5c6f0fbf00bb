//! Lines are parsed side by side, which makes no difference to what comes of them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::ptr;

use data_pipeline::{
    AnswerNormalisation, DataError, Folder, Questions, ReadingFacts, Sample, Source, Split,
    fingerprint_of_questions,
};
use rayon::ThreadPoolBuilder;
use tempfile::TempDir;

use crate::support::HOLD_OUT;

/// More lines than are parsed side by side at once, of some 100 bytes each.
const LINES: usize = 30_000;

const THREADS: [usize; 3] = [1, 2, 7];

/// A folder with these training questions.
fn with_questions(text: &str) -> TempDir {
    let root = TempDir::new().expect("a folder");
    fs::create_dir(root.path().join("images")).expect("a folder");
    fs::write(root.path().join("train.jsonl"), text).expect("a file");
    fs::write(root.path().join("validation.jsonl"), text).expect("a file");
    root
}

/// Line `number`: names of fields differ, and some answers are written in several ways.
fn line(number: usize) -> String {
    let answer = ["Two.", "two", "2", "TWO!", "a two", "yes", "no"][number % 7];
    let field = ["id", "question_id", "kind"][number % 3];
    format!(
        r#"{{"image": "{}.png", "question": "is it number {number}?", "answers": ["yes", "{answer}", "yes"], "{field}": {number}}}"#,
        number / 3
    )
}

fn file(of_line: impl Fn(usize) -> String) -> String {
    (1..=LINES).fold(String::new(), |mut text, number| {
        writeln!(text, "{}", of_line(number)).expect("memory");
        text
    })
}

fn on_threads<T: Send>(threads: usize, what: impl FnOnce() -> T + Send) -> T {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    pool.expect("threads").install(what)
}

fn open(root: &Path) -> Result<Folder, DataError> {
    let reading = Folder::reading_of(root, AnswerNormalisation::Vqa);
    Folder::open_with(root, Split::Train, HOLD_OUT, &reading)
}

#[test]
fn samples_are_equal_on_any_number_of_threads() {
    let root = with_questions(&file(line));
    let read = |threads| -> (Vec<Sample>, ReadingFacts, u32) {
        let folder = on_threads(threads, || open(root.path())).expect("a data set");
        let facts = folder.reading().expect("facts").clone();
        let fingerprint = fingerprint_of_questions(&folder);
        (folder.samples().to_vec(), facts, fingerprint)
    };
    let expected = read(1);
    assert_eq!(expected.0.len(), LINES);
    for (place, sample) in expected.0.iter().enumerate() {
        assert_eq!(
            sample.question,
            format!("is it number {}?", place + 1),
            "not in order"
        );
        assert_eq!(sample.image, (place + 1) / 3);
    }
    assert_eq!(expected.1.unknown_fields["kind"], LINES / 3);
    assert_eq!(expected.1.vote_lists[&3], LINES);
    let spellings: Vec<_> = expected.1.spellings["2"].iter().collect();
    assert_eq!(spellings, ["TWO!", "Two.", "a two", "two"]);
    for threads in THREADS {
        assert!(
            read(threads) == expected,
            "other samples on {threads} threads"
        );
    }
}

#[test]
fn errors_are_equal_and_in_order_on_any_number_of_threads() {
    let faults = [
        "what?",
        r#"{"image": "../a.png", "question": "q", "answers": ["x"]}"#,
        r#"{"image": "a.png", "question": "q"}"#,
        r#"{"image": "a.png", "question": "q", "answers": ["x"], "entities": ["x"]}"#,
        r#"{"image": "a.png", "question": "q", "answers": ["x"], "id": 1, "id": 2}"#,
        r#"{"image": "a.png", "question": "q""#,
    ];
    let text = file(|number| match number % 501 {
        0 => faults[number / 501 % faults.len()].to_owned(),
        _ => line(number),
    });
    let root = with_questions(&text);
    let errors = |threads| -> Vec<String> {
        let error = on_threads(threads, || open(root.path()));
        let error = error.expect_err("faults");
        error.each().iter().map(ToString::to_string).collect()
    };
    let expected = errors(1);
    assert_eq!(expected.len(), LINES / 501);
    for (place, error) in expected.iter().enumerate() {
        let number = format!("line {}", 501 * (place + 1));
        assert!(error.contains(&number), "{error}: expected {number}");
    }
    for threads in THREADS {
        assert_eq!(errors(threads), expected, "on {threads} threads");
    }
}

#[test]
fn an_object_is_cut_off_where_only_blank_lines_follow() {
    let open_object = r#"{"image": "a.png", "question": "q""#;
    let message = |text: &str| {
        let root = with_questions(text);
        let error = open(root.path()).expect_err("an open object");
        let last = error.each().last().expect("an error").to_string();
        let questions = Questions::read(&root.path().join("train.jsonl"), root.path(), [].into());
        let error = questions.expect_err("an open object");
        let asked = error.each().last().expect("an error").to_string();
        assert_eq!(asked, last.replace("{}", ""));
        last
    };
    // Blank lines, more than are parsed at once.
    let blank = "   \n".repeat(1 << 19);
    let whole = file(line);
    let cut = message(&format!("{whole}{open_object}\n{blank}"));
    let number = format!("line {}", LINES + 1);
    assert!(
        cut.contains(&number) && cut.contains("end of the file"),
        "{cut}"
    );
    for behind in [line(1), "what?".to_owned()] {
        let goes_on = message(&format!("{whole}{open_object}\n{blank}{behind}\n"));
        assert!(!goes_on.contains("end of the file"), "{goes_on}");
    }
}

#[test]
fn questions_that_stand_for_test_are_shared() {
    let root = with_questions(&file(line));
    let manifest = r#"{"version": 1, "vote_lengths": [3], "test": "validation"}"#;
    fs::write(root.path().join("folder.json"), manifest).expect("a file");
    let reading = Folder::reading_of(root.path(), AnswerNormalisation::Vqa);
    let [train, validation, test] =
        Folder::open_all(root.path(), HOLD_OUT, &reading).map(|split| split.expect("a data set"));
    assert!(ptr::eq(validation.samples(), test.samples()));
    assert!(!ptr::eq(train.samples(), test.samples()));
    let alone = Folder::open_with(root.path(), Split::Test, HOLD_OUT, &reading);
    let alone = alone.expect("a data set");
    assert_eq!(test.samples(), alone.samples());
    assert_eq!(test.place(), alone.place());
    assert_ne!(test.place(), validation.place());
}

/// `aoa data check` does not read a file of questions that is no part of a data set.
#[test]
fn several_faults_of_a_file_of_questions_are_its_own() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("ask.jsonl");
    fs::write(&file, "{\"image\": \"a.png\"}\n{\"question\": \"q\"}\n").expect("a file");
    let error = Questions::with_paths(&file).expect_err("two faults");
    let text = error.to_string();
    let expected = format!("`{}` has 2 faults\n", file.display());
    assert!(text.starts_with(&expected), "{text}");
    let hint = error.hint().unwrap_or_default();
    assert!(!hint.contains("data check"), "{hint}");
}
