//! Normalising and scoring against the official scorer of VQA.

use std::path::Path;

use serde_json::Value;

use super::normalise::{AnswerNormalisation, marks, normalise_answer, words};
use super::votes::Votes;

fn golden(file: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let text = std::fs::read_to_string(folder.join(file)).expect("the golden numbers are there");
    serde_json::from_str(&text).expect("JSON")
}

fn list<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    value[key].as_array().expect("a list")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().expect("a text")
}

#[test]
fn golden_steps_of_the_normaliser() {
    let file = golden("vqa_metric.json");
    let cases = list(&file, "normaliser");
    assert!(cases.len() > 600);
    for case in cases {
        let raw = text(case, "raw");
        assert_eq!(marks(raw), text(case, "after_punctuation"), "{raw:?}");
        assert_eq!(
            words(&marks(raw)),
            text(case, "after_digit_article"),
            "{raw:?}"
        );
        // What is added for other languages changes none of them.
        let cleaned = raw.replace(['\n', '\t'], " ");
        assert_eq!(
            normalise_answer(raw),
            words(&marks(cleaned.trim())),
            "{raw:?}"
        );
    }
    for case in list(&file, "contractions") {
        assert_eq!(normalise_answer(text(case, "raw")), text(case, "out"));
    }
}

/// Percent with two digits.
fn rounded(score: f64) -> f64 {
    (score * 1e4).round() / 1e2
}

#[track_caller]
fn check(votes: &[&str], prediction: &str, accuracy: f64) {
    let votes = Votes::new(votes, AnswerNormalisation::Vqa);
    let score = votes.score(prediction);
    assert!(
        (rounded(score) - accuracy).abs() < 1e-9,
        "{votes:?} {prediction:?}: {score}"
    );
    // What a model is trained with is what it is scored with.
    let answers = votes.answers();
    for answer in &answers {
        assert!((f64::from(answer.score) - votes.score(&answer.text)).abs() < 1e-6);
    }
    let weights: f32 = answers.iter().map(|answer| answer.weight).sum();
    assert!(answers.is_empty() || (weights - 1.0).abs() < 1e-5);
}

#[test]
fn golden_accuracy_of_predictions() {
    let file = golden("vqa_metric.json");
    let questions = list(&file, "questions");
    assert_eq!(questions.len(), 300);
    let mut total = 0.0;
    for question in questions {
        let votes: Vec<_> = list(question, "answers")
            .iter()
            .map(|vote| text(vote, "answer"))
            .collect();
        let accuracy = question["accuracy"].as_f64().expect("a number");
        check(&votes, text(question, "prediction"), accuracy);
        total += Votes::new(&votes, AnswerNormalisation::Vqa).score(text(question, "prediction"));
    }
    let overall = file["accuracy"]["overall"].as_f64().expect("a number");
    assert!((rounded(total / 300.0) - overall).abs() < 1e-9);
}

#[test]
fn golden_rules_of_the_scorer() {
    let file = golden("vqa_metric_rules.json");
    let cases = list(&file["vqa"], "cases");
    assert_eq!(cases.len(), 60);
    for case in cases {
        let votes = list(case, "votes").iter();
        let votes: Vec<_> = votes.map(|vote| vote.as_str().expect("a text")).collect();
        let accuracy = case["accuracy"].as_f64().expect("a number");
        check(&votes, text(case, "prediction"), accuracy);
    }
    let cases = list(&file, "votes_without_answer_id");
    assert_eq!(cases.len(), 4);
    for case in cases {
        let votes: Vec<_> = list(case, "votes")
            .iter()
            .map(|vote| text(vote, "answer"))
            .collect();
        let accuracy = case["accuracy"].as_f64().expect("a number");
        check(&votes, text(case, "prediction"), accuracy);
    }
}

#[test]
fn any_number_of_annotators_is_scored_by_the_rule() {
    let votes = |counts: &[(&'static str, usize)]| -> Vec<&'static str> {
        counts
            .iter()
            .flat_map(|(text, count)| vec![*text; *count])
            .collect()
    };
    let nine = votes(&[("yes", 4), ("no", 3), ("maybe", 2)]);
    let eleven = votes(&[("yes", 4), ("no", 3), ("maybe", 2), ("red", 1), ("blue", 1)]);
    for (given, answer, sixth) in [
        (&nine, "yes", 1.0),
        (&nine, "no", 0.888_889),
        (&nine, "maybe", 0.592_593),
        (&eleven, "no", 0.909_091),
        (&eleven, "maybe", 0.606_061),
        (&eleven, "blue", 0.303_030),
    ] {
        let score = Votes::new(given, AnswerNormalisation::None).score(answer);
        assert!((score - sixth).abs() < 1e-6, "{answer}: {score}");
    }
    assert!(
        (Votes::new(["a", "a"], AnswerNormalisation::None).score("a") - 1.0 / 3.0).abs() < 1e-9
    );
}

#[test]
fn blank_votes_count_among_the_annotators_and_make_no_answer() {
    let votes = Votes::new(
        ["the", " ", "2", "two", "2.", "red"],
        AnswerNormalisation::Vqa,
    );
    assert_eq!((votes.annotators(), votes.blank()), (6, 2));
    let answers = votes.answers();
    let texts: Vec<_> = answers.iter().map(|answer| answer.text.as_str()).collect();
    assert_eq!(texts, ["2", "red"]);
    // Five sixths of what each of three others would be worth.
    assert!((votes.score("2") - (3.0 + 3.0 * 2.0 / 3.0) / 6.0).abs() < 1e-9);
    assert!((answers[0].weight - 0.75).abs() < 1e-6);
}

#[test]
fn marks_of_other_languages_make_no_other_answer() {
    for (written, expected) in [
        ("红色。", "红色"),
        ("红色", "红色"),
        ("「红色」！", "红色"),
        ("“红色”", "红色"),
        ("红，白、蓝", "红 白 蓝"),
        ("　红色　", "红色"),
        ("２", "2"),
        ("ｔｗｏ", "2"),
        ("１，０００", "1000"),
        ("１２：３０", "12:30"),
        ("赤です。", "赤です"),
        ("أحمر؟", "أحمر"),
        ("लाल।", "लाल"),
        ("cafe\u{301}", "café"),
        // As the scorer has it.
        ("don’t", "don’t"),
        ("5…", "5…"),
    ] {
        assert_eq!(normalise_answer(written), expected, "{written:?}");
        assert_eq!(AnswerNormalisation::None.of(written), written.trim());
    }
}

/// What takes the short way gives what all steps give.
#[test]
fn plain_answers_are_normalised_as_all_are() {
    for text in [
        "the two Dogs",
        " a  b ",
        "ten",
        "dont",
        "it s",
        "A",
        "",
        "3",
        "none of the above",
        "Yes",
        "x\ty\nz",
    ] {
        let whole =
            super::normalise::words(&super::normalise::marks(&super::normalise::trimmed(text)));
        assert_eq!(super::normalise_answer(text), whole, "{text:?}");
    }
}
