//! Whatever is wrong with a data set is named.

use std::fs;
use std::path::Path;

use data_pipeline::{
    AnswerList, DataError, Folder, Inputs, Pieces, Source, Split, WordPiece, WordPieceForm,
};

use crate::support::{HOLD_OUT, LINES, check, data_set, open, safetensors};

#[test]
fn missing_parts_are_named() {
    for part in ["test.jsonl", "images"] {
        check(
            |root| {
                fs::remove_dir_all(root.join("features")).expect("a folder");
                fs::rename(root.join(part), root.join("gone")).expect("moved");
            },
            &format!("no folder data set in `{{}}`: `{{}}/{part}` is missing"),
        );
    }
    let error = Folder::open(Path::new("no/such"), Split::Train, HOLD_OUT).expect_err("no folder");
    let message = "no folder data set in `no/such`: `no/such` is missing";
    assert_eq!(error.to_string(), message);
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("dataset.root"))
    );
    check(
        |root| fs::write(root.join("statistical_words.json"), r#"{"a.png": []}"#).expect("a file"),
        "`{}/statistical_words.json`: expected words for image `sub/b.jpg`, found none",
    );
    check(
        |root| fs::write(root.join("test.jsonl"), "").expect("a file"),
        "`{}/test.jsonl`: the list is empty",
    );
}

#[test]
fn broken_lines_are_named() {
    for (line, message) in [
        ("what?", "column 1: expected value"),
        (
            r#"{"image": "a.png", "answers": ["x"]}"#,
            "column 36: missing field `question`",
        ),
        (
            r#"{"image": "a.png", "question": "q", "answer": "x"}"#,
            "column 50: missing field `answers`, did you mean it by `answer`?",
        ),
        (
            r#"{"Image": "a.png", "question": "q", "answers": ["x"]}"#,
            "column 53: missing field `image`, did you mean it by `Image`?",
        ),
        (
            r#"{"image": "a.png", "question": "q", "answers": true}"#,
            "column 51: invalid type: boolean `true`, expected a list of answers or an object from answer to score",
        ),
        (
            r#"{"image": "a.png", "question": "q", "answers": [null]}"#,
            "column 52: invalid type: null, expected an answer in quotation marks, or a number",
        ),
        (
            r#"{"image": "a.png", "image": "b.png", "question": "q", "answers": ["x"]}"#,
            "column 26: duplicate field `image`",
        ),
        (
            r#"{"image": "a.png", "question": "q", "id": 1, "id": 2, "answers": ["x"]}"#,
            "column 49: duplicate field `id`",
        ),
        (
            r#"{"image": "a.png", "question": "q", "answers": {"x": 1.5}}"#,
            "column 57: the score of `x` is 1.5: expected 0 to 1",
        ),
        (
            r#"{"image": "a.png", "question": "q", "answers": {"x": 1, "x": 0}}"#,
            "column 63: answer `x` already has a score",
        ),
    ] {
        check(
            |root| {
                let text = LINES.lines().next().expect("a line");
                fs::write(root.join("test.jsonl"), format!("{text}\n{line}\n")).expect("a file");
            },
            &format!("`{{}}/test.jsonl`, line 2, {message}"),
        );
    }
}

#[test]
fn lines_that_make_no_sense_are_named() {
    for (line, message) in [
        (
            r#"{"image":"a.png","question":" ","answers":["x"],"entities":[]}"#,
            "a question that is not blank",
        ),
        (
            r#"{"image":"a.png","question":"q","answers":[],"entities":[]}"#,
            "`answers` on all lines or on none",
        ),
        (
            r#"{"image":"a.png","question":"q","answers":{ },"entities":[]}"#,
            "`answers` on all lines or on none",
        ),
        (
            r#"{"image":"a.png","question":"q","answers":["x"]}"#,
            "`entities` on all lines or on none",
        ),
    ] {
        check(
            |root| {
                let text = LINES.lines().next().expect("a line");
                fs::write(root.join("test.jsonl"), format!("{text}\n{line}\n")).expect("a file");
            },
            &format!("`{{}}/test.jsonl`, line 2: expected {message}, found `{line}`"),
        );
    }
}

