//! How the program reads a user's questions and answers, and what it says of them.

use std::fs;

use crate::support::{Outcome, Place, SMALL};

/// A data set in `ds` with two pictures, and these lines in `train.jsonl` and `test.jsonl`.
fn data_set(train: &[u8], test: &[u8]) -> Place {
    let place = Place::new();
    place.ok(&[
        "data", "export", "--preset", "cpu", "--count", "2", "--to", "pictures",
    ]);
    for picture in ["0.png", "1.png"] {
        let content = fs::read(place.path().join("pictures").join(picture)).expect("a picture");
        place.file(&format!("ds/images/{picture}"), content);
    }
    place.file("ds/train.jsonl", train);
    place.file("ds/test.jsonl", test);
    place
}

/// Lines about both pictures by turns; `{}` is the number of the line.
fn lines(rest: &[&str]) -> String {
    let line =
        |(number, rest): (usize, &&str)| format!("{{\"image\": \"{}.png\", {rest}}}\n", number % 2);
    rest.iter().enumerate().map(line).collect()
}

const PLAIN: &[&str] = &[
    r#""question": "what color is it?", "answers": ["red"]"#,
    r#""question": "what color is it?", "answers": ["blue"]"#,
];

const FOLDER: &[&str] = &["--dataset", "folder", "--data-root", "ds"];

fn dry_run(place: &Place, more: &[&str]) -> Outcome {
    place.run(&[&["train"], SMALL, FOLDER, &["--dry-run"], more].concat())
}

