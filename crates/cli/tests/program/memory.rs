//! Keeping to a memory budget. The program counts what it allocates, so on the CPU all of this is exact.

use std::fs;

use serde_json::Value;

use crate::support::Place;

/// A run on a few generated images.
const RUN: &str = "train --preset cpu --set dataset.shapes_train_images=256 --set dataset.shapes_questions_per_image=1 \
                   --set dataset.shapes_validation_images=4 --set dataset.shapes_test_images=4 --set dataset.image_size=64 --set model.num_hid=128 \
                   --set model.word_dim=32 --set model.image_width=64 --set training.epochs=2 --set evaluation.question_only_epochs=0 \
                   --set evaluation.batch_size=8 \
                   --set hardware.parallel_micro_batches=1 --set logging.every_steps=1 --set logging.run_dir=run";

/// What lets the micro-batch follow the budget.
const DYNAMIC: &str = "--set training.batch_size=8 --set training.update_freq=4 \
                       --set memory_optimization.dynamic_batch_size=true";

/// One micro-batch of 32 samples.
const FIXED: &str = "--set training.batch_size=32 --set training.update_freq=1 \
                     --set memory_optimization.dynamic_batch_size=false";

/// Samples of an update in `RUN`.
const EFFECTIVE_BATCH: u64 = 32;

fn arguments(more: &str) -> Vec<String> {
    let more = more.split_whitespace();
    RUN.split_whitespace()
        .chain(more)
        .map(str::to_owned)
        .collect()
}

