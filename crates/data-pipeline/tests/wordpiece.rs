//! Word pieces from both kinds of file, and what is wrong with a file.

use std::fs;

use data_pipeline::{DataError, WordPiece, WordPieceForm, pre_question};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

const TOKENS: [&str; 12] = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##aff", "##able", "cat", "?", "北",
    "strasse",
];

fn read(file: &str, content: impl AsRef<[u8]>) -> Result<WordPiece, DataError> {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join(file);
    fs::write(&path, content).expect("it is written");
    WordPiece::read(&path, WordPieceForm::Bert)
}

fn tokenizer() -> WordPiece {
    read("vocab.txt", TOKENS.join("\n")).expect("a whole vocabulary")
}

/// A `tokenizer.json` with [`TOKENS`].
fn tokenizer_json() -> Value {
    let vocabulary: serde_json::Map<_, _> = (0..)
        .zip(TOKENS)
        .map(|(id, token): (u32, _)| (token.to_owned(), id.into()))
        .collect();
    json!({
        "added_tokens": [{"id": 0, "content": "[PAD]"}, {"id": 4, "content": "[MASK]"}],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": true,
            "handle_chinese_chars": true,
            "strip_accents": null,
            "lowercase": true,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    })
}

#[test]
fn texts_are_cut_into_the_longest_pieces() {
    let tokenizer = tokenizer();
    assert_eq!(tokenizer.len(), TOKENS.len());
    for (text, expected) in [
        ("", &[2, 3][..]),
        ("Unaffable CAT?", &[2, 5, 6, 7, 8, 9, 3]),
        ("unaffably cat", &[2, 1, 8, 3]),
        ("ÇÁT cát\u{200b} c\u{301}at", &[2, 8, 8, 8, 3]),
        ("cat北cat", &[2, 8, 10, 8, 3]),
        ("cat [SEP]cat [sep]", &[2, 8, 3, 8, 1, 1, 1, 3]),
    ] {
        assert_eq!(tokenizer.encode(text, 99), expected, "{text:?}");
    }
}

