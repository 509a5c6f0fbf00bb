//! What a data set lets a model reach is told in figures, and what is odd about it in warnings.

use data_pipeline::{
    Answer, AnswerList, DataError, DataReport, Encoder, Pieces, Sample, SharedImages, Source,
    Split, Thresholds, WordPiece, WordPieceForm,
};

/// Questions with answers and their scores.
struct Questions {
    samples: Vec<Sample>,
}

impl Source for Questions {
    fn samples(&self) -> &[Sample] {
        &self.samples
    }

    fn image_count(&self) -> usize {
        self.samples.len()
    }

    fn encoded_image(&self, image: usize) -> Result<Vec<u8>, DataError> {
        Err(DataError::NoSuchImage { image, images: 0 })
    }

    fn image_name(&self, image: usize) -> String {
        format!("{image}.png")
    }
}

/// A question and its answers with their scores.
type Asked<'a> = (&'a str, &'a [(&'a str, f32)]);

fn questions(samples: &[Asked]) -> Questions {
    let sample = |(image, (question, answers)): (usize, &Asked)| Sample {
        image,
        question: (*question).to_owned(),
        answers: answers
            .iter()
            .map(|(text, score)| Answer {
                text: (*text).to_owned(),
                score: *score,
                weight: *score,
            })
            .collect(),
        ..Sample::default()
    };
    Questions {
        samples: samples.iter().enumerate().map(sample).collect(),
    }
}

fn report(train: &Questions, test: &Questions, tokens: usize, pieces: bool) -> DataReport {
    let mut encoder = Encoder::build(train, tokens, 8).expect("words and answers");
    if pieces {
        let tokenizer = WordPiece::build(&train.samples, WordPieceForm::Xvlm).expect("words");
        encoder.pieces = Pieces::new(tokenizer, tokens, 99, &encoder.answers).ok();
    }
    let splits: [(Split, &dyn Source); 2] = [(Split::Train, train), (Split::Test, test)];
    DataReport::of(&encoder, &splits, true, &[])
}

fn warnings(report: &DataReport) -> Vec<String> {
    report.warnings(&Thresholds::DEFAULT)
}