#[test]
fn a_question_has_a_greatest_number_of_answers() {
    let root = data_set();
    let path = root.path().join("test.jsonl");
    let write = |count: usize, scored: bool| {
        let texts = (0..count).map(|number| number.to_string());
        let answers = if scored {
            texts
                .map(|text| (text, 0.5.into()))
                .collect::<serde_json::Map<String, serde_json::Value>>()
                .into()
        } else {
            texts.collect::<serde_json::Value>()
        };
        let line = serde_json::json!({ "image": "a.png", "question": "q", "answers": answers });
        fs::write(&path, line.to_string()).expect("a file");
        Folder::open(root.path(), Split::Test, HOLD_OUT)
    };
    for scored in [false, true] {
        let source = write(1000, scored).expect("as many as there may be");
        assert_eq!(source.samples()[0].answers.len(), 1000);
        let message = write(1001, scored).expect_err("one more").to_string();
        assert!(
            message.contains("line 1") && message.ends_with("a question has at most 1000 answers"),
            "{message}"
        );
    }
}

#[test]
fn answers_alike_are_named_with_their_lines() {
    let root = data_set();
    fs::remove_file(root.path().join("validation.jsonl")).expect("a file");
    let line = |image: &str, answer: &str| {
        format!(r#"{{"image": "{image}", "question": "q", "answers": ["{answer}"]}}"#)
    };
    // One of the two images is held out.
    let lines =
        ["salé", "sale"].map(|answer| ["a.png", "sub/b.jpg"].map(|image| line(image, answer)));
    fs::write(root.path().join("train.jsonl"), lines.concat().join("\n")).expect("a file");
    let source = open(&root, Split::Train);
    let a = source.image_name(0).ends_with("a.png");
    let [first, second] = if a { [1, 3] } else { [2, 4] };
    let answers = AnswerList::build(source.samples()).expect("answers");
    let tokenizer = WordPiece::build(source.samples(), WordPieceForm::Xvlm).expect("words");
    let error = Pieces::of_training(tokenizer, 9, 9, &answers, &source).expect_err("alike");
    let file = root.path().join("train.jsonl");
    let file = file.display();
    assert_eq!(
        error.to_string(),
        format!(
            "these answers differ only in what the word pieces leave out, such as upper case and accents: `sale` (`{file}`, line \
             {second}) and `salé` (`{file}`, line {first})"
        )
    );
}

#[test]
fn an_image_lies_in_the_folder() {
    for name in ["../secret.png", "/etc/passwd", "sub/../../x", ""] {
        check(
            |root| {
                let line = format!(r#"{{"image": "{name}", "question": "q", "answers": ["x"]}}"#);
                fs::write(root.join("test.jsonl"), line).expect("a file");
            },
            &format!(
                "`{{}}/test.jsonl`, line 1: expected the name of a file in `images`, found `{name}`"
            ),
        );
    }
}

#[test]
fn broken_features_are_named() {
    let regions = ("regions", &[2_usize, 3][..], &[0.5_f32; 6][..]);
    let boxes = ("boxes", &[2_usize, 6][..], &[0.5_f32; 12][..]);
    for (content, message) in [
        (
            b"\x01\xfeno\0safetensors".to_vec(),
            "expected a safetensors file, found ",
        ),
        (
            safetensors(&[boxes]),
            "expected `regions` with two dimensions of F32, found ",
        ),
        (
            safetensors(&[("regions", &[1, 2, 3], regions.2), boxes]),
            "expected `regions` with two dimensions of F32, found [1, 2, 3] of F32",
        ),
        (
            safetensors(&[("regions", &[0, 3], &[]), ("boxes", &[0, 6], &[])]),
            "expected at least one region and feature, found 0 x 3",
        ),
        (
            safetensors(&[
                ("regions", &[2, 3], &[0.5, 0.5, f32::NAN, 0.5, 0.5, 0.5]),
                boxes,
            ]),
            "expected finite numbers, found NaN",
        ),
        (
            safetensors(&[regions, ("boxes", &[3, 4], boxes.2)]),
            "expected `boxes` of 2 x 6, one row a region, found 3 x 4",
        ),
        (
            safetensors(&[regions, ("boxes", &[2, 6], &[312.0; 12])]),
            "expected boxes as fractions of the image, 0 to 1, found 312",
        ),
        (
            safetensors(&[
                regions,
                (
                    "boxes",
                    &[2, 6],
                    &[0.5, 0.1, 0.2, 0.9, 0.3, 0.8, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0],
                ),
            ]),
            "expected boxes whose right and bottom edges lie behind the left and top ones, found left 0.5, top 0.1, right 0.2, bottom 0.9",
        ),
    ] {
        let root = data_set();
        let path = root.path().join("features/a.png.safetensors");
        fs::write(&path, content).expect("a file");
        let error = open(&root, Split::Test).regions(0).expect_err(message);
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("`{}`: {message}", path.display())),
            "{text}"
        );
    }
}

