//! Questions and answers as word pieces.

mod support;

use std::path::Path;

use data_pipeline::{
    Answer, AnswerList, DataError, Encoder, Pieces, Sample, WordPiece, WordPieceForm,
};
use proptest::prelude::*;
use support::Questions;

fn sample(question: &str, answers: &[&str]) -> Sample {
    Sample {
        image: 0,
        question: question.to_owned(),
        answers: answers.iter().map(|text| Answer::only(*text)).collect(),
        ..Sample::default()
    }
}

fn samples() -> Vec<Sample> {
    vec![
        sample("What COLOUR is the T-shirt?", &["dark red", "red"]),
        sample("what is it, a cat (or a dog)?", &["dog"]),
        sample("is it red?", &["yes", "no"]),
    ]
}

fn built() -> WordPiece {
    WordPiece::build(&samples(), WordPieceForm::Xvlm).expect("words")
}

/// The tokenizer and the pieces of the samples' answers.
fn pieces(max_pieces: usize) -> (AnswerList, Pieces) {
    let answers = AnswerList::build(&samples()).expect("answers");
    let pieces = Pieces::new(built(), max_pieces, 9, &answers).expect("distinct answers");
    (answers, pieces)
}

fn words(tokenizer: &WordPiece, ids: &[u32]) -> String {
    let text = tokenizer.to_text();
    let all: Vec<_> = text.lines().collect();
    let words: Vec<_> = ids.iter().map(|id| all[*id as usize]).collect();
    words.join(" ")
}

#[test]
fn a_built_vocabulary_has_the_words_by_count_then_alphabet() {
    assert_eq!(
        built().to_text().lines().collect::<Vec<_>>(),
        [
            "[PAD]", "[UNK]", "[CLS]", "[SEP]", "is", "red", "a", "dog", "it", "what", "cat",
            "colour", "dark", "no", "or", "shirt", "t", "the", "yes"
        ]
    );
    let none = WordPiece::build(&[sample("?!", &[])], WordPieceForm::Xvlm).expect_err("no word");
    assert_eq!(none.to_string(), "1 training sample holds no word");
}

#[test]
fn a_built_vocabulary_does_not_know_other_words() {
    let tokenizer = built();
    for (text, expected) in [
        ("what is it", "[CLS] what is it"),
        ("cats redder dogma", "[CLS] [UNK] [UNK] [UNK]"),
        ("is [SEP]red", "[CLS] is [SEP] red"),
        ("##t [猫]", "[CLS] [UNK] [UNK] t [UNK] [UNK] [UNK]"),
    ] {
        let ids = tokenizer.encode(text, usize::MAX);
        assert_eq!(words(&tokenizer, &ids), expected);
    }
}

#[test]
fn questions_are_cleaned_and_cut_and_have_no_end_token() {
    for (max_pieces, expected) in [
        (9, "[CLS] what colour is the t shirt"),
        (3, "[CLS] what colour"),
        (1, "[CLS]"),
    ] {
        let (_, pieces) = pieces(max_pieces);
        let ids = pieces.question("What colour is the T-shirt?!");
        assert_eq!(words(pieces.tokenizer(), &ids), expected);
    }
}

#[test]
fn the_table_of_answers_has_a_row_for_each() {
    let (answers, pieces) = pieces(9);
    let table = pieces.answers();
    assert_eq!((table.rows(), table.width), (answers.len(), 4));
    for (row, answer) in answers.answers().iter().enumerate() {
        let written = words(pieces.tokenizer(), table.row(row));
        assert_eq!(written, format!("[CLS] {answer} [SEP]"));
        let padding = &table.ids[row * 4 + table.lengths[row]..(row + 1) * 4];
        assert!(
            padding
                .iter()
                .all(|id| *id == pieces.tokenizer().special().pad)
        );
    }
}

#[test]
fn answers_that_would_be_written_alike_are_refused() {
    for (first, second) in [("Blue", "blue"), ("sale", "salé"), ("t - shirt", "t-shirt")] {
        let samples = [sample("what?", &[first, second])];
        let answers = AnswerList::build(&samples).expect("answers");
        let tokenizer = WordPiece::build(&samples, WordPieceForm::Xvlm).expect("words");
        let error = Pieces::new(tokenizer, 9, 9, &answers).expect_err("alike");
        let expected = format!(
            "these answers differ only in what the word pieces leave out, such as upper case and accents: `{first}` and \
             `{second}`"
        );
        assert_eq!(error.to_string(), expected);
        assert!(error.hint().is_some());
    }
    // All pairs at once, with their places, but not without end.
    let samples: Vec<_> = (0..12)
        .flat_map(|number| [format!("a{number}"), format!("A{number}")])
        .map(|answer| sample("what?", &[&answer]))
        .collect();
    let answers = AnswerList::build(&samples).expect("answers");
    let tokenizer = WordPiece::build(&samples, WordPieceForm::Xvlm).expect("words");
    let error = Pieces::of_training(tokenizer, 9, 9, &answers, &Questions(samples));
    let message = error.expect_err("alike").to_string();
    for expected in [
        "`A0` (sample 1) and `a0` (sample 0); ",
        "; and 2 more pairs",
    ] {
        assert!(message.contains(expected), "{message}");
    }
    let refused = Pieces::new(built(), 0, 9, &answers);
    assert!(matches!(refused, Err(DataError::Setting { .. })));
}

