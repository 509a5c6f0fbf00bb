//! Metrics against figures of the published scorers.
//!
//! `AOA_FORMATS` and `AOA_GOLDEN` name folders with further copies of the files, which are compared, too.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Metric, Report, Tally, UNANSWERABLE, Verdicts};
use crate::answers::{AnswerNormalisation, AnswerReading, ReadAnswers, ReadingFacts};
use crate::sample::{Answer, Comparison, Sample};
use crate::text::AnswerList;

/// The copy in the tree, and the one in the folder of the variable.
fn copies(name: &str, variable: &str, file: &str) -> Vec<Value> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    let theirs = std::env::var_os(variable).map(|folder| Path::new(&folder).join(file));
    let read = |path| -> Value {
        let text = std::fs::read_to_string(path).expect("the figures are there");
        serde_json::from_str(&text).expect("JSON")
    };
    [ours].into_iter().chain(theirs).map(read).collect()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    value[key].as_array().expect("a list")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().expect("a text")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

/// Percent with two digits, as the scorer gives it.
fn rounded(score: f64) -> f64 {
    (score * 1e4).round() / 1e2
}

/// A sample as it is read of a line with these votes.
fn voted(votes: &[&str], image: usize, fields: Map<String, Value>) -> Sample {
    let given = votes.iter().map(|vote| (*vote).into()).collect();
    let reading = AnswerReading {
        vote_lengths: [10].into(),
        ..AnswerReading::default()
    };
    let (answers, comparison) =
        reading.read(&ReadAnswers::Given(given), &mut ReadingFacts::default());
    Sample {
        image,
        answers,
        comparison,
        fields: fields.into(),
        ..Sample::default()
    }
}

fn vqa_fields() -> Vec<String> {
    let fields = Metric::Vqa.fields().iter();
    fields.map(|field| (*field).to_owned()).collect()
}

/// Scores questions with `votes` and `prediction`, each of which has to earn its `accuracy`.
fn scored<'a>(cases: &'a [Value], votes: impl Fn(&'a Value) -> Vec<&'a str>) -> Report {
    let mut tally = Tally::new(Metric::Vqa, &vqa_fields());
    for (image, case) in cases.iter().enumerate() {
        let fields = case.as_object().expect("an object").clone();
        let sample = voted(&votes(case), image, fields);
        let score = Metric::Vqa.score(&sample, text(case, "prediction"));
        let expected = number(&case["accuracy"]);
        assert!((rounded(score) - expected).abs() < 1e-9, "{case}: {score}");
        tally.add(&sample, score);
    }
    tally.report()
}

#[track_caller]
fn compare(report: &Report, right: &Value, digits: impl Fn(f64) -> f64) {
    let close = |ours: f64, right: &Value, what: &str| {
        assert!(
            (digits(ours) - number(right)).abs() < 1e-9,
            "{what}: {ours}, {right}"
        );
    };
    close(report.overall.accuracy, &right["overall"], "overall");
    for (field, key) in [
        ("answer_type", "per_answer_type"),
        ("question_type", "per_question_type"),
    ] {
        let of_field = right[key].as_object().expect("an object");
        assert_eq!(report.by[field].len(), of_field.len());
        for (value, right) in of_field {
            close(report.by[field][value].accuracy, right, value);
        }
    }
}

#[test]
fn rules_of_the_vqa_scorer_and_its_means() {
    for file in copies("vqa_metric_rules.json", "AOA_FORMATS", "metric.json") {
        let cases = list(&file["vqa"], "cases");
        assert_eq!(cases.len(), 60);
        let report = scored(cases, |case| {
            let votes = list(case, "votes").iter();
            votes.map(|vote| vote.as_str().expect("a text")).collect()
        });
        compare(&report, &file["vqa"], rounded);
        for case in list(&file, "votes_without_answer_id") {
            let votes = list(case, "votes").iter();
            let votes: Vec<_> = votes.map(|vote| text(vote, "answer")).collect();
            let sample = voted(&votes, 0, Map::new());
            let score = Metric::VizWiz.score(&sample, text(case, "prediction"));
            assert!(
                (rounded(score) - number(&case["accuracy"])).abs() < 1e-9,
                "{case}"
            );
        }
    }
}

#[test]
fn golden_means_of_the_vqa_scorer() {
    for file in copies("vqa_metric.json", "AOA_GOLDEN", "vqa_metric.json") {
        let report = scored(list(&file, "questions"), |case| {
            let votes = list(case, "answers").iter();
            votes.map(|vote| text(vote, "answer")).collect()
        });
        compare(&report, &file["accuracy"], rounded);
        let precise = |score: f64| (score * 1e14).round() / 1e12;
        compare(&report, &file["accuracy_unrounded"], precise);
    }
}

