//! A data set is read as written.

use std::fs;
use std::sync::Arc;

use data_pipeline::{
    Answer, AnswerNormalisation, AnswerReading, DataError, Encoder, Folder, HoldOut, Inputs,
    Loader, LoaderConfig, Order, Preload, RegionShape, Sample, Source, Split, Vocabulary,
};

use crate::support::{HOLD_OUT, LINES, SPLITS, answer, check, data_set, open};

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
            regions: Some(RegionShape {
                regions: 2,
                dim: 3,
                varying: false,
            }),
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
        "the validation split cannot be held out of `{}`, which has fewer than two images",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
    let hint = error.hint().expect("a cure");
    assert!(hint.contains("`dataset.validation_fraction`"), "{hint}");
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
        augmentation: None,
    };
    let loader = Loader::new(Arc::new(source), Arc::new(encoder), config).expect("a loader");
    let mut epoch = loader.epoch(0, 0).expect("threads");
    let batch = epoch.next().expect("a batch").expect("whole files");
    for table in [batch.statistical_words, batch.entities] {
        assert_eq!(table.expect("the data set has them").lengths, [128]);
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
        "`{}/test.jsonl`, line 1, column 66: answer `no` already has a score",
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

/// Wherever a number stands for text.
#[test]
fn numbers_are_read_with_the_digits_they_are_written_with() {
    let root = data_set();
    let digits = [
        "2.50",
        "-0",
        "1e3",
        "1E+2",
        "0.1234567890123456789",
        "18446744073709551617",
        "12345678901234567890123",
    ];
    let lines = digits.map(|number| {
        format!(
            "{{\"image\": \"a.png\", \"question\": {number}, \"answers\": [{number}], \"entities\": [{number}], \"id\":              {number}, \"of\": {{\"in\": [{number}]}}}}"
        )
    });
    fs::write(root.path().join("test.jsonl"), lines.join("\n")).expect("a file");
    let words = format!("{{\"a.png\": [{}]}}", digits.join(", "));
    fs::write(root.path().join("statistical_words.json"), words).expect("a file");
    let reading = AnswerReading {
        normalisation: AnswerNormalisation::None,
        ..AnswerReading::default()
    };
    let source = Folder::open_with(root.path(), Split::Test, HOLD_OUT, &reading).expect("numbers");
    for (sample, digits) in source.samples().iter().zip(digits) {
        assert_eq!(sample.question, digits);
        assert_eq!(sample.answers, [Answer::only(digits)]);
        assert_eq!(sample.entities, [digits]);
        assert_eq!(sample.fields["id"], digits);
        assert_eq!(sample.fields["of"]["in"][0], digits);
    }
    assert_eq!(source.statistical_words(0), digits);

    // An answer that stands alone; equal answers are equal as they are written.
    let lines = [
        r#"{"image": "a.png", "question": "q", "answers": 2.50}"#,
        r#"{"image": "a.png", "question": "q", "answers": [1.0, 1, 1.00, 1.0]}"#,
    ];
    fs::write(root.path().join("test.jsonl"), lines.join("\n")).expect("a file");
    let reading = Folder::reading_of(root.path(), AnswerNormalisation::None);
    let source = Folder::open_with(root.path(), Split::Test, HOLD_OUT, &reading).expect("numbers");
    let texts = |sample: &Sample| -> Vec<_> {
        let answers = sample.answers.iter();
        answers.map(|answer| answer.text.clone()).collect()
    };
    assert_eq!(texts(&source.samples()[0]), ["2.50"]);
    assert_eq!(texts(&source.samples()[1]), ["1.0", "1", "1.00"]);
}

/// What is a number stays one where it is written with the same digits.
#[test]
fn plain_numbers_of_other_fields_stay_numbers() {
    let root = data_set();
    let line = r#"{"image": "a.png", "question": "q", "answers": ["x"], "id": 18446744073709551615, "part": 0.25, "n": -7}"#;
    fs::write(root.path().join("test.jsonl"), line).expect("a file");
    let source = open(&root, Split::Test);
    let fields = &source.samples()[0].fields;
    assert_eq!(fields["id"], u64::MAX);
    assert_eq!(fields["part"], 0.25);
    assert_eq!(fields["n"], -7);
}
