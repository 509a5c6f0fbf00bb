//! A data set of the user's own: reading, everything that can be wrong with it, and writing.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use data_pipeline::{
    Answer, AnswerList, DataError, Encoder, Folder, HoldOut, Inputs, Loader, LoaderConfig, Order,
    Pieces, Preload, RegionShape, Regions, Sample, Shapes, ShapesConfig, Source, Split, Vocabulary,
    WordPiece, WordPieceForm, folder,
};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, serialize};
use tempfile::TempDir;

const SPLITS: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

const HOLD_OUT: HoldOut = HoldOut {
    fraction: 0.5,
    seed: 1,
};

const LINES: &str = r#"{"image": "a.png", "question": "what is it?", "answers": ["cat"], "entities": ["it"]}
{"image": "sub/b.jpg", "question": "is it red?", "answers": {"yes": 0.6, "no": 0.2}, "entities": []}
{"image": "a.png", "question": "red?", "answers": ["no", "yes", "no", "no", "no", "no", "no", "no", "no", "no"], "entities": ["red thing"]}
"#;

fn safetensors(tensors: &[(&str, &[usize], &[f32])]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(.., numbers)| numbers.iter().flat_map(|n| n.to_le_bytes()).collect())
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        (
            *name,
            TensorView::new(Dtype::F32, shape.to_vec(), bytes).expect("a tensor"),
        )
    });
    serialize(views, None).expect("a file")
}

/// Two images, their features and words, and three questions a split.
fn data_set() -> TempDir {
    let root = TempDir::new().expect("a folder");
    let formats = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats");
    for (folder, names) in [
        ("images", ["a.png", "sub/b.jpg"]),
        ("features", ["a.png", "sub/b.jpg"]),
    ] {
        fs::create_dir_all(root.path().join(folder).join("sub")).expect("a folder");
        for (name, format) in names.iter().zip(["rgb.png", "rgb_444.jpg"]) {
            let path = root.path().join(folder).join(name);
            if folder == "images" {
                fs::copy(formats.join(format), path).expect("an image");
            } else {
                let level = if *name == "a.png" { 0.25 } else { 0.75 };
                let content = safetensors(&[
                    ("regions", &[2, 3], &[level; 6]),
                    ("boxes", &[2, 6], &[level; 12]),
                ]);
                fs::write(format!("{}.safetensors", path.display()), content).expect("a file");
            }
        }
    }
    for split in SPLITS {
        let path = root.path().join(format!("{}.jsonl", split.name()));
        fs::write(path, LINES).expect("a file");
    }
    let words = r#"{"a.png": ["tabby cat"], "sub/b.jpg": [], "unused.png": ["x"]}"#;
    fs::write(root.path().join("statistical_words.json"), words).expect("a file");
    root
}

fn open(root: &TempDir, split: Split) -> Folder {
    Folder::open(root.path(), split, HOLD_OUT).expect("a whole data set")
}

fn answer(text: &str, score: f32, weight: f32) -> Answer {
    Answer {
        text: text.to_owned(),
        score,
        weight,
    }
}

