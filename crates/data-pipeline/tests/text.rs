//! Questions and answers as numbers, and back from the files of a run.

mod support;

use std::path::Path;

use data_pipeline::{
    Answer, AnswerList, DataError, PAD, Sample, Splitting, UNKNOWN, Vocabulary,
    accuracy_of_constant, majority_answer, tokenize,
};
use proptest::prelude::*;
use support::Questions;

fn answer(text: &str, score: f32) -> Answer {
    Answer {
        text: text.to_owned(),
        score,
        weight: score / 2.0,
    }
}

fn sample(question: &str, answers: &[(&str, f32)]) -> Sample {
    Sample {
        image: 0,
        question: question.to_owned(),
        answers: answers
            .iter()
            .map(|(text, score)| answer(text, *score))
            .collect(),
        ..Sample::default()
    }
}

#[test]
fn tokens_are_lower_case_words() {
    for (text, expected) in [
        ("What color is it?", &["what", "color", "is", "it"][..]),
        ("IS IT the dog's?", &["is", "it", "the", "dog's"]),
        (
            "red/blue, 3-fold... 42nd",
            &["red", "blue", "3", "fold", "42nd"],
        ),
        ("  ÉTÉ  à\tla\nplage ", &["été", "à", "la", "plage"]),
        ("what ' is '' this", &["what", "is", "this"]),
        ("?!", &[]),
        ("", &[]),
    ] {
        assert_eq!(tokenize(text).collect::<Vec<_>>(), expected, "{text:?}");
    }
}

#[test]
fn scripts_without_spaces_are_split_too() {
    for (text, expected) in [
        ("这是什么颜色？", &["这", "是", "什", "么", "颜", "色"][..]),
        ("图中有几只cat？", &["图", "中", "有", "几", "只", "cat"]),
        ("what does 停 mean?", &["what", "does", "停", "mean"]),
        (
            "Is it 3只猫 or 2?",
            &["is", "it", "3", "只", "猫", "or", "2"],
        ),
        ("ＣＡＴ２只", &["cat2", "只"]),
        // Beyond the first plane, and a compatibility form.
        ("𠮷野家々〇", &["𠮷", "野", "家", "々", "〇"]),
        ("\u{f900}", &["\u{8c48}"]),
        // Kana by Unicode's word boundaries: katakana hold together.
        (
            "これはテレビですか",
            &["こ", "れ", "は", "テレビ", "で", "す", "か"],
        ),
        ("ｶﾞﾗｽ", &["ｶ\u{ff9e}ﾗｽ"]),
        // A letter and its marks are not parted.
        ("สีอะไร", &["สี", "อ", "ะ", "ไ", "ร"]),
        ("ที่นี่", &["ที่", "นี่"]),
        ("ສີຫຍັງ", &["ສີ", "ຫ", "ຍັ", "ງ"]),
        ("क्या रंग है?", &["क्या", "रंग", "है"]),
        ("ما لونُ هذا؟", &["ما", "لونُ", "هذا"]),
        ("무슨 색이에요?", &["무슨", "색이에요"]),
        ("cafe\u{301} CAFÉ", &["café", "café"]),
        ("İstanbul", &["i\u{307}stanbul"]),
        // Pictograms.
        ("is 🐱 there?", &["is", "🐱", "there"]),
        ("❤\u{fe0f}❤ 👍🏽 👨‍👩‍👧 🇨🇳", &["❤", "❤", "👍🏽", "👨‍👩‍👧", "🇨🇳"]),
        ("press 1\u{fe0f}\u{20e3} now", &["press", "1", "now"]),
        ("？！。…", &[]),
        ("\u{301}\u{fe0f}", &[]),
    ] {
        assert_eq!(tokenize(text).collect::<Vec<_>>(), expected, "{text:?}");
    }
}

/// A run keeps the splitting that it began with, also one that does not say which.
#[test]
fn a_vocabulary_splits_as_it_was_built() {
    let path = Path::new("vocabulary.json");
    let samples = [sample("红色 red 色", &[("yes", 1.0)])];
    let now = Vocabulary::build(&Questions(samples.into())).expect("words");
    assert_eq!(now.words(), ["色", "red", "红"]);
    let read = Vocabulary::from_json(&now.to_json(), path).expect("as written");
    assert_eq!(read, now);
    assert_eq!(read.splitting(), Splitting::Unicode);
    assert_eq!(read.encode("红色", 3), (vec![4, 2, PAD], 2));

    let before = Vocabulary::from_json("[\"红色\", \"red\"]", path).expect("a list");
    assert_eq!(before.splitting(), Splitting::Letters);
    assert_eq!(before.encode("红色 red", 3), (vec![2, 3, PAD], 2));
    let again = Vocabulary::from_json(&before.to_json(), path).expect("as written");
    assert_eq!(again, before);
}