#[test]
fn a_split_without_an_input_of_the_training_split_is_named_with_its_file() {
    let root = data_set();
    let line = r#"{"image": "a.png", "question": "q", "answers": ["red"]}"#;
    fs::write(root.path().join("test.jsonl"), line).expect("a file");
    let training = open(&root, Split::Train).inputs();
    let error = training
        .check(&open(&root, Split::Test))
        .expect_err("no entities");
    let file = root.path().join("test.jsonl");
    let expected = format!("the test split (`{}`) has no entities", file.display());
    assert_eq!(error.to_string(), expected);

    let content = safetensors(&[
        ("regions", &[1, 3], &[0.5; 3]),
        ("boxes", &[1, 6], &[0.5; 6]),
    ]);
    let file = root.path().join("features/a.png.safetensors");
    // The only image of the split.
    fs::write(&file, content).expect("a file");
    let inputs = Inputs {
        entities: None,
        ..training
    };
    let error = inputs
        .check(&open(&root, Split::Test))
        .expect_err("one region");
    let expected = "expected 2 x 3 regions x features, found 1 x 3";
    assert_eq!(
        error.to_string(),
        format!("`{}`: {expected}", file.display())
    );
}

/// Of a file that has faults on many lines all are named, those of the words beside it among them.
#[test]
fn all_faults_are_named_at_once() {
    let good = LINES.lines().next().expect("a line");
    let bad = [
        "{\"image\": \"a.png\"",
        r#"{"image": "a.png", "question": " ", "answers": ["x"], "entities": []}"#,
        r#"{"image": "../a.png", "question": "q", "answers": ["x"], "entities": []}"#,
        r#"{"image": "a.png", "question": "q", "answers": ["x"]}"#,
        r#"{"image": "a.png", "question": "q", "answers": [true], "entities": []}"#,
    ];
    let root = data_set();
    let file = root.path().join("test.jsonl");
    let text = format!("{good}\n\n{}\n", bad.join("\n"));
    // A character of another encoding does not hide what comes behind it.
    let latin = b"{\"image\": \"\xe4.png\"}\n{\n";
    fs::write(&file, [text.as_bytes(), latin].concat()).expect("a file");
    fs::write(root.path().join("statistical_words.json"), "{}").expect("a file");
    let error = Folder::open(root.path(), Split::Test, HOLD_OUT).expect_err("faults");
    let said: Vec<_> = error.each().iter().map(ToString::to_string).collect();
    let file = file.display();
    for (line, said) in (3..).zip(&said[..7]) {
        assert!(
            said.starts_with(&format!("`{file}`, line {line}")),
            "{said}"
        );
    }
    assert_eq!(said.len(), 8, "{said:#?}");
    assert!(said[7].ends_with("expected words for image `a.png`, found none"));
    let text = error.to_string();
    assert!(text.starts_with("the data set has 8 faults\n"), "{text}");
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("aoa data check"))
    );

    // A file of another form has one fault, not one a line.
    for text in [
        "[]".to_owned(),
        format!("[\n{good},\n{good}\n]"),
        good.replace(", ", ",\n"),
    ] {
        fs::write(root.path().join("test.jsonl"), text).expect("a file");
        let error = Folder::open(root.path(), Split::Test, HOLD_OUT).expect_err("another form");
        let other = error
            .each()
            .iter()
            .filter(|error| matches!(error, DataError::NotOneALine { line: 1, .. }));
        assert_eq!((other.count(), error.each().len()), (1, 1), "{error}");
    }
}

#[test]
fn a_name_that_stands_twice_is_refused_at_its_place() {
    for (words, place) in [
        (
            "{\"a.png\": [\"cat\"],\n \"sub/b.jpg\": [],\n \"a.png\": [\"dog\"]}",
            "line 3, column 8: duplicate field `a.png`",
        ),
        (
            "{\"a.png\": [],\n \"sub\\/b.jpg\": [], \"sub/b.jpg\": []}",
            "line 2, column 30: duplicate field `sub/b.jpg`",
        ),
        (
            "{\"a.png\": [\"cat\"],\n \"sub/b.jpg\": [[]]}",
            "line 2, column 17: invalid type: list, expected text in quotation marks, or a number",
        ),
        (
            "[]",
            "line 1, column 2: invalid type: list, expected an object from image to words",
        ),
    ] {
        check(
            |root| fs::write(root.join("statistical_words.json"), words).expect("a file"),
            &format!("`{{}}/statistical_words.json`, {place}"),
        );
    }
    // In a field that is only kept, too.
    check(
        |root| {
            let line = r#"{"image": "a.png", "question": "q", "answers": ["x"], "of": {"id": 1, "id": 2}}"#;
            fs::write(root.join("test.jsonl"), line).expect("a file");
        },
        "`{}/test.jsonl`, line 1, column 74: duplicate field `id`",
    );
}