#[test]
fn a_data_set_is_read_as_written() {
    let root = data_set();
    for split in SPLITS {
        let source = open(&root, split);
        let sample = |image, question: &str, answers, entities: &[&str]| Sample {
            image,
            question: question.to_owned(),
            answers,
            entities: entities.iter().map(ToString::to_string).collect(),
            ..Sample::default()
        };
        let expected = [
            sample(0, "what is it?", vec![Answer::only("cat")], &["it"]),
            sample(
                1,
                "is it red?",
                vec![answer("yes", 0.6, 0.75), answer("no", 0.2, 0.25)],
                &[],
            ),
            sample(
                0,
                "red?",
                vec![answer("no", 1.0, 0.9), answer("yes", 0.3, 0.1)],
                &["red thing"],
            ),
        ];
        for (read, expected) in source.samples().iter().zip(&expected) {
            assert_eq!(
                (read.image, &read.question),
                (expected.image, &expected.question)
            );
            assert_eq!(read.entities, expected.entities);
            for (a, b) in read.answers.iter().zip(&expected.answers) {
                assert_eq!(a.text, b.text);
                assert!(
                    (a.score - b.score).abs() < 1e-6 && (a.weight - b.weight).abs() < 1e-6,
                    "{a:?}"
                );
            }
        }
        assert_eq!((source.samples().len(), source.image_count()), (3, 2));
        let inputs = Inputs {
            images: true,
            regions: Some(RegionShape { regions: 2, dim: 3 }),
            statistical_words: Some(2),
            entities: Some(2),
        };
        assert_eq!(source.inputs(), inputs);
        assert_eq!(source.statistical_words(0), ["tabby cat"]);
        assert!(source.statistical_words(1).is_empty());
        let regions = source.regions(1).expect("a whole file");
        assert_eq!(regions.features, [0.75; 6]);
        assert_eq!(regions.boxes, [0.75; 12]);
        let image = root.path().join("images/sub/b.jpg");
        assert_eq!(source.image_name(1), image.display().to_string());
        assert_eq!(
            source.encoded_image(1).expect("an image"),
            fs::read(image).expect("it")
        );
        assert!(source.encoded_image(2).is_err() && source.regions(2).is_err());
    }
}

#[test]
fn the_vocabulary_covers_all_words() {
    let vocabulary = Vocabulary::build(&open(&data_set(), Split::Train)).expect("words");
    let mut words = vocabulary.words().to_vec();
    words.sort_unstable();
    assert_eq!(words, ["cat", "is", "it", "red", "tabby", "thing", "what"]);
}

#[test]
fn optional_parts_may_be_absent() {
    let root = data_set();
    fs::remove_dir_all(root.path().join("features")).expect("a folder");
    fs::remove_file(root.path().join("statistical_words.json")).expect("a file");
    let inputs = open(&root, Split::Train).inputs();
    let expected = Inputs {
        entities: Some(2),
        ..Inputs::IMAGES
    };
    assert_eq!(inputs, expected);

    let root = data_set();
    fs::remove_dir_all(root.path().join("images")).expect("a folder");
    let source = open(&root, Split::Train);
    assert!(!source.inputs().images && source.inputs().regions.is_some());
    assert!(source.image_name(0).ends_with("features/a.png.safetensors"));
}

#[test]
fn without_a_validation_split_a_part_of_training_is_held_out() {
    let root = data_set();
    fs::remove_file(root.path().join("validation.jsonl")).expect("a file");
    let [train, validation, test] = SPLITS.map(|split| open(&root, split));
    assert_eq!(
        [&train, &validation, &test].map(Source::image_count),
        [1, 1, 2]
    );
    assert_eq!(train.samples().len() + validation.samples().len(), 3);
    for source in [&train, &validation] {
        let a = source.image_name(0).ends_with("a.png");
        assert_eq!(source.samples().len(), if a { 2 } else { 1 });
        assert!(source.samples().iter().all(|sample| sample.image == 0));
        assert_eq!(source.statistical_words(0).len(), usize::from(a));
        let level = if a { 0.25 } else { 0.75 };
        assert_eq!(
            source.regions(0).expect("a whole file").features,
            [level; 6]
        );
    }
    assert_ne!(train.image_name(0), validation.image_name(0));
    let hold_out = HoldOut {
        fraction: 1.0,
        seed: 1,
    };
    let refused = Folder::open(root.path(), Split::Train, hold_out);
    assert!(matches!(refused, Err(DataError::Setting { .. })));
}