#[test]
fn words_come_by_count_then_alphabet() {
    let samples = ["zoo bee ant", "bee ant", "BEE cat?"].map(|q| sample(q, &[("yes", 1.0)]));
    let vocabulary = Vocabulary::build(&Questions(samples.into())).expect("words");
    assert_eq!(vocabulary.words(), ["bee", "ant", "cat", "zoo"]);
    assert_eq!(vocabulary.len(), 6);
    assert_eq!((PAD, UNKNOWN), (0, 1));
    let tokens = ["bee", "ant", "cat", "zoo", "dog"].map(|word| vocabulary.token(word));
    assert_eq!(tokens, [2, 3, 4, 5, UNKNOWN]);
}

#[test]
fn questions_are_cut_and_padded_at_the_end() {
    let samples = [sample("ant bee cat", &[("yes", 1.0)])];
    let vocabulary = Vocabulary::build(&Questions(samples.into())).expect("words");
    for (question, tokens, expected, length) in [
        ("ant bee cat", 3, &[2, 3, 4][..], 3),
        ("cat ant", 4, &[4, 2, PAD, PAD], 2),
        ("cat dog ant bee", 2, &[4, UNKNOWN], 2),
        ("???", 3, &[UNKNOWN, PAD, PAD], 1),
    ] {
        let encoded = vocabulary.encode(question, tokens);
        assert_eq!(encoded, (expected.to_vec(), length), "{question:?}");
    }
}

#[test]
fn answers_are_counted_by_sample_and_need_a_score() {
    let samples = [
        sample("q", &[("red", 1.0), ("dark red", 0.3)]),
        sample("q", &[("blue", 0.6), ("red", 0.3), ("never", 0.0)]),
        sample("q", &[("blue", 1.0)]),
        sample("q", &[("Blue", 1.0)]),
    ];
    let list = AnswerList::build(&samples).expect("answers");
    assert_eq!(list.answers(), ["blue", "red", "Blue", "dark red"]);
    assert_eq!(list.index("red"), Some(1));
    assert_eq!(list.index("never"), None);
    assert_eq!(list.targets(&samples[1]), [(0, 0.6), (1, 0.3)]);
    assert_eq!(list.weights(&samples[1]), [(0, 0.3), (1, 0.15)]);
}

#[test]
fn nothing_to_build_a_list_from_is_an_error() {
    let empty = [sample("?", &[("yes", 0.0)])];
    let words = Vocabulary::build(&Questions(empty.to_vec())).expect_err("no word");
    assert_eq!(words.to_string(), "1 training sample holds no word");
    let answers = AnswerList::build(&empty).expect_err("no answer");
    assert_eq!(answers.to_string(), "1 training sample holds no answer");
}

#[test]
fn broken_lists_are_refused_with_file_and_place() {
    let path = Path::new("run/answers.json");
    for (text, expected) in [
        ("[]", "`run/answers.json`: the list is empty"),
        (
            "[\"a\",\n\"b\",\n\"a\"]",
            "`run/answers.json`, entry 2: `a` is already in the list",
        ),
        (
            "[\"a\", \" \"]",
            "`run/answers.json`, entry 1: expected a word, found ` `",
        ),
        (
            "[\"a\",\n  7]",
            "`run/answers.json`, line 2, column 3: invalid type: integer `7`, expected a string",
        ),
        (
            "[\"a\"",
            "`run/answers.json`, line 1, column 4: EOF while parsing a list",
        ),
    ] {
        let answers = AnswerList::from_json(text, path).expect_err(text);
        assert_eq!(answers.to_string(), expected);
        let words = Vocabulary::from_json(text, path).expect_err(text);
        assert_eq!(words.to_string(), expected);
        let now = format!("{{\"splitting\": \"unicode\", \"words\": {text}}}");
        let words = Vocabulary::from_json(&now, path).expect_err(text);
        let place = "`run/answers.json`";
        assert!(words.to_string().starts_with(place), "{words}");
        assert!(!matches!(words, DataError::Io { .. }));
    }
}

#[test]
fn the_majority_answer_has_the_highest_total_score() {
    let train = [
        sample("q", &[("no", 0.3), ("yes", 1.0)]),
        sample("q", &[("no", 0.3)]),
        sample("q", &[("no", 0.3)]),
    ];
    let list = AnswerList::build(&train).expect("answers");
    assert_eq!(list.answers(), ["no", "yes"]);
    let majority = majority_answer(&train, &list);
    assert_eq!(list.answers()[majority], "yes");

    let test = [
        sample("q", &[("yes", 1.0)]),
        sample("q", &[("no", 1.0), ("yes", 0.6)]),
        sample("q", &[("red", 1.0)]),
        sample("q", &[]),
    ];
    let accuracy = accuracy_of_constant(&test, &list, majority);
    assert!((accuracy - 0.4).abs() < 1e-6, "{accuracy}");
    assert!(accuracy_of_constant(&[], &list, majority).abs() < 1e-12);
}

