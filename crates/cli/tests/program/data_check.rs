//! What is wrong with the files of a data set is known before step 1, all of it at once.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Outcome, Place, small_training};

/// A data set in `ds`, four images a split, four questions each.
fn exported() -> Place {
    let place = Place::new();
    place.ok(&[
        "data", "export", "--preset", "cpu", "--format", "folder", "--count", "4", "--to", "ds",
    ]);
    fs::remove_dir_all(place.path().join("ds/features")).expect("features");
    place
}

/// A data set of plain lines in `ds`; images are taken from an export.
fn written(train: &[(&str, &str, &str)], test: &[(&str, &str, &str)]) -> Place {
    let place = exported();
    fs::remove_file(place.path().join("ds/statistical_words.json")).expect("words");
    for (split, lines) in [("train", train), ("validation", train), ("test", test)] {
        let line = |(image, question, answer): &(&str, &str, &str)| {
            serde_json::json!({ "image": image, "question": question, "answers": [answer] })
                .to_string()
        };
        let lines: Vec<_> = lines.iter().map(line).collect();
        place.file(&format!("ds/{split}.jsonl"), lines.join("\n"));
    }
    place
}

fn on_folder<'a>(command: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    let folder = [
        "--preset",
        "cpu",
        "--dataset",
        "folder",
        "--data-root",
        "ds",
    ];
    [command, &folder, more].concat()
}

fn dry_run(place: &Place) -> Outcome {
    place.run(&on_folder(&["train", "--dry-run"], &[]))
}

fn training<'a>(more: &[&'static str]) -> Vec<&'a str> {
    small_training(&[&["--dataset", "folder", "--data-root", "ds"], more].concat())
}

/// Changes a byte that a glance does not look at.
fn spoil_inside(path: &Path) {
    let mut bytes = fs::read(path).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs::write(path, bytes).expect("a file");
}

#[test]
fn all_faults_are_listed_with_number_lines_and_cure() {
    let place = exported();
    let image = |name: &str| place.path().join("ds/images").join(name);
    fs::remove_file(image("train-1.png")).expect("an image");
    fs::write(image("validation-0.png"), "").expect("a file");
    spoil_inside(&image("test-3.png"));
    let checked = place.run(&on_folder(&["data", "check"], &[]));
    assert_eq!(checked.code, Some(3), "{}", checked.stderr);
    for expected in [
        "1. ds/images/train-1.png: it is missing\n",
        "used by `ds/train.jsonl`, lines 5, 6, 7 and 8\n",
        "2. ds/images/validation-0.png: expected an image, found an empty file\n",
        "3. ds/images/test-3.png: not a readable PNG",
        "cure: put the file there",
    ] {
        assert!(checked.stdout.contains(expected), "{}", checked.stdout);
    }
    assert!(
        checked.stderr.contains("3 of 12 files cannot be used"),
        "{}",
        checked.stderr
    );

    let checked = place.run(&on_folder(&["data", "check"], &["--json"]));
    assert_eq!(checked.code, Some(3));
    let found: Value = serde_json::from_str(&checked.stdout).expect("JSON");
    assert_eq!(found["files"], 12);
    let faults = found["faults"].as_array().expect("a list");
    assert_eq!(faults.len(), 3);
    assert_eq!(faults[0]["file"], "ds/images/train-1.png");
    assert_eq!(faults[0]["used_by"][0]["questions"], "ds/train.jsonl");
    assert_eq!(
        faults[0]["used_by"][0]["numbers"],
        serde_json::json!([5, 6, 7, 8])
    );
    assert!(
        faults
            .iter()
            .all(|fault| fault["cure"].is_string() && fault["cause"].is_string())
    );

    let whole = exported();
    let checked = whole.ok(&on_folder(&["data", "check"], &[]));
    assert!(checked.stdout.is_empty());
    assert!(
        checked.stderr.contains("all of 12 files can be used"),
        "{}",
        checked.stderr
    );
}

#[test]
fn a_run_does_not_begin_with_files_that_cannot_be_used() {
    let place = exported();
    let image = |name: &str| place.path().join("ds/images").join(name);
    for name in ["train-0.png", "train-2.png", "validation-3.png"] {
        fs::remove_file(image(name)).expect("an image");
    }
    // A test image is read whole: training would end before it is met.
    spoil_inside(&image("test-1.png"));
    let words = [
        "4 of 12 files of the data set cannot be used",
        "`ds/images/train-0.png`: it is missing (`ds/train.jsonl`, lines 1, 2, 3 and 4)",
        "`ds/images/train-2.png`: it is missing",
        "`ds/images/validation-3.png`: it is missing",
        "`ds/images/test-1.png`: not a readable PNG",
        "aoa data check",
        "on_bad_sample",
    ];
    place.fails(3, &words, &on_folder(&["train", "--dry-run"], &[]));
    place.fails(3, &words, &training(&[]));
    assert!(!place.path().join("run").exists(), "no run was begun");
}

#[test]
fn many_faults_are_counted_and_not_all_printed() {
    let place = exported();
    let line = |number: usize| {
        format!(
            "{{\"image\": \"gone-{number}.png\", \"question\": \"what?\", \"answers\": [\"red\"], \"entities\": []}}\n"
        )
    };
    place.file("ds/train.jsonl", (0..500).map(line).collect::<String>());
    fs::remove_file(place.path().join("ds/statistical_words.json")).expect("words");
    let outcome = dry_run(&place);
    assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    let flat: String = outcome.stderr.split_whitespace().collect();
    assert!(
        flat.contains("500of508filesofthedatasetcannotbeused"),
        "{}",
        outcome.stderr
    );
    assert!(flat.contains("and480more"), "{}", outcome.stderr);
    assert!(outcome.stderr.lines().count() < 100);
}