#[test]
fn answers_that_a_vocabulary_cannot_write_are_said_to_be_so() {
    let samples = [
        sample("q", &["猫", "dog"]),
        sample("q", &["犬", "red"]),
        sample("q", &["red 鳥", "dog"]),
        sample("q", &["red 魚"]),
    ];
    let answers = AnswerList::build(&samples).expect("answers");
    let refused = Pieces::of_training(built(), 9, 9, &answers, &Questions(samples.into()));
    let error = refused.expect_err("cats and dogs are unknown");
    let expected = "4 answers cannot be written with the tokens of the vocabulary of the training split, for example \
        `red 魚` (sample 3), `red 鳥` (sample 2), `犬` (sample 1)";
    assert_eq!(error.to_string(), expected);
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("`xvlm.vocabulary`"))
    );

    let read = WordPiece::from_text(
        &built().to_text(),
        Path::new("bert/vocab.txt"),
        WordPieceForm::Xvlm,
    );
    let refused = Pieces::new(read.expect("tokens"), 9, 9, &answers);
    let message = refused.expect_err("cats and dogs are unknown").to_string();
    assert!(
        message.contains("the tokens of `bert/vocab.txt`, for example `red 魚`, "),
        "{message}"
    );

    // One that is unknown is told from all others.
    let answers = AnswerList::build(&[sample("q", &["猫", "dog"])]).expect("answers");
    assert!(Pieces::new(built(), 9, 9, &answers).is_ok());
}

#[test]
fn an_answer_that_is_too_long_is_refused_by_its_beginning() {
    let long = "red ".repeat(40);
    let answers = AnswerList::build(&[sample("q", &[long.trim(), "dog"])]).expect("answers");
    assert!(Pieces::new(built(), 9, 42, &answers).is_ok());
    let error = Pieces::new(built(), 9, 41, &answers).expect_err("too long");
    assert_eq!(
        error.to_string(),
        format!(
            "the answer `{}…` has 42 word pieces; the model reads up to 41",
            "red ".repeat(15)
        )
    );
    assert!(error.hint().is_some());
}

#[test]
fn asked_questions_have_pieces_where_the_encoder_has_a_tokenizer() {
    let mut encoder = Encoder::build(&Questions(samples()), 9, 8).expect("words and answers");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/formats/rgb.png");
    let image = std::fs::read(path).expect("fixture");
    let questions = ["is it red?", "Is it?"];
    let without = encoder.ask(&image, &questions).expect("a whole PNG");
    assert_eq!(without.pieces, None);

    encoder.pieces = Some(pieces(5).1);
    let batch = encoder.ask(&image, &questions).expect("a whole PNG");
    let table = batch.pieces.expect("there is a tokenizer");
    assert_eq!((table.rows(), table.width, table.pad), (2, 5, 0));
    assert_eq!(table.lengths, [4, 3]);
    let tokenizer = built();
    assert_eq!(words(&tokenizer, &table.ids[..5]), "[CLS] is it red [PAD]");
    assert_eq!(words(&tokenizer, table.row(1)), "[CLS] is it");
}

proptest! {
    #[test]
    fn a_built_vocabulary_survives_saving_and_knows_its_words(
        texts in prop::collection::vec("(\\PC|\\s|cat){1,30}", 1..6),
    ) {
        let samples: Vec<_> = texts.iter().map(|text| sample("what", &[text])).collect();
        let tokenizer = WordPiece::build(&samples, WordPieceForm::Xvlm).expect("a word");
        let read = WordPiece::from_text(&tokenizer.to_text(), Path::new("vocab.txt"), WordPieceForm::Xvlm);
        prop_assert_eq!(&read.expect("as written"), &tokenizer);
        for text in &texts {
            let ids = tokenizer.encode(text, usize::MAX);
            prop_assert!(!ids.contains(&tokenizer.special().unknown), "{:?}", text);
        }
    }
}
