//! Official files become a data set that trains.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Outcome, Place};

fn samples(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../data-import/tests/formats")
        .join(name)
}

fn import(place: &Place, name: &str, more: &[&str]) -> Outcome {
    let source = samples(name);
    let mut arguments = vec![
        "data",
        "import",
        source.to_str().expect("a path"),
        "--to",
        "ds",
    ];
    arguments.extend(more);
    place.ok(&arguments)
}

#[test]
fn an_import_says_what_it_recognised_and_counts_each_split() {
    let place = Place::new();
    let outcome = import(&place, "vqa2", &[]);
    for words in [
        "recognised vqa2: train, val, nominival, minival, test, testdev",
        "train: 6 questions about 3 images (train 6)",
        "validation: 3 questions about 2 images (val 3)",
        "test: 3 questions about 2 images (test 3)",
        "images train2014: 3 in ",
    ] {
        assert!(
            outcome.stdout.contains(words),
            "{words}: {}",
            outcome.stdout
        );
    }
    assert!(
        outcome.stderr.contains("--dataset folder --data-root ds"),
        "{}",
        outcome.stderr
    );
    assert!(!outcome.stderr.contains("missing"), "{}", outcome.stderr);
    let entries: Vec<_> = fs::read_dir(place.path().join("ds")).expect("ds").collect();
    assert_eq!(entries.len(), 4, "no image is copied: {entries:?}");
    place.ok(&["data", "check", "--dataset", "folder", "--data-root", "ds"]);

    let source = samples("vqa2");
    let again = [
        "data",
        "import",
        source.to_str().expect("a path"),
        "--to",
        "ds",
    ];
    place.fails(
        3,
        &["ds", "is there already", "name a new or an empty folder"],
        &again,
    );
    let json = import_json(&place);
    assert_eq!(json["splits"][0]["questions"], 6);
}

fn import_json(place: &Place) -> Value {
    fs::remove_dir_all(place.path().join("ds")).expect("ds");
    let outcome = import(place, "vqa2", &["--json"]);
    serde_json::from_str(&outcome.stdout).expect("JSON")
}

#[test]
fn questions_without_a_right_answer_are_trained_on() {
    let place = Place::new();
    import(
        &place,
        "lxmert",
        &["--train", "train", "--validation", "nominival"],
    );
    // Micro-batches of one sample: one of them has no answer at all, for either branch.
    let settings = "train --preset cpu-both --dataset folder --data-root ds --set training.batch_size=1 \
                    --set training.update_freq=4 --set training.epochs=1 --set evaluation.question_only_epochs=0 \
                    --set dataset.image_size=32 --set logging.run_dir=run --set hardware.parallel_micro_batches=1";
    let outcome = place.ok(&settings.split_whitespace().collect::<Vec<_>>());
    assert!(!outcome.stderr.contains("NaN"), "{}", outcome.stderr);
    let metrics = fs::read_to_string(place.path().join("run/metrics.jsonl")).expect("metrics");
    assert!(metrics.contains("\"loss\""), "{metrics}");
}

#[test]
fn the_answer_list_is_limited_or_read_from_a_file() {
    let place = Place::new();
    import(&place, "xvlm", &[]);
    let list = |set: &str| {
        let settings = "train --preset cpu --dataset folder --data-root ds --dry-run --set dataset.validation_fraction=0.4";
        let mut arguments: Vec<&str> = settings.split_whitespace().collect();
        if !set.is_empty() {
            arguments.extend(["--set", set]);
        }
        place.ok(&arguments).stderr
    };
    for (set, expected) in [
        ("", "answer list: 6 answers"),
        ("answers.top=2", "answer list: 2 answers"),
        ("answers.file=ds/answers.json", "answer list: 11 answers"),
    ] {
        let told = list(set);
        assert!(told.contains(expected), "{set}: {told}");
    }
    let settings =
        "train --preset cpu --dataset folder --data-root ds --dry-run --set answers.min_count=9";
    let settings: Vec<&str> = settings.split_whitespace().collect();
    place.fails(3, &["answers.min_count"], &settings);
}