proptest! {
    /// Where words have spaces between them, nothing is split as it was not before.
    #[test]
    fn english_words_are_those_of_earlier_versions(
        text in "([A-Za-z0-9' .,:;?!_/()éÉñäß\\t\"-]|\u{2019}|\u{2014}){0,60}",
    ) {
        prop_assert_eq!(Splitting::Unicode.words(&text), Splitting::Letters.words(&text));
    }

    #[test]
    fn lists_survive_saving(questions in prop::collection::vec(".{1,30}", 1..8)) {
        let samples: Vec<_> = questions.iter().map(|q| sample(q, &[(q, 1.0)])).collect();
        let path = Path::new("list.json");
        if let Ok(vocabulary) = Vocabulary::build(&Questions(samples.clone())) {
            let read = Vocabulary::from_json(&vocabulary.to_json(), path);
            prop_assert_eq!(read.expect("as written"), vocabulary);
        }
        prop_assume!(questions.iter().all(|q| !q.trim().is_empty()));
        let answers = AnswerList::build(&samples).expect("answers");
        let read = AnswerList::from_json(&answers.to_json(), path);
        prop_assert_eq!(read.expect("as written"), answers);
    }

    #[test]
    fn a_row_has_the_asked_length_and_ends_in_padding(question in ".{0,60}", tokens in 1_usize..12) {
        let samples = [sample("what is this", &[("yes", 1.0)])];
        let vocabulary = Vocabulary::build(&Questions(samples.into())).expect("words");
        let (row, length) = vocabulary.encode(&question, tokens);
        prop_assert_eq!(row.len(), tokens);
        prop_assert!((1..=tokens).contains(&length));
        prop_assert!(row[..length].iter().all(|token| *token != PAD));
        prop_assert!(row[length..].iter().all(|token| *token == PAD));
    }
}

/// A sample with answers and their scores.
fn scored(answers: &[(&str, f32)]) -> Sample {
    Sample {
        answers: answers
            .iter()
            .map(|(text, score)| Answer {
                text: (*text).to_owned(),
                score: *score,
                weight: *score,
            })
            .collect(),
        ..Sample::default()
    }
}

#[test]
fn an_answer_list_is_limited_by_what_is_most_common() {
    // `cat` is an answer to all, and the most common to one.
    let samples = [
        scored(&[("cat", 0.3), ("dog", 1.0)]),
        scored(&[("dog", 1.0), ("cat", 0.6)]),
        scored(&[("dog", 0.9), ("cat", 0.9)]),
        scored(&[("cat", 1.0), ("bird", 0.3)]),
        scored(&[("bird", 0.3), ("cat", 0.3)]),
        scored(&[]),
    ];
    let all = || AnswerList::build(&samples).expect("answers");
    assert_eq!(all().answers(), ["cat", "dog", "bird"]);
    let check = |min_count, top, expected: &[&str]| {
        let list = all()
            .limited(&samples, min_count, top, false)
            .expect("answers");
        assert_eq!(list.answers(), expected, "{min_count} {top}");
        for (place, answer) in list.answers().iter().enumerate() {
            assert_eq!(list.index(answer), Some(place));
        }
    };
    check(1, 0, &["cat", "dog", "bird"]);
    check(2, 0, &["dog"]);
    check(1, 2, &["dog", "cat"]);
    check(1, 9, &["dog", "cat", "bird"]);
    let error = all().limited(&samples, 9, 0, false).expect_err("none");
    assert!(error.to_string().contains("answers.min_count"), "{error}");
    let most = "set `answers.min_count` to at most 3";
    assert!(
        error.hint().is_some_and(|hint| hint.contains(most)),
        "{error}"
    );
    check(3, 0, &["dog"]);

    let path = std::path::Path::new("answers.json");
    let published =
        || AnswerList::from_json(r#"["", "bird", "horse", "dog"]"#, path).expect("a list");
    assert_eq!(published().answers(), ["", "bird", "horse", "dog"]);
    assert_eq!(published().targets(&samples[0]), [(3, 1.0)]);
    let limited = published().limited(&samples, 2, 0, true).expect("answers");
    assert_eq!(limited.answers(), ["dog"]);
    let limited = published().limited(&samples, 1, 2, true).expect("answers");
    assert_eq!(limited.answers(), ["", "bird"]);
    let twice = AnswerList::from_json(r#"["dog", "dog"]"#, path).expect_err("twice");
    assert!(twice.to_string().contains("entry 1"), "{twice}");
}