#[test]
fn samples_of_broken_files_are_left_out_where_that_is_asked_for() {
    let place = exported();
    let image = |name: &str| place.path().join("ds/images").join(name);
    spoil_inside(&image("train-1.png"));
    spoil_inside(&image("test-3.png"));
    let skip = ["--set", "dataset.on_bad_sample=skip"];
    let words = [
        "4 of 16 samples of the train split",
        "max_bad_fraction = 0.01",
    ];
    place.fails(3, &words, &training(&skip));
    assert!(!place.path().join("run").exists());

    let quarter = [&skip[..], &["--set", "dataset.max_bad_fraction=0.25"]].concat();
    let trained = place.ok(&training(&[&quarter[..], &["--stop-after", "1"]].concat()));
    for split in ["train", "test"] {
        let warning = format!("4 samples are left out of the {split} split");
        assert!(trained.stderr.contains(&warning), "{}", trained.stderr);
    }
    let skipped = fs::read_to_string(place.path().join("run/skipped.json")).expect("it is written");
    let skipped: Value = serde_json::from_str(&skipped).expect("JSON");
    assert_eq!(skipped["train"].as_array().map(Vec::len), Some(4));
    assert_eq!(skipped["train"][0]["place"], "`ds/train.jsonl`, line 5");
    assert_eq!(skipped["test"][3]["file"], "ds/images/test-3.png");
    let metrics = fs::read_to_string(place.path().join("run/metrics.jsonl")).expect("metrics");
    assert!(
        metrics.contains("train-1.png"),
        "the warning names the image: {metrics}"
    );

    let resumed = place.ok(&["train", "--resume", "run"]);
    assert!(
        resumed
            .stderr
            .contains("4 samples are left out of the test split")
    );
    let evaluated = place.ok(&["eval", "run"]);
    assert!(
        evaluated.stdout.contains("on 12 samples"),
        "{}",
        evaluated.stdout
    );
    assert!(
        evaluated.stderr.contains("left out of the test split"),
        "{}",
        evaluated.stderr
    );

    // A file that breaks later is not left out: that would be another run.
    fs::remove_file(image("test-0.png")).expect("an image");
    place.fails(
        3,
        &["test-0.png", "`ds/test.jsonl`, lines 1, 2, 3 and 4"],
        &["eval", "run"],
    );
}

#[test]
fn what_a_run_cannot_reach_is_a_warning() {
    let long =
        "in the middle of the very large picture what is the color of the thing on the left side?";
    for (train, test, warning) in [
        (
            &[
                ("train-0.png", long, "red"),
                ("train-1.png", "what?", "blue"),
            ][..],
            &[("test-0.png", "what?", "red")][..],
            "train: 1 of 2 questions (50.00 %) is cut to 9 words; the longest has 19",
        ),
        (
            &[("train-0.png", "what?", "a"), ("train-1.png", "what?", "b")],
            &[("test-0.png", "what?", "c")],
            "test: the answer list has a right answer to 0 of 1 question, so accuracy can be at most 0.00 %",
        ),
        (
            &[
                ("train-0.png", "what?", "red"),
                ("train-1.png", "what?", "blue"),
            ],
            &[
                ("train-0.png", "what?", "red"),
                ("test-0.png", "what?", "red"),
            ],
            "test: 1 image is in the train split, too",
        ),
        (
            &[
                ("train-0.png", "what?", "red"),
                ("train-1.png", "what?", "red"),
            ],
            &[("test-0.png", "which one?", "red")],
            "test: 100.00 % of the words in questions are unknown",
        ),
        (
            &[
                ("train-0.png", "what?", "red"),
                ("train-1.png", "what?", "blue"),
            ],
            &[("test-0.png", "what?", "red")],
            "2 of 2 answers occur in one training sample only",
        ),
    ] {
        let place = written(train, test);
        let dry = place.ok(&on_folder(&["train", "--dry-run"], &[]));
        let stats = place.ok(&on_folder(&["data", "stats"], &[]));
        let trained = place.ok(&training(&["--stop-after", "1"]));
        for outcome in [dry, stats, trained] {
            let expected = format!("warning: {warning}");
            assert!(
                outcome.stderr.contains(&expected),
                "{warning}: {}",
                outcome.stderr
            );
        }
        let metrics = fs::read_to_string(place.path().join("run/metrics.jsonl")).expect("metrics");
        assert!(metrics.contains(warning), "{metrics}");
        assert!(metrics.contains("\"event\":\"data\""), "{metrics}");
        let json = place.ok(&on_folder(&["train", "--dry-run", "--json"], &[]));
        let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
        let told = json["warnings"].as_array().expect("a list");
        assert!(
            told.iter()
                .any(|text| text.as_str().is_some_and(|text| text.starts_with(warning)))
        );
        assert_eq!(json["data"]["splits"][2]["samples"], test.len());
    }
}

#[test]
fn a_data_set_in_order_has_no_warning() {
    let place = Place::new();
    let dry = place.ok(&["train", "--preset", "cpu", "--dry-run"]);
    assert!(!dry.stderr.contains("warning"), "{}", dry.stderr);
    assert!(dry.stderr.contains("answer list: "), "{}", dry.stderr);
    assert!(
        dry.stderr.contains("accuracy can be at most 100.00 %"),
        "{}",
        dry.stderr
    );
}

#[test]
fn stats_say_that_files_cannot_be_used() {
    let place = exported();
    fs::remove_file(place.path().join("ds/images/train-0.png")).expect("an image");
    let stats = place.ok(&on_folder(&["data", "stats"], &[]));
    assert!(
        stats
            .stderr
            .contains("warning: 1 of 12 files cannot be used"),
        "{}",
        stats.stderr
    );
}