#[test]
fn gqa_counts_balanced_questions_and_compares_answers_as_they_stand() {
    for file in copies("vqa_metric_rules.json", "AOA_FORMATS", "metric.json") {
        let right = &file["gqa"];
        let fields: Vec<_> = Metric::Gqa
            .fields()
            .iter()
            .map(|field| (*field).to_owned())
            .collect();
        let mut tally = Tally::new(Metric::Gqa, &fields);
        for (image, question) in list(right, "questions").iter().enumerate() {
            let types = json!({
                "isBalanced": question["isBalanced"],
                "types": {"structural": question["structural"], "semantic": question["semantic"]},
            });
            let sample = Sample {
                image,
                answers: vec![Answer::only(text(question, "answer"))],
                comparison: Comparison {
                    normalisation: AnswerNormalisation::None,
                    blank: 0.0,
                },
                fields: types.as_object().expect("an object").clone().into(),
                ..Sample::default()
            };
            tally.add(
                &sample,
                Metric::Gqa.score(&sample, text(question, "prediction")),
            );
        }
        let report = tally.report();
        let close = |ours: f64, right: &Value| {
            assert!(
                (rounded(ours) - number(right)).abs() < 1e-9,
                "{ours} {right}"
            );
        };
        close(report.overall.accuracy, &right["accuracy"]);
        for portion in ["binary", "open"] {
            close(report.portions[portion].accuracy, &right[portion]);
        }
        for (field, key) in [
            ("types.structural", "by_structural"),
            ("types.semantic", "by_semantic"),
        ] {
            let kinds = right[key].as_object().expect("an object");
            assert_eq!(report.by[field].len(), kinds.len());
            for (kind, right) in kinds {
                let ours = report.by[field][kind];
                close(ours.accuracy, &right["accuracy"]);
                assert_eq!(
                    Some(ours.samples as u64),
                    right["questions"].as_u64(),
                    "{kind}"
                );
            }
        }
    }
}

#[test]
fn an_answer_is_normalised_unless_all_annotators_agree() {
    let agreed = voted(&["T-Ball"; 10], 0, Map::new());
    for (answer, score) in [("T-Ball", 1.0), ("t ball", 0.0), ("T-Ball.", 0.0)] {
        assert!((agreed.score(answer) - score).abs() < 1e-9, "{answer}");
    }
    let mut votes = ["T-Ball"; 10];
    votes[9] = "tennis";
    let mixed = voted(&votes, 0, Map::new());
    for (answer, score) in [
        ("T-Ball", 1.0),
        ("t ball", 1.0),
        ("The tennis!", 0.3),
        ("red", 0.0),
    ] {
        assert!((mixed.score(answer) - score).abs() < 1e-9, "{answer}");
    }
}

fn visual7w(choices: &[&str], right: &str) -> Sample {
    let fields = json!({"choices": choices, "raw_answer": right});
    Sample {
        fields: fields.as_object().expect("an object").clone().into(),
        ..Sample::default()
    }
}

#[test]
fn of_given_choices_the_most_probable_is_taken() {
    let list = AnswerList::from_json(
        r#"["elsewhere", "in water", "Blue.", "3"]"#,
        Path::new("list"),
    );
    let list = list.expect("a list");
    let metric = Metric::Visual7w;
    let sample = visual7w(&["In the water.", "Blue.", "Three."], "In the water.");
    for (probabilities, answer) in [
        ([0.7, 0.2, 0.1, 0.0], "In the water."),
        ([0.7, 0.1, 0.2, 0.0], "Blue."),
        ([0.7, 0.05, 0.05, 0.2], "Three."),
    ] {
        let given = metric.answer(&sample, &list, &probabilities);
        assert_eq!(given, answer);
        let right = f64::from(answer == "In the water.");
        assert!((metric.score(&sample, &given) - right).abs() < 1e-9);
        assert_eq!(
            Metric::Vqa.answer(&sample, &list, &probabilities),
            "elsewhere"
        );
    }
    assert!((metric.score(&sample, "IN THE WATER.") - 1.0).abs() < 1e-9);
    // None is in the list: neither the first nor the right one by its place.
    let unlisted = visual7w(&["zebra", "yak"], "zebra");
    assert_eq!(metric.answer(&unlisted, &list, &[0.25; 4]), "yak");
}