#[test]
fn what_the_answer_list_reaches_bounds_the_accuracy() {
    let train = questions(&[
        ("what is it", &[("red", 1.0), ("blue", 0.5)]),
        ("what is it", &[("red", 0.5), ("never", 0.0)]),
    ]);
    for (answers, reachable, highest, part) in [
        (&[("red", 1.0_f32)][..], 1, 1.0, 1.0),
        (&[("red", 0.25), ("green", 1.0)], 1, 0.25, 0.25),
        (&[("green", 0.5)], 0, 0.0, 0.0),
        (&[("never", 0.5), ("blue", 0.25)], 1, 0.25, 0.5),
    ] {
        let report = report(&train, &questions(&[("what is it", answers)]), 5, false);
        let test = &report.splits[1];
        assert_eq!(
            (
                test.answered,
                test.reachable,
                test.highest_accuracy,
                test.reachable_score
            ),
            (1, reachable, Some(highest), Some(part)),
            "{answers:?}"
        );
        let warned = warnings(&report)
            .iter()
            .any(|warning| warning.starts_with("test: the answer list has a right answer to"));
        assert_eq!(warned, part < 0.9, "{answers:?}");
        // In training the list reaches all of it.
        assert_eq!(report.splits[0].reachable_score, Some(1.0));
        assert_eq!((report.answers, report.answers_once), (2, 1));
    }
    let none = report(
        &train,
        &questions(&[("what is it", &[("green", 1.0)])]),
        5,
        false,
    );
    let text = warnings(&none).join("\n");
    let expected = "test: the answer list has a right answer to 0 of 1 question, so accuracy can be at most 0.00 %";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn a_split_without_answers_cannot_be_scored() {
    let train = questions(&[("what is it", &[("red", 1.0)]), ("is it", &[("red", 1.0)])]);
    let all = report(
        &train,
        &questions(&[("is it", &[]), ("what", &[])]),
        5,
        false,
    );
    let test = &all.splits[1];
    assert_eq!((test.answered, test.highest_accuracy), (0, None));
    assert!(
        all.lines()
            .join("\n")
            .contains("test: 2 questions about 2 images; no answers")
    );
    assert!(warnings(&all).is_empty(), "{:?}", warnings(&all));
}

#[test]
fn cut_questions_are_counted_in_each_form() {
    let train = questions(&[
        ("a b c d", &[("x", 1.0)]),
        ("a b c", &[("x", 1.0)]),
        ("a", &[("x", 1.0)]),
    ]);
    for (tokens, words, pieces) in [(1, 2, 3), (3, 1, 2), (4, 0, 1), (5, 0, 0)] {
        let report = report(&train, &train, tokens, true);
        let cut: Vec<_> = report.splits[0]
            .questions
            .iter()
            .map(|text| text.cut)
            .collect();
        assert_eq!(cut, [words, pieces], "{tokens} tokens");
        let longest: Vec<_> = report.splits[0]
            .questions
            .iter()
            .map(|text| text.longest)
            .collect();
        // Word pieces begin with a token of their own.
        assert_eq!(longest, [4, 5]);
        let warned = warnings(&report)
            .iter()
            .filter(|text| text.contains("cut to"))
            .count();
        assert_eq!(
            warned,
            2 * (usize::from(words > 0) + usize::from(pieces > 0))
        );
    }
    let text = warnings(&report(&train, &train, 1, true)).join("\n");
    assert!(
        text.contains("are cut to 1 word; the longest has 4"),
        "{text}"
    );
    assert!(
        text.contains("are cut to 1 word piece; the longest"),
        "{text}"
    );
    let text = warnings(&report(&train, &train, 3, false)).join("\n");
    let expected = "train: 1 of 3 questions (33.33 %) is cut to 3 words; the longest has 4";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn unknown_words_are_a_part_of_those_that_are_read() {
    let train = questions(&[("what colour", &[("x", 1.0)]), ("what", &[("x", 1.0)])]);
    let test = questions(&[("what hue is it", &[("x", 1.0)])]);
    let all = report(&train, &test, 2, true);
    for text in &all.splits[1].questions {
        // `what hue`, and `[CLS] what`.
        let unknown = usize::from(text.form == "words");
        assert_eq!((text.tokens, text.unknown), (2, unknown), "{text:?}");
    }
    assert!(all.splits[0].questions.iter().all(|text| text.unknown == 0));
    let text = warnings(&all).join("\n");
    assert!(
        text.contains("test: 50.00 % of the words in questions are unknown"),
        "{text}"
    );
}

#[test]
fn shared_images_and_rare_answers_are_told() {
    let train = questions(&[
        ("q", &[("x", 1.0), ("y", 1.0)]),
        ("q", &[("x", 1.0), ("z", 0.5)]),
    ]);
    let encoder = Encoder::build(&train, 5, 8).expect("words and answers");
    let splits: [(Split, &dyn Source); 2] = [(Split::Train, &train), (Split::Test, &train)];
    let shared = |images| SharedImages {
        splits: [0, 1],
        images,
        example: "a\u{1b}.png".to_owned(),
    };
    let report = DataReport::of(&encoder, &splits, true, &[shared(1)]);
    assert_eq!((report.answers, report.answers_once), (3, 2));
    let found = warnings(&report).join("\n");
    for expected in [
        "2 of 3 answers occur in one training sample only (66.67 %)",
        "test: 1 image is in the train split, too, for example `a\\u{1b}.png`",
    ] {
        assert!(found.contains(expected), "{found}");
    }
    let limits = Thresholds {
        once: 0.7,
        shared_images: 1,
        ..Thresholds::DEFAULT
    };
    let found = report.warnings(&limits).join("\n");
    assert!(
        !found.contains("occur in one") && !found.contains("too, for"),
        "{found}"
    );
}

/// Questions of which some have no right answer, and that are scored all the same.
struct Scored(Questions);

impl Source for Scored {
    fn samples(&self) -> &[Sample] {
        self.0.samples()
    }

    fn image_count(&self) -> usize {
        self.0.image_count()
    }

    fn encoded_image(&self, image: usize) -> Result<Vec<u8>, DataError> {
        self.0.encoded_image(image)
    }

    fn image_name(&self, image: usize) -> String {
        self.0.image_name(image)
    }

    fn has_answers(&self) -> bool {
        true
    }
}

#[test]
fn a_question_without_a_right_answer_lowers_what_can_be_reached() {
    let train = questions(&[("what is it", &[("red", 1.0)])]);
    let encoder = Encoder::build(&train, 5, 8).expect("words and answers");
    for (answers, highest, part) in [(&[("red", 1.0_f32)][..], 0.5, Some(1.0)), (&[], 0.0, None)] {
        let test = Scored(questions(&[("what", answers), ("is it", &[])]));
        let splits: [(Split, &dyn Source); 2] = [(Split::Train, &train), (Split::Test, &test)];
        let report = DataReport::of(&encoder, &splits, true, &[]);
        let of_test = &report.splits[1];
        assert_eq!(
            (of_test.highest_accuracy, of_test.reachable_score),
            (Some(highest), part)
        );
        let line = report.lines().join("\n");
        let expected = format!("accuracy can be at most {:.2} %", 100.0 * highest);
        assert!(
            line.contains(&expected) && !line.contains("no answers"),
            "{line}"
        );
        assert!(!warnings(&report).join("\n").contains("can be at most"));
    }
}

#[test]
fn questions_without_a_word_are_named_and_do_not_end_a_run() {
    let train = questions(&[
        ("what is it", &[("x", 1.0)]),
        ("？？？", &[("x", 1.0)]),
        ("🐱", &[("x", 1.0)]),
        ("\u{200b}", &[("x", 1.0)]),
        ("图中有什么", &[("x", 1.0)]),
        ("2?", &[("x", 1.0)]),
    ]);
    for pieces in [false, true] {
        let report = report(&train, &questions(&[("what", &[])]), 9, pieces);
        let found = warnings(&report);
        let wordless: Vec<_> = found
            .iter()
            .filter(|text| text.contains("no word"))
            .collect();
        assert_eq!(wordless.len(), 1, "{found:?}");
        assert!(
            wordless[0].starts_with("train: 3 questions have no word, only marks or pictograms")
                && wordless[0].contains("samples 1, 2 and 3"),
            "{wordless:?}"
        );
    }
}

#[test]
fn a_given_answer_that_is_another_one_in_normalised_form_is_told() {
    let train = questions(&[("q", &[("two", 1.0), ("T-Ball", 1.0), ("t ball", 1.0)])]);
    let list = |text: &str| AnswerList::from_json(text, std::path::Path::new("list.json"));
    let mut encoder = Encoder::build(&train, 5, 8).expect("words and answers");
    encoder.answers = list(r#"["2", "Two.", "T-Ball", "t ball", "Red!"]"#).expect("a list");
    let splits: [(Split, &dyn Source); 1] = [(Split::Train, &train)];
    let found = warnings(&DataReport::of(&encoder, &splits, true, &[])).join("\n");
    let expected = "1 answer is in the list a second time in normalised form and right to no training question: `Two.` is `2`";
    assert!(found.contains(expected), "{found}");
    // White space around an answer does not make another one.
    let error = list(r#"["green", "red", " red "]"#)
        .expect_err("twice")
        .to_string();
    assert!(
        error.contains("entry 2") && error.contains("already in the list"),
        "{error}"
    );
}
