//! Advice at the end of a run.

use std::fs;

use serde_json::Value;

use crate::support::{Outcome, Place};

/// A run of some steps with 32 samples each on a few generated images.
const RUN: &str = "train --preset cpu --set dataset.shapes_train_images=64 --set dataset.shapes_validation_images=4 \
                   --set dataset.shapes_test_images=4 --set dataset.image_size=32 --set model.num_hid=32 \
                   --set model.word_dim=16 --set model.image_width=16 --set training.epochs=2 \
                   --set evaluation.question_only_epochs=0 --set hardware.parallel_micro_batches=1";

fn run(place: &Place, run_dir: &str, more: &str) -> Outcome {
    let arguments = format!("{RUN} --set logging.run_dir={run_dir} {more}");
    place.ok(&arguments.split_whitespace().collect::<Vec<_>>())
}

/// The advice in a run's result.
fn advice(place: &Place, run_dir: &str) -> Value {
    let path = place.path().join(run_dir).join("summary.json");
    let text = fs::read_to_string(path).expect("summary.json");
    let summary: Value = serde_json::from_str(&text).expect("JSON");
    summary["advice"].clone()
}

fn changes(advice: &Value) -> Vec<(&str, &Value)> {
    let changes = advice["changes"].as_array().expect("changes").iter();
    changes
        .map(|one| (one["key"].as_str().expect("a key"), &one["value"]))
        .collect()
}

fn changed(advice: &Value, key: &str) -> Option<u64> {
    let mut changes = changes(advice).into_iter();
    changes.find(|(one, _)| *one == key)?.1.as_u64()
}

/// The most bytes that a run took.
fn peak(advice: &Value) -> u64 {
    let peaks = &advice["measured"]["phase_peak_bytes"];
    let peaks = peaks.as_object().expect("phases").values();
    peaks.filter_map(Value::as_u64).max().expect("a peak")
}

/// The configuration that a run with the overlay would have.
fn with_overlay(place: &Place, overlay: &str) -> Value {
    let outcome = place.ok(&["train", "--dry-run", "--json", "--config", overlay]);
    let answer: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    answer
}

#[test]
fn a_run_with_room_is_told_to_take_larger_micro_batches() {
    let place = Place::new();
    let sizes = "--set training.batch_size=4 --set training.update_freq=8 --set training.lr=1e-3";
    let outcome = run(&place, "run", &format!("{sizes} --memory-budget 1GiB"));
    let advice = advice(&place, "run");
    assert_eq!(
        changed(&advice, "training.batch_size"),
        Some(32),
        "{advice}"
    );
    assert_eq!(changed(&advice, "training.update_freq"), Some(1));
    for words in [
        "advice for the next run",
        "run/advice.toml",
        "training.batch_size=32",
    ] {
        assert!(
            outcome.stderr.contains(words),
            "{words}: {}",
            outcome.stderr
        );
    }
    let peaks = &advice["measured"]["phase_peak_bytes"];
    for phase in ["load", "forward", "backward", "update", "evaluation"] {
        assert!(
            peaks[phase].as_u64().is_some_and(|bytes| bytes > 0),
            "{phase}"
        );
    }
    assert!(peaks["storage"].is_null(), "the budget does not bind it");

    // The overlay is the run with the advice on top, in a folder of its own.
    let next = with_overlay(&place, "run/advice.toml");
    assert_eq!(next["preset"], "cpu");
    assert_eq!(next["effective_batch"], 32);
    assert_eq!(next["config"]["training"]["batch_size"], 32);
    assert_eq!(next["config"]["training"]["lr"], 1e-3);
    assert_eq!(next["config"]["hardware"]["memory_budget"], "1GiB");
    assert_eq!(next["config"]["logging"]["run_dir"], "");
    let text = fs::read_to_string(place.path().join("run/advice.toml")).expect("the overlay");
    for line in text.lines().filter(|line| line.contains(" = ")) {
        assert!(
            line.contains("  # ") || line.starts_with("extends"),
            "{line}"
        );
    }

    // The next run is as large as can be, and is not told anything about it.
    let args = [
        "train",
        "--config",
        "run/advice.toml",
        "--set",
        "logging.run_dir=next",
    ];
    let outcome = place.ok(&args);
    let expected = advice["measured"]["training"]["expected_peak_bytes"]["32"].as_u64();
    let expected = expected.expect("a peak to expect");
    let advice = self::advice(&place, "next");
    let took = peak(&advice);
    assert!(
        took <= expected && 3 * expected <= 4 * took,
        "{expected} for {took}"
    );
    assert_eq!(changed(&advice, "training.batch_size"), None, "{advice}");
    // The reason is in the summary; nobody is told that there is nothing to tell.
    assert!(!outcome.stderr.contains("advice"), "{}", outcome.stderr);
    assert!(
        advice["findings"]
            .to_string()
            .contains("as large as they can be"),
        "{advice}"
    );
}

#[test]
fn a_run_whose_budget_reduced_its_size_is_told_to_take_smaller_micro_batches() {
    let place = Place::new();
    let fixed = "--set memory_optimization.dynamic_batch_size=false";
    let all = "--set training.batch_size=32 --set training.update_freq=1";
    let peak = |run_dir: &str| peak(&advice(&place, run_dir));
    run(
        &place,
        "ample",
        &format!("{fixed} {all} --memory-budget 1GiB"),
    );
    let few = "--set training.batch_size=8 --set training.update_freq=4";
    run(
        &place,
        "few",
        &format!("{fixed} {few} --memory-budget 1GiB"),
    );
    let between = u64::midpoint(peak("ample"), peak("few"));

    run(
        &place,
        "tight",
        &format!("{fixed} {all} --memory-budget {between}B"),
    );
    let advice = advice(&place, "tight");
    assert_eq!(advice["measured"]["ran_out"], 0, "{advice}");
    let size = changed(&advice, "training.batch_size").expect("smaller ones");
    assert!((1..32).contains(&size), "{advice}");
    assert_eq!(changed(&advice, "training.update_freq"), Some(32 / size));
    let next = with_overlay(&place, "tight/advice.toml");
    assert_eq!(next["effective_batch"], 32);
    assert_eq!(next["config"]["training"]["batch_size"], size);

    // With it, memory does not run out.
    place.ok(&[
        "train",
        "--config",
        "tight/advice.toml",
        "--set",
        "logging.run_dir=next",
    ]);
    assert_eq!(self::advice(&place, "next")["measured"]["ran_out"], 0);
}

#[test]
fn the_overlay_of_a_run_whose_preset_is_a_file_does_without_it() {
    let place = Place::new();
    let mine = place.file("mine.toml", "extends = \"cpu\"\n[training]\nlr = 2e-3\n");
    let check = || {
        let next = with_overlay(&place, "run/advice.toml");
        assert_eq!(next["preset"], "cpu");
        assert_eq!(next["config"]["training"]["lr"], 2e-3);
        assert_eq!(next["config"]["model"]["num_hid"], 32);
        assert_eq!(next["config"]["training"]["batch_size"], 32);
    };
    let arguments = format!(
        "{RUN} --set logging.run_dir=run --set training.batch_size=4 --set training.update_freq=8 --memory-budget 1GiB \
         --stop-after 3"
    );
    let arguments = arguments.replace("--preset cpu", "--preset mine.toml");
    place.ok(&arguments.split_whitespace().collect::<Vec<_>>());
    fs::remove_file(mine).expect("the preset is removed");
    check();
    place.ok(&["train", "--resume", "run"]);
    check();
}