#[test]
fn an_empty_answer_of_a_list_is_never_given() {
    let list = AnswerList::from_json(r#"["", "a", "b", "c"]"#, Path::new("list")).expect("a list");
    assert_eq!(list.blank(), Some(0));
    let probabilities = [0.5, 0.1, 0.2, 0.100_000_01];
    // Of equal ones the first of the list comes first.
    let ranked = [("b", 0.2), ("a", 0.1), ("c", 0.1)];
    for count in [0, 1, 2, 3, 4, 9] {
        assert_eq!(
            list.ranked(&probabilities, count),
            ranked[..count.min(3)],
            "{count}"
        );
    }
    assert_eq!(
        Metric::Vqa.answer(&Sample::default(), &list, &probabilities),
        "b"
    );
}

#[test]
fn answerability_is_that_of_the_published_scorer() {
    // Expected: scikit-learn's average_precision_score and f1_score.
    let cases = [
        (0.9, json!(0)),
        (0.8, json!(1)),
        (0.6, json!(0)),
        (0.6, json!(1)),
        (0.3, json!(0)),
        (0.1, json!(1)),
        (0.99, json!("unknown")),
    ];
    let mut verdicts = Verdicts::default();
    for (probability, answerable) in cases {
        let fields = Map::from_iter([("answerable".to_owned(), answerable)]);
        let sample = Sample {
            fields: fields.into(),
            ..Sample::default()
        };
        verdicts.add(&sample, probability);
    }
    verdicts.add(&Sample::default(), 1.0);
    let measured = verdicts.measure().expect("some are unanswerable");
    let average_precision = (1.0 + 0.5 + 0.6) / 3.0;
    assert!(
        (measured.average_precision - average_precision).abs() < 1e-12,
        "{measured:?}"
    );
    assert!((measured.f1 - 4.0 / 7.0).abs() < 1e-12, "{measured:?}");
    assert_eq!((measured.samples, measured.unanswerable), (6, 3));
    assert_eq!(Verdicts::default().measure(), None);
    assert_eq!(UNANSWERABLE, "unanswerable");
}

/// A tally of `images` images with two questions each, of which `right` earn 1.
fn tally(images: usize, right: impl Fn(usize) -> f64) -> Report {
    let mut tally = Tally::new(Metric::Vqa, &["kind".to_owned(), "absent".to_owned()]);
    for image in 0..images {
        for question in 0..2 {
            let kind = if image == 0 && question == 0 {
                json!(1)
            } else {
                json!("a")
            };
            let sample = Sample {
                image,
                fields: Map::from_iter([("kind".to_owned(), kind)]).into(),
                ..Sample::default()
            };
            tally.add(&sample, right(image));
        }
    }
    tally.report()
}

#[test]
fn an_interval_is_repeatable_and_that_of_whole_images() {
    let report = tally(400, |image| f64::from(image % 4 != 0));
    assert_eq!(report, tally(400, |image| f64::from(image % 4 != 0)));
    let [low, high] = report.overall.interval.expect("an interval");
    assert!((report.overall.accuracy - 0.75).abs() < 1e-12);
    // Of 400 images, not of 800 questions: 1.96 x sqrt(0.75 x 0.25 / 400) = 0.0424 on each side.
    assert!((0.036..0.049).contains(&(0.75 - low)), "{low}");
    assert!((0.036..0.049).contains(&(high - 0.75)), "{high}");
    // Nothing varies.
    assert_eq!(tally(30, |_| 1.0).overall.interval, Some([1.0, 1.0]));
    assert_eq!(tally(1, |_| 1.0).overall.interval, None);
    let by = &report.by["kind"];
    assert_eq!(
        (by["a"].samples, by["1"].samples, by["1"].interval),
        (799, 1, None)
    );
    assert!(!report.by.contains_key("absent"));
}

#[test]
fn layouts_decide_on_the_metric() {
    for (layouts, metric) in [
        (&[][..], Some(Metric::Vqa)),
        (&["vqa2", "visual-genome"], Some(Metric::Vqa)),
        (&["visual-genome"], Some(Metric::Vqa)),
        (&["gqa"], Some(Metric::Gqa)),
        (&["vizwiz"], Some(Metric::VizWiz)),
        (&["visual7w"], Some(Metric::Visual7w)),
        (&["gqa", "vqa2"], None),
    ] {
        assert_eq!(Metric::of_layouts(layouts), metric, "{layouts:?}");
    }
}