#[test]
fn at_least_one_image_is_held_out_and_one_is_not() {
    let root = data_set();
    fs::remove_file(root.path().join("validation.jsonl")).expect("a file");
    for fraction in [0.01, 0.99] {
        let hold_out = HoldOut { fraction, seed: 1 };
        for split in [Split::Train, Split::Validation] {
            let source = Folder::open(root.path(), split, hold_out).expect("a part");
            assert_eq!(source.image_count(), 1, "{fraction}");
        }
    }
    let path = root.path().join("train.jsonl");
    let one = LINES.lines().next().expect("a line");
    fs::write(&path, one).expect("a file");
    let error = Folder::open(root.path(), Split::Validation, HOLD_OUT).expect_err("one image");
    let expected = format!(
        "the validation split cannot be held out of `{}`, which has less than two images",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
    let hint = error.hint().expect("a cure");
    assert!(hint.contains("`dataset.validation_fraction`"), "{hint}");
}

/// Spoils a data set and compares the message; `{}` in it stands for the folder.
fn check(spoil: impl Fn(&Path), message: &str) {
    let root = data_set();
    spoil(root.path());
    let error = Folder::open(root.path(), Split::Test, HOLD_OUT).expect_err(message);
    let folder = root.path().display().to_string();
    assert_eq!(error.to_string(), message.replace("{}", &folder));
}

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
            "column 63: answer `x` has a score already",
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
            r#"{"image":"a.png","question":"q","answers":{"x":0.0},"entities":[]}"#,
            "an answer with a score above 0",
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
fn words_beyond_the_greatest_number_are_cut() {
    let root = data_set();
    let many = vec!["big red cat"; 50];
    let words = serde_json::json!({ "a.png": many, "sub/b.jpg": [] });
    fs::write(
        root.path().join("statistical_words.json"),
        words.to_string(),
    )
    .expect("a file");
    let line = serde_json::json!({
        "image": "a.png", "question": "q", "answers": ["x"], "entities": many,
    });
    fs::write(root.path().join("train.jsonl"), line.to_string()).expect("a file");
    let source = open(&root, Split::Train);
    let inputs = source.inputs();
    assert_eq!(
        (inputs.statistical_words, inputs.entities),
        (Some(128), Some(128))
    );

    let encoder = Encoder::build(&source, 9, 16).expect("words and answers");
    let config = LoaderConfig {
        effective_batch: 1,
        chunk: 1,
        num_workers: 0,
        prefetch_factor: 1,
        preload: Preload::Nothing,
        use_compression: false,
        shuffle: Order::Sequential,
    };
    let loader = Loader::new(Arc::new(source), Arc::new(encoder), config).expect("a loader");
    let mut epoch = loader.epoch(0, 0).expect("threads");
    let batch = epoch.next().expect("a batch").expect("whole files");
    for table in [batch.statistical_words, batch.entities] {
        assert_eq!(table.expect("the data set has them").lengths, [128]);
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
fn white_space_around_answers_does_not_count() {
    let root = data_set();
    let lines = [
        r#"{"image": "a.png", "question": "q", "answers": [" yes", "no "]}"#,
        r#"{"image": "a.png", "question": "q", "answers": {"\tno": 0.5}}"#,
    ];
    fs::write(root.path().join("test.jsonl"), lines.join("\n")).expect("a file");
    let source = open(&root, Split::Test);
    let texts: Vec<_> = source.samples().iter().flat_map(|s| &s.answers).collect();
    let texts: Vec<_> = texts.iter().map(|answer| answer.text.as_str()).collect();
    assert_eq!(texts, ["yes", "no", "no"]);
    check(
        |root| {
            let line = r#"{"image": "a.png", "question": "q", "answers": {"no": 1, " no": 1}}"#;
            fs::write(root.join("test.jsonl"), line).expect("a file");
        },
        "`{}/test.jsonl`, line 1, column 66: answer `no` has a score already",
    );
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
fn a_byte_order_mark_is_skipped_and_other_encodings_are_named_by_line() {
    let root = data_set();
    let path = root.path().join("test.jsonl");
    fs::write(&path, format!("\u{feff}{LINES}")).expect("a file");
    assert_eq!(open(&root, Split::Test).samples().len(), 3);

    let mut latin = LINES.as_bytes().to_vec();
    let at = LINES.find("red?").expect("the second line");
    latin[at] = 0xe4;
    fs::write(&path, latin).expect("a file");
    let error = Folder::open(root.path(), Split::Test, HOLD_OUT).expect_err("not UTF-8");
    let expected = format!(
        "`{}`, line 2: not UTF-8, which text files must be",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
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
            b"no safetensors".to_vec(),
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
            "expected `boxes` of 2 x 6, as there are 2 regions, found 3 x 4",
        ),
        (
            safetensors(&[regions, ("boxes", &[2, 6], &[312.0; 12])]),
            "expected boxes as parts of the image, 0 to 1, found 312",
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

fn shapes(split: Split) -> Shapes {
    let config = ShapesConfig {
        seed: 4,
        images: 12,
        questions_per_image: 3,
    };
    Shapes::new(config, split).expect("scenes")
}

/// What was written is read back: samples, images and every input.
fn same(written: &dyn Source, read: &dyn Source, images: usize) {
    assert_eq!(read.samples(), &written.samples()[..images * 3]);
    assert_eq!(read.image_count(), images);
    assert_eq!(read.inputs().regions, written.inputs().regions);
    for image in 0..images {
        let bytes = |source: &dyn Source| source.encoded_image(image).expect("an image");
        assert_eq!(bytes(read), bytes(written));
        assert_eq!(
            read.statistical_words(image),
            written.statistical_words(image)
        );
        let regions = |source: &dyn Source| -> Option<Regions> { source.regions(image).ok() };
        if written.inputs().regions.is_some() {
            assert!(regions(written).is_some());
            assert_eq!(regions(read), regions(written));
        }
    }
}

#[test]
fn a_written_data_set_is_read_back() {
    for described in [true, false] {
        let sources = SPLITS.map(|split| {
            let shapes = shapes(split);
            if described {
                shapes.described()
            } else {
                shapes
            }
        });
        let splits: Vec<(Split, &dyn Source)> = SPLITS
            .into_iter()
            .zip(&sources)
            .map(|(split, source)| (split, source as &dyn Source))
            .collect();
        let root = TempDir::new().expect("a folder");
        assert_eq!(
            folder::write(root.path(), &splits, 5).expect("written"),
            3 * 5 * 3
        );
        let refused = folder::write(root.path(), &splits, 1);
        assert!(
            matches!(&refused, Err(DataError::Occupied { path }) if path.exists()),
            "{refused:?}"
        );
        for (split, source) in splits {
            same(source, &open(&root, split), 5);
        }
    }
}

#[test]
fn a_written_data_set_is_loaded() {
    let sources = SPLITS.map(|split| shapes(split).described());
    let splits = [
        (Split::Train, &sources[0] as &dyn Source),
        (Split::Validation, &sources[1] as &dyn Source),
        (Split::Test, &sources[2] as &dyn Source),
    ];
    let root = TempDir::new().expect("a folder");
    folder::write(root.path(), &splits, usize::MAX).expect("written");
    let source = Arc::new(open(&root, Split::Train));
    let encoder = Encoder::build(source.as_ref(), 9, 16).expect("words and answers");
    let config = LoaderConfig {
        effective_batch: 36,
        chunk: 7,
        num_workers: 2,
        prefetch_factor: 2,
        preload: Preload::Nothing,
        use_compression: false,
        shuffle: Order::Sequential,
    };
    let loader = Loader::new(source, Arc::new(encoder), config).expect("a loader");
    let mut epoch = loader.epoch(0, 0).expect("threads");
    let batch = epoch.next().expect("a batch").expect("whole files");
    assert_eq!((batch.len(), batch.unique_images()), (36, 12));
    let regions = batch.regions.expect("the data set has them");
    assert_eq!(
        regions.shape,
        RegionShape {
            regions: 3,
            dim: 12
        }
    );
    assert_eq!(
        regions.features[..36],
        sources[0].regions(0).expect("a scene").features
    );
    assert_eq!(
        batch
            .statistical_words
            .expect("the data set has them")
            .rows(),
        12
    );
    assert_eq!(batch.entities.expect("the data set has them").rows(), 36);
}
