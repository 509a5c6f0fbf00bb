//! The word pieces of questions and answers against the public tokenizers.

use std::fs;
use std::path::PathBuf;

use data_pipeline::{WordPiece, WordPieceForm, pre_question};
use integration_tests::{Case, golden_folder};
use serde_json::Value;

const FORMS: [(&str, WordPieceForm); 2] =
    [("bert", WordPieceForm::Bert), ("xvlm", WordPieceForm::Xvlm)];

fn vocabulary(case: &Value) -> PathBuf {
    golden_folder().join(
        case["vocab_file"]
            .as_str()
            .expect("the case names its vocabulary"),
    )
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn strings(value: &Value) -> Vec<&str> {
    let strings = list(value).iter().map(Value::as_str);
    strings.map(|one| one.expect("a string")).collect()
}

fn numbers(value: &Value) -> Vec<u32> {
    let numbers = list(value).iter().map(Value::as_u64);
    numbers.map(|one| one.expect("a number") as u32).collect()
}

/// Compares every text of a block: ids up to the padding, padding, mask.
fn check(case: &Value, block: &Value, max_tokens: usize) -> usize {
    let texts = strings(&block["texts"]);
    for (name, form) in FORMS {
        let tokenizer = WordPiece::read(&vocabulary(case), form).expect("the vocabulary is whole");
        let rows = list(&block[name]["input_ids"]);
        let masks = list(&block[name]["attention_mask"]);
        assert_eq!((rows.len(), masks.len()), (texts.len(), texts.len()));
        for ((text, row), mask) in texts.iter().zip(rows).zip(masks) {
            let expected = numbers(row);
            let mut actual = tokenizer.encode(text, max_tokens);
            let used: u32 = numbers(mask).iter().sum();
            assert_eq!(actual.len(), used as usize, "{name} {text:?}: {actual:?}");
            actual.resize(expected.len(), tokenizer.special().pad);
            assert_eq!(actual, expected, "{name} {text:?}");
        }
    }
    texts.len()
}

#[test]
fn golden_tokenizer_texts() {
    for case in Case::all("tokenizer") {
        let case = case.json();
        let texts: usize = list(&case["batches"])
            .iter()
            .map(|block| check(&case, block, usize::MAX))
            .sum();
        assert!(texts > 0);
    }
}

#[test]
fn golden_tokenizer_truncation() {
    for case in Case::all("tokenizer") {
        let case = case.json();
        let block = &case["truncation"];
        let max_tokens = block["max_length"].as_u64().expect("a length") as usize;
        assert!(check(&case, block, max_tokens) > 0);
    }
}

#[test]
fn golden_tokenizer_special_tokens() {
    for case in Case::all("tokenizer") {
        let case = case.json();
        let lines = fs::read_to_string(vocabulary(&case)).expect("the vocabulary is there");
        let tokenizer = WordPiece::read(&vocabulary(&case), WordPieceForm::Xvlm);
        let tokenizer = tokenizer.expect("the vocabulary is whole");
        assert_eq!(tokenizer.len(), lines.lines().count());
        let special = tokenizer.special();
        for (written, id) in [
            ("[PAD]", special.pad),
            ("[UNK]", special.unknown),
            ("[CLS]", special.start),
            ("[SEP]", special.end),
        ] {
            assert_eq!(case["special"][written], id, "{written}");
        }
        let mask = tokenizer.encode("[MASK]", usize::MAX);
        assert_eq!(case["special"]["[MASK]"], mask[1]);
    }
}

#[test]
fn golden_tokenizer_cleaned_questions() {
    for case in Case::all("tokenizer") {
        let case = case.json();
        let questions = list(&case["pre_question"]);
        assert!(!questions.is_empty());
        for question in questions {
            let raw = question["raw"].as_str().expect("a question");
            let max_words = question["max_words"].as_u64().expect("a number") as usize;
            let cleaned = pre_question(raw, max_words);
            assert_eq!(
                question["out"],
                cleaned.as_str(),
                "{raw:?}, {max_words} words"
            );
        }
    }
}