/// A dry run succeeds and says all of the sentences.
#[track_caller]
fn says(train: &str, sentences: &[&str]) {
    let place = data_set(train.as_bytes(), lines(&PLAIN[..1]).as_bytes());
    let outcome = dry_run(&place, &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    for sentence in sentences {
        assert!(
            outcome.stderr.contains(sentence),
            "no {sentence:?} in {}",
            outcome.stderr
        );
    }
}

#[test]
fn a_dry_run_says_how_answers_were_read() {
    says(
        &lines(&[
            r#""question": "q", "answers": ["yes", "yes", "yes", "yes", "no", "no", "no", "maybe", "maybe"]"#,
            PLAIN[0],
            PLAIN[1],
        ]),
        &["warning: `ds/train.jsonl`: of the answer lists, 1 is read as votes"],
    );
    says(
        &lines(&[
            r#""question": "q", "answers": ["Yes"], "question_id": 1000, "source": "own""#,
            r#""question": "q", "answers": ["yes."], "question_id": 1001, "source": "own""#,
        ]),
        &[
            "`Yes`, `yes.` as `yes`",
            "kept for predictions and evaluation: `question_id`, `source`",
        ],
    );
    // Nothing where there is nothing to say.
    let place = data_set(lines(PLAIN).as_bytes(), lines(PLAIN).as_bytes());
    let outcome = dry_run(&place, &[]);
    assert!(!outcome.stderr.contains("jsonl"), "{}", outcome.stderr);
    let stats = place.ok(&[&["data", "stats", "--preset", "cpu"], FOLDER].concat());
    assert!(!stats.stderr.contains("jsonl"), "{}", stats.stderr);
}

#[test]
fn further_fields_are_exported_with_their_questions() {
    let train = [r#""question": "q", "answers": ["red"], "question_id": "0190""#; 2];
    let place = data_set(lines(&train).as_bytes(), lines(&PLAIN[..1]).as_bytes());
    place.ok(&[
        &[
            "data", "export", "--preset", "cpu", "--split", "train", "--to", "out",
        ],
        FOLDER,
    ]
    .concat());
    let text = fs::read_to_string(place.path().join("out/questions.json")).expect("questions");
    let questions: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(questions[0]["question_id"], "0190", "{text}");
}

#[test]
fn the_answer_list_follows_the_normalisation() {
    let written = ["Yes", "yes.", "YES", " yes", "two", "2", "Two."];
    let written = written.map(|answer| format!("\"question\": \"q\", \"answers\": [\"{answer}\"]"));
    let written = lines(&written.each_ref().map(String::as_str));
    let place = data_set(written.as_bytes(), lines(&PLAIN[..1]).as_bytes());
    let stats = |more: &[&str]| {
        let outcome = place.ok(&[
            &["data", "stats", "--preset", "cpu", "--json"],
            FOLDER,
            more,
        ]
        .concat());
        let lines = outcome.stdout.lines();
        let splits: Vec<serde_json::Value> = lines
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        let answers = splits.iter().filter(|split| split["split"] != "test");
        let answers = answers.flat_map(|split| {
            split["answers"]
                .as_object()
                .expect("answers")
                .keys()
                .cloned()
        });
        answers.collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(stats(&[]).len(), 2);
    assert_eq!(
        stats(&["--set", "dataset.answer_normalisation=none"]).len(),
        7
    );
}

#[test]
fn answers_that_the_vocabulary_cannot_write_are_named() {
    let chinese = lines(&[
        r#""question": "这是什么颜色？", "answers": ["红色"]"#,
        r#""question": "这是什么颜色？", "answers": ["绿色"]"#,
        r#""question": "这是什么颜色？", "answers": ["蓝色"]"#,
        r#""question": "这是什么颜色？", "answers": ["黄色"]"#,
    ]);
    let place = data_set(chinese.as_bytes(), chinese.as_bytes());
    place.file("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\nred\ngreen\n");
    let both = ["--set", "model.branches=coarse", "--set", "xvlm.dropout=0"];
    let outcome = dry_run(&place, &both);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let args = [
        &["train"],
        SMALL,
        FOLDER,
        &["--dry-run"],
        &both,
        &["--set", "xvlm.vocabulary=vocab.txt"],
    ]
    .concat();
    place.fails(
        3,
        &[
            "answers cannot be written with the tokens of `vocab.txt`, for example",
            "xvlm.vocabulary",
        ],
        &args,
    );
}

#[test]
fn a_test_split_without_answers_is_trained_with_and_not_evaluated() {
    let test = lines(&[r#""question": "what color is it?", "question_id": 2000"#]);
    let place = data_set(lines(PLAIN).as_bytes(), test.as_bytes());
    let train = [&["train", "--json"], SMALL, FOLDER].concat();
    let trained = place.ok(&train);
    let events: Vec<serde_json::Value> = trained
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let summary = events
        .iter()
        .find(|event| event["event"] == "summary")
        .expect("a summary");
    for unknown in [
        "test_accuracy",
        "majority_accuracy",
        "question_only_accuracy",
    ] {
        assert!(summary[unknown].is_null(), "{unknown}: {summary}");
    }
    let why = "the test split (`ds/test.jsonl`) has no answers, so there is no accuracy to measure";
    assert_eq!(summary["test_unmeasured"], why);
    assert!(
        events
            .iter()
            .any(|event| event["event"] == "warning" && event["message"] == why)
    );
    // It is finished, and ends with what it could not measure.
    let again = place.ok(&["train", "--resume", "run"]);
    assert!(
        again.stderr.contains("finished already") && again.stderr.contains(why),
        "{}",
        again.stderr
    );
    place.fails(3, &[why], &["eval", "run"]);
    place.ok(&["eval", "run", "--split", "validation"]);
    // Once it has answers, it is measured.
    place.file("ds/test.jsonl", lines(&PLAIN[..1]));
    place.ok(&["eval", "run"]);
    let measured = place.ok(&["train", "--resume", "run"]);
    assert!(
        measured.stderr.contains("test accuracy"),
        "{}",
        measured.stderr
    );
}

#[test]
fn questions_that_say_nothing_or_nothing_known() {
    let place = Place::new();
    place.ok(&[&["train"], SMALL, &["--stop-after", "1"]].concat());
    place.ok(&[
        "data", "export", "--preset", "cpu", "--count", "1", "--to", "pictures",
    ]);
    let ask =
        |question: &'static str| ["ask", question, "--image", "pictures/0.png", "--run", "run"];
    for question in ["", "  ", "?!"] {
        place.fails(2, &["has no word", "aoa ask --image FILE"], &ask(question));
    }
    let known = place.ok(&ask("what color is the circle?"));
    assert!(!known.stderr.contains("warning"), "{}", known.stderr);
    for (question, warning) in [
        (
            "wie viele Kreise sind da?",
            "warning: 5 of 5 words of the question did not occur in training, such as `wie`",
        ),
        ("这是什么颜色？", "warning: 6 of 6 words"),
        (
            "what color is the circle that is there and is there a red one?",
            "warning: the question has 14 words, and the model reads the first 9",
        ),
    ] {
        let asked = place.ok(&ask(question));
        assert!(asked.stderr.contains(warning), "{}", asked.stderr);
        assert!(!asked.stdout.is_empty());
    }
}

#[test]
fn shapes_are_asked_about_in_chinese() {
    let place = Place::new();
    let chinese = ["--set", "dataset.shapes_language=zh"];
    let stats = place.ok(&[&["data", "stats", "--preset", "cpu"], &chinese[..]].concat());
    for answer in ["红色", "圆形", "不是"] {
        assert!(stats.stdout.contains(answer), "{}", stats.stdout);
    }
    place.ok(&[&["train"], SMALL, &chinese, &["--stop-after", "1"]].concat());
    let vocabulary = fs::read_to_string(place.path().join("run/vocabulary.json")).expect("words");
    assert!(
        vocabulary.contains("\"红\"") && !vocabulary.contains("红色"),
        "{vocabulary}"
    );
}

#[test]
fn questions_without_a_right_answer_are_counted_and_left_out_of_training() {
    let train = lines(&[
        PLAIN[0],
        PLAIN[1],
        r#""question": "q", "answers": ["", "", " "]"#,
        r#""question": "q", "answers": {"red": 0}"#,
        PLAIN[0],
        PLAIN[1],
    ]);
    let warning = "2 questions have no right answer, because every answer is blank or has the score 0; training leaves";
    for branches in ["fine", "both"] {
        let place = data_set(train.as_bytes(), lines(&PLAIN[..1]).as_bytes());
        place.file("ds/validation.jsonl", lines(PLAIN));
        let branches = format!("model.branches={branches}");
        let sets = ["--set", &branches, "--set", "xvlm.dropout=0"];
        let dry = dry_run(&place, &[&sets[..], &["--json"]].concat());
        assert_eq!(dry.code, Some(0), "{}", dry.stderr);
        let plan: serde_json::Value = serde_json::from_str(&dry.stdout).expect("JSON");
        assert_eq!(plan["training_samples"], 4);
        let trained =
            place.ok(&[&["train"], SMALL, FOLDER, &sets, &["--stop-after", "1"]].concat());
        for outcome in [dry, trained] {
            assert!(outcome.stderr.contains(warning), "{}", outcome.stderr);
        }
    }
}

#[test]
fn answers_that_are_numbers_keep_their_digits() {
    let train = lines(&[
        r#""question": "how much?", "answers": 2.50, "question_id": 18446744073709551617"#,
        r#""question": "how much?", "answers": [1e3], "question_id": 7"#,
    ]);
    let place = data_set(train.as_bytes(), lines(&PLAIN[..1]).as_bytes());
    place.ok(&[
        &[
            "data", "export", "--preset", "cpu", "--split", "train", "--to", "out",
        ],
        FOLDER,
        &[
            "--set",
            "dataset.answer_normalisation=none",
            "--set",
            "dataset.validation_fraction=0.5",
        ],
    ]
    .concat());
    let text = fs::read_to_string(place.path().join("out/questions.json")).expect("questions");
    let questions: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let question = &questions[0];
    // The other one is held out.
    if question["question_id"] == 7 {
        assert_eq!(question["answers"], serde_json::json!({ "1e3": 1.0 }));
    } else {
        assert_eq!(question["question_id"], "18446744073709551617");
        assert_eq!(question["answers"], serde_json::json!({ "2.50": 1.0 }));
    }
}