fn run(place: &Place, more: &str) {
    let arguments = arguments(more);
    place.ok(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
}

fn lines(place: &Place, file: &str) -> Vec<Value> {
    let text = fs::read_to_string(place.path().join("run").join(file)).expect("the file is there");
    let lines = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"));
    lines.collect()
}

fn events(place: &Place, kind: &str) -> Vec<Value> {
    let events = lines(place, "metrics.jsonl").into_iter();
    events.filter(|event| event["event"] == kind).collect()
}

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

fn losses(place: &Place) -> Vec<f64> {
    let steps = events(place, "step");
    let losses = steps
        .iter()
        .map(|step| step["loss"].as_f64().expect("a loss"));
    losses.collect()
}

fn peak(sample: &Value) -> u64 {
    number(&sample["peak_bytes"])
}

#[test]
fn every_budget_is_kept_and_used_and_changes_no_result() {
    let largest_peak = |place: &Place| lines(place, "memory.jsonl").iter().map(peak).max();
    let single = Place::new();
    run(
        &single,
        "--set training.batch_size=1 --set training.update_freq=32",
    );
    let least = largest_peak(&single).expect("a sample");
    let ample = Place::new();
    run(&ample, DYNAMIC);
    let most = largest_peak(&ample).expect("a sample");
    let samples = lines(&ample, "memory.jsonl");
    let last = samples.last().expect("a sample");
    assert_eq!(number(&last["micro_batch"]), EFFECTIVE_BATCH);
    let reference = losses(&ample);

    for part in [0.4, 0.55, 0.7, 0.85] {
        let budget = least + ((most - least) as f64 * part) as u64;
        let place = Place::new();
        run(&place, &format!("{DYNAMIC} --memory-budget {budget}B"));
        let samples = lines(&place, "memory.jsonl");
        for sample in &samples {
            assert_eq!(number(&sample["budget_bytes"]), budget);
            assert!(peak(sample) <= budget, "{budget}: {sample}");
        }
        let size = number(&samples.last().expect("a sample")["micro_batch"]);
        assert!(size < EFFECTIVE_BATCH, "{budget}: micro-batch {size}");
        let used = samples[4..].iter().map(peak).max().expect("a sample");
        assert!(
            used as f64 >= 0.85 * budget as f64,
            "{used} of {budget} with micro-batch {size}"
        );
        let moves = events(&place, "micro_batch");
        let first = moves.iter().find(|one| one["purpose"] == "training");
        let first = first.expect("moves are logged");
        assert_eq!((number(&first["step"]), number(&first["from"])), (0, 8));
        let cause = first["cause"].as_str().expect("a cause");
        assert!(cause.contains("planned peak"), "{cause}");
        // What is planned is near to what the budget is found to allow: every sample has an image of its own, as in the plan.
        // The run's samples are a part of so small a budget, and how many of them wait depends on what else the machine does.
        let begun = number(&first["to"]);
        let sizes = samples.iter().map(|one| number(&one["micro_batch"]));
        let largest = sizes.max().expect("a sample");
        assert!(begun > 1 && 3 * begun > largest, "{begun}, then {largest}");
        assert!(moves.iter().all(|one| one["out_of_memory"] == false));
        for (loss, expected) in losses(&place).iter().zip(&reference) {
            assert!(
                (loss - expected).abs() <= 1e-4 * expected,
                "{budget}: {loss} for {expected}"
            );
        }
    }
}

#[test]
fn a_budget_below_the_smallest_micro_batch_is_an_error_with_a_cure() {
    let place = Place::new();
    let words = [
        "does not fit",
        "the budget is 1.0 MiB",
        "gradient_checkpointing",
        "tune_xvlm",
    ];
    let arguments = arguments(&format!("{DYNAMIC} --memory-budget 1MiB"));
    place.fails(
        7,
        &words,
        &arguments.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    place.fails(
        2,
        &["memory_budget", "12GiB"],
        &["train", "--dry-run", "--memory-budget", "much"],
    );
}

#[test]
fn the_baseline_fits_where_the_training_did() {
    let most = |place: &Place| lines(place, "memory.jsonl").iter().map(peak).max();
    let fixed = format!("{FIXED} --set dataset.shapes_test_images=400");
    let place = Place::new();
    run(&place, &fixed);
    let budget = most(&place).expect("a sample") * 108 / 100;
    let place = Place::new();
    let asked =
        format!("{fixed} --set evaluation.question_only_epochs=1 --memory-budget {budget}B");
    run(&place, &asked);
    let moves = events(&place, "micro_batch");
    assert!(moves.is_empty(), "{moves:?}");
    let summary = &events(&place, "summary")[0];
    assert!(summary["question_only_accuracy"].is_f64(), "{summary}");
}

#[test]
fn a_fixed_size_begins_within_the_budget() {
    let place = Place::new();
    run(&place, FIXED);
    let samples = lines(&place, "memory.jsonl");
    let as_configured = |sample: &Value| number(&sample["micro_batch"]) == 32;
    assert!(samples.iter().all(as_configured));
    let most = samples.iter().map(peak).max().expect("a sample");
    let live = number(&samples[0]["live_bytes"]);
    let reference = losses(&place);

    for part in [0.5, 0.7, 0.85] {
        let budget = live + ((most - live) as f64 * part) as u64;
        let more = format!("{FIXED} --memory-budget {budget}B");
        let whole = Place::new();
        let arguments = arguments(&more);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let told = whole.run(&arguments).stderr;
        assert!(told.contains("instead of 32: planned peak"), "{told}");
        let samples = lines(&whole, "memory.jsonl");
        for sample in &samples {
            assert!(peak(sample) <= budget, "{budget}: {sample}");
        }
        let moves = events(&whole, "micro_batch");
        let first = &moves[0];
        assert_eq!((number(&first["step"]), number(&first["from"])), (0, 32));
        let to = number(&first["to"]);
        assert!(to < 32);
        let size = |sample: &Value| number(&sample["micro_batch"]);
        assert!(samples.iter().all(|sample| size(sample) == to), "{moves:?}");
        for one in &moves {
            assert_eq!(one["out_of_memory"], false, "{one}");
        }
        for (loss, expected) in losses(&whole).iter().zip(&reference) {
            assert!(
                (loss - expected).abs() <= 1e-4 * expected,
                "{loss} for {expected}"
            );
        }

        let stopped = Place::new();
        run(&stopped, &format!("{more} --stop-after 3"));
        stopped.ok(&["train", "--resume", "run"]);
        let sizes: Vec<_> = lines(&stopped, "memory.jsonl").iter().map(size).collect();
        assert_eq!(sizes, vec![to; sizes.len()]);
        assert_eq!(losses(&stopped), losses(&whole));
    }
}

#[test]
fn no_run_begins_that_cannot_hold_a_single_sample() {
    let place = Place::new();
    run(
        &place,
        "--set training.batch_size=1 --set training.update_freq=32",
    );
    let samples = lines(&place, "memory.jsonl");
    let least = samples.iter().map(peak).max().expect("a sample");
    let budget = least * 40 / 100;
    for sizes in [FIXED, DYNAMIC] {
        let place = Place::new();
        let asked = format!("{sizes} --memory-budget {budget}B");
        let arguments = arguments(&asked);
        let mut arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        place.fails(7, &["does not fit"], &arguments);
        let memory = place.path().join("run/memory.jsonl");
        let sampled = fs::read_to_string(memory).unwrap_or_default();
        assert!(sampled.is_empty(), "{sampled}");
        arguments.push("--dry-run");
        place.fails(7, &["does not fit"], &arguments);
    }
}

#[test]
fn a_resumed_run_keeps_its_sizes_and_cuts_its_log_back() {
    let place = Place::new();
    run(&place, &format!("{DYNAMIC} --stop-after 3"));
    place.ok(&["train", "--resume", "run", "--stop-after", "2"]);
    fs::remove_dir_all(place.path().join("run/checkpoints/step-00000005")).expect("it is there");
    place.ok(&["train", "--resume", "run"]);
    let steps: Vec<_> = lines(&place, "memory.jsonl")
        .iter()
        .map(|line| number(&line["step"]))
        .collect();
    assert_eq!(steps, (1..=16).collect::<Vec<_>>());
    let moves = events(&place, "micro_batch");
    let mut of_training = moves.iter().filter(|event| event["purpose"] == "training");
    assert!(
        of_training.all(|event| number(&event["step"]) < 3),
        "{moves:?}"
    );

    let whole = Place::new();
    run(&whole, DYNAMIC);
    for (loss, expected) in losses(&place).iter().zip(&losses(&whole)) {
        assert!(
            (loss - expected).abs() <= 1e-4 * expected,
            "{loss} for {expected}"
        );
    }
}

#[test]
fn segments_that_are_left_to_the_budget_stay_as_they_were_chosen() {
    let open = "--set training.batch_size=8 --set training.update_freq=4 --set model.aoa_layers=4 \
                --set memory_optimization.gradient_checkpointing=true \
                --set memory_optimization.checkpoint_segment=0";
    let chosen = |place: &Place| {
        let choices = events(place, "segments");
        let lengths = choices.iter().map(|one| number(&one["checkpoint_segment"]));
        lengths.collect::<Vec<_>>()
    };
    let ample = Place::new();
    run(&ample, &format!("{open} --stop-after 1"));
    assert_eq!(chosen(&ample), [4], "all of the stack");

    // It fits, but without the margin.
    let planned = number(&events(&ample, "segments")[0]["planned_bytes"]);
    let place = Place::new();
    let budget = planned * 100 / 97;
    run(
        &place,
        &format!("{open} --memory-budget {budget}B --stop-after 1"),
    );
    let [shorter] = chosen(&place)[..] else {
        panic!("it is chosen once");
    };
    assert!(shorter < 4, "{shorter}");
    place.ok(&["train", "--resume", "run", "--memory-budget", "1GiB"]);
    assert_eq!(chosen(&place), [shorter; 2]);
}

#[test]
fn a_resumed_run_takes_no_more_than_one_that_was_not_stopped() {
    let live = |place: &Place| {
        let samples = lines(place, "memory.jsonl").into_iter();
        samples
            .map(|sample| number(&sample["live_bytes"]))
            .collect::<Vec<_>>()
    };
    let sizes = "--set model.num_hid=512";
    let whole = Place::new();
    run(&whole, sizes);
    let stopped = Place::new();
    run(&stopped, &format!("{sizes} --stop-after 2"));
    stopped.ok(&["train", "--resume", "run"]);
    let (whole, resumed) = (live(&whole), live(&stopped));
    assert_eq!(whole.len(), resumed.len());
    // What loaders hold depends on the moment; weights and moments are 20 MiB and more.
    let apart = whole.last().zip(resumed.last());
    let apart = apart.map(|(whole, resumed)| resumed.abs_diff(*whole));
    assert!(apart < Some(4 << 20), "{whole:?} and {resumed:?}");
}