#[test]
fn a_text_is_never_longer_than_allowed() {
    let tokenizer = tokenizer();
    for (max_tokens, expected) in [(4, &[2, 8, 8, 3][..]), (2, &[2, 3]), (1, &[3]), (0, &[])] {
        assert_eq!(tokenizer.encode("cat cat cat", max_tokens), expected);
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_token() {
    let marked = format!("\u{feff}{}", TOKENS.join("\r\n"));
    assert_eq!(
        read("vocab.txt", marked).expect("a whole file"),
        tokenizer()
    );
    let marked = format!("\u{feff}{}", tokenizer_json());
    let json = read("tokenizer.json", marked).expect("a whole file");
    assert_eq!(json, tokenizer());
}

#[test]
fn both_files_give_the_same_tokenizer() {
    for strip_accents in [Value::Null, true.into()] {
        let mut json = tokenizer_json();
        json["normalizer"]["strip_accents"] = strip_accents;
        let from_json = read("tokenizer.json", json.to_string()).expect("a whole file");
        assert_eq!(from_json, tokenizer());
    }
}

#[test]
fn questions_are_cleaned_word_by_word() {
    for (question, max_words, expected) in [
        ("Left/right, or UP-down ?  ", 9, "left right or up down"),
        ("  two  spaces", 4, "  two "),
        ("It's: (a) \"b\"!", 2, "its a"),
        ("?", 3, ""),
    ] {
        assert_eq!(pre_question(question, max_words), expected, "{question:?}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("vocab.txt");
    let error = WordPiece::read(&path, WordPieceForm::Xvlm).expect_err("there is no file");
    let expected = format!("there is no vocabulary `{}`", path.display());
    assert_eq!(error.to_string(), expected);
    let hint = error.hint().expect("a cure");
    assert!(hint.contains("`xvlm.vocabulary`"), "{hint}");
}

#[test]
fn every_special_token_is_needed() {
    for missing in ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] {
        let tokens: Vec<_> = TOKENS
            .into_iter()
            .filter(|token| *token != missing)
            .collect();
        let error = read("vocab.txt", tokens.join("\n")).expect_err("a token is missing");
        let message = error.to_string();
        assert!(
            message.ends_with(&format!("vocab.txt`: there is no token `{missing}`")),
            "{message}"
        );
        assert!(error.hint().is_some());
    }
}

/// Models mask padding by its id, which is 0.
#[test]
fn padding_comes_first() {
    let mut tokens = TOKENS.to_vec();
    tokens.swap(0, 3);
    let error = read("vocab.txt", tokens.join("\n")).expect_err("padding is token 3");
    let message = error.to_string();
    assert!(message.ends_with("`[PAD]` is token 3"), "{message}");
    assert!(error.hint().is_some());
}

#[test]
fn broken_vocabularies_are_refused() {
    for (content, expected) in [
        (&b""[..], "vocab.txt`: the list is empty"),
        (
            b"[PAD]\n\n[UNK]",
            "vocab.txt`, line 2: expected a word, found ``",
        ),
        (
            b"[PAD]\ncat\ncat",
            "vocab.txt`, line 3: `cat` is already on an earlier line",
        ),
        (
            b"[PAD]\n\xff\xfe",
            "vocab.txt`, line 2: not UTF-8, which text files must be",
        ),
    ] {
        let message = read("vocab.txt", content)
            .expect_err("not a vocabulary")
            .to_string();
        assert!(message.ends_with(expected), "{message}");
    }
}

#[test]
fn broken_json_is_named_by_line() {
    for content in ["", "{\"model\":\n", "[PAD]\n[UNK]"] {
        let error = read("tokenizer.json", content).expect_err("not JSON");
        assert!(matches!(error, DataError::Json { .. }), "{error}");
    }
}

#[test]
fn other_tokenizers_are_refused() {
    for (pointer, value, expected) in [
        (
            "/model/type",
            json!("BPE"),
            "model.type: expected \"WordPiece\", found \"BPE\"",
        ),
        (
            "/model",
            json!({"merges": []}),
            "model.type: expected \"WordPiece\", found null",
        ),
        (
            "/model/continuing_subword_prefix",
            json!("@@"),
            "prefix: expected \"##\", found \"@@\"",
        ),
        (
            "/normalizer",
            Value::Null,
            "normalizer.type: expected \"BertNormalizer\", found null",
        ),
        (
            "/normalizer/lowercase",
            json!(false),
            "lowercase: expected true, found false",
        ),
        (
            "/normalizer/strip_accents",
            json!(false),
            "strip_accents: expected true, found false",
        ),
        (
            "/pre_tokenizer/type",
            json!("Whitespace"),
            "found \"Whitespace\"",
        ),
        (
            "/added_tokens/1/content",
            json!("[DEC]"),
            "[SEP], [MASK], found \"[DEC]\"",
        ),
        (
            "/model/vocab",
            json!([["cat", 0]]),
            "found invalid type: sequence, expected a map",
        ),
        (
            "/model/vocab",
            json!({"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "two words": 4}),
            "expected tokens without white space, found `two words`",
        ),
        (
            "/model/vocab/cat",
            json!(-8),
            "found invalid value: integer `-8`, expected u32",
        ),
        (
            "/model/vocab/cat",
            json!(80),
            "expected a token with id 8, found id 9 for `?`",
        ),
        (
            "/model/vocab/cat",
            json!(9),
            "expected a token with id 8, found id 9 for `?`",
        ),
    ] {
        let mut json = tokenizer_json();
        *json.pointer_mut(pointer).expect("the key is there") = value;
        let error = read("tokenizer.json", json.to_string()).expect_err("another tokenizer");
        let message = error.to_string();
        assert!(
            message.contains("tokenizer.json`, ") && message.ends_with(expected),
            "{message}"
        );
        assert!(error.hint().is_some());
    }
}

proptest! {
    #[test]
    fn any_text_becomes_tokens(text in "(\\PC|\\s|\\[SEP\\]|cat){0,40}", max_tokens in 2_usize..50) {
        let tokenizer = tokenizer();
        let ids = tokenizer.encode(&text, max_tokens);
        prop_assert!(ids.len() <= max_tokens);
        prop_assert_eq!((ids[0], ids[ids.len() - 1]), (2, 3));
        prop_assert!(ids.iter().all(|id| (*id as usize) < tokenizer.len()));
        prop_assert_eq!(tokenizer.encode(&text, usize::MAX).len() <= max_tokens, tokenizer.encode(&text, usize::MAX) == ids);
    }

    #[test]
    fn any_question_is_cleaned(question in any::<String>(), max_words in 0_usize..9) {
        let cleaned = pre_question(&question, max_words);
        prop_assert!(!cleaned.contains(['?', ',', '-', '/']));
        prop_assert!(cleaned.matches(' ').count() <= max_words);
    }
}
