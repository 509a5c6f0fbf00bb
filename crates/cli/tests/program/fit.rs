//! Measured memory of real steps. The program counts what it allocates, so on the CPU the figures are exact.

use std::fs;
use std::path::PathBuf;

use nvml_stand_in::{Card, Cards};
use serde_json::Value;

use crate::support::{Outcome, Place};

/// A small model on a few generated images; 16 samples an update in micro-batches of 8.
const SMALL: &str = "--preset cpu --set dataset.shapes_train_images=16 --set dataset.shapes_validation_images=4 \
                     --set dataset.shapes_test_images=4 --set model.num_hid=64 --set model.word_dim=32 \
                     --set model.image_width=32 --set hardware.parallel_micro_batches=1 --set training.batch_size=8 \
                     --set training.update_freq=2 --set evaluation.batch_size=8";

/// More than it needs.
const AMPLE: &str = "--memory-budget 1GiB";

/// Runs a command with `SMALL` and more, and gives its exit code and answer.
fn run(place: &Place, command: &str, more: &str) -> (Option<i32>, Value) {
    let Outcome {
        code,
        stdout,
        stderr,
    } = place.run(&words(command, more));
    let answer = serde_json::from_str(&stdout);
    (code, answer.unwrap_or_else(|_| panic!("{stdout}{stderr}")))
}

fn words<'a>(command: &'a str, more: &'a str) -> Vec<&'a str> {
    let all = [command, "--json", SMALL, more];
    all.iter().flat_map(|words| words.split(' ')).collect()
}

fn number(answer: &Value, key: &str) -> u64 {
    answer[key]
        .as_u64()
        .unwrap_or_else(|| panic!("no {key} in {answer}"))
}

/// Sizes that were looked at, with what became of them.
fn sizes(answer: &Value) -> Vec<(u64, &str)> {
    let sizes = answer["sizes"].as_array().expect("sizes");
    let each = sizes.iter().map(|size| {
        let outcome = size["outcome"].as_str().expect("an outcome");
        (number(size, "micro_batch"), outcome)
    });
    each.collect()
}

/// Files of a folder.
fn files(place: &Place) -> Vec<PathBuf> {
    let entries = fs::read_dir(place.path()).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = paths.collect();
    paths.sort();
    paths
}

#[test]
fn measured_is_close_to_planned_and_nothing_is_left_behind() {
    let place = Place::new();
    let before = files(&place);
    let (code, fit) = run(&place, "fit", AMPLE);
    assert_eq!(code, Some(0), "{fit}");
    assert_eq!(files(&place), before);
    assert_eq!(sizes(&fit), [(8, "measured"), (1, "measured")]);
    assert_eq!(fit["extrapolated"], false);
    assert_eq!(fit["fits"], true);

    let (_, plan) = run(&place, "plan", AMPLE);
    assert_eq!(fit["plan_peak_bytes"], plan["peak_bytes"]);
    assert_eq!(fit["budget_bytes"], plan["budget_bytes"]);
    let (measured, planned) = (
        number(&fit, "measured_peak_bytes"),
        number(&plan, "peak_bytes"),
    );
    // How many short pieces of work overlap is chance, and in so small a model they are a part of it.
    let over = planned.saturating_sub(measured) as f64;
    assert!(
        over <= (0.08 * measured as f64).max(f64::from(1 << 20)),
        "{fit}"
    );
    let under = measured.saturating_sub(planned) as f64;
    assert!(
        under <= (0.03 * measured as f64).max(f64::from(1 << 20)),
        "{fit}"
    );
    let parts = ["measured_peak_bytes", "batch_bytes", "program_bytes"];
    let sum: u64 = parts.map(|part| number(&fit, part)).iter().sum();
    assert_eq!(number(&fit, "needed_bytes"), sum);
    assert!(number(&fit, "batch_bytes") > 0, "{fit}");
    let error = fit["plan_error"].as_f64().expect("an error");
    assert!((error - (planned as f64 / measured as f64 - 1.0)).abs() < 1e-9);
    // The whole effective batch in one micro-batch, which is how many there can be.
    assert_eq!(number(&fit, "largest_micro_batch"), 16);
    assert_eq!(fit["limit"], "effective_batch");
    assert_eq!(fit["set"][0], "training.batch_size=16");
    assert_eq!(fit["set"][1], "training.update_freq=1");
}

#[test]
fn the_largest_micro_batch_fits_and_the_next_does_not() {
    let place = Place::new();
    let (_, ample) = run(&place, "fit", AMPLE);
    let each = number(&ample, "sample_bytes");
    let beside = |answer: &Value| number(answer, "program_bytes") + number(answer, "batch_bytes");
    let least = beside(&ample) + number(&ample, "static_bytes");
    let bytes = least + 5 * each + each / 2;
    let budget = format!("--memory-budget {bytes}B");

    let (code, tight) = run(&place, "fit", &budget);
    assert_eq!((code, &tight["fits"]), (Some(0), &false.into()), "{tight}");
    // What loaders hold, and with it the room, depends on what else the machine does.
    let room = bytes - beside(&tight);
    let each = number(&tight, "sample_bytes");
    let peak = |size: u64| number(&tight, "static_bytes") + size * each;
    let largest = number(&tight, "largest_micro_batch");
    assert!((4..8).contains(&largest), "{tight}");
    assert_eq!(tight["limit"], "memory");
    assert!(peak(largest) <= room && room < peak(largest + 1) + each / 100);
    assert_eq!(tight["set"][0], "training.batch_size=4");
    assert_eq!(tight["set"][1], "training.update_freq=4");
    for (size, steps, fits) in [(4, 4, true), (8, 2, false)] {
        let sets =
            format!("{budget} --set training.batch_size={size} --set training.update_freq={steps}");
        let (_, answer) = run(&place, "fit", &sets);
        assert_eq!(answer["fits"], fits, "{answer}");
        assert_eq!(answer["extrapolated"], false);
    }
}

#[test]
fn micro_batches_side_by_side_leave_work_for_one_another() {
    let place = Place::new();
    let parallel = "--set hardware.parallel_micro_batches=2 --set model.dropout=0";
    let (_, fit) = run(&place, "fit", &format!("{AMPLE} {parallel}"));
    assert_eq!(number(&fit, "largest_micro_batch"), 8, "{fit}");
    assert_eq!(fit["limit"], "parallel_micro_batches");
}

#[test]
fn the_length_of_segments_is_that_of_the_plan() {
    let place = Place::new();
    let open = format!(
        "{AMPLE} --set memory_optimization.gradient_checkpointing=true \
         --set memory_optimization.checkpoint_segment=0 --set model.aoa_layers=3"
    );
    let (_, plan) = run(&place, "plan", &open);
    let (_, fit) = run(&place, "fit", &open);
    assert!(fit["segments"].is_object(), "{fit}");
    assert_eq!(fit["segments"], plan["segments"]);
    assert_eq!(fit["plan_peak_bytes"], plan["peak_bytes"]);
    let length = number(&fit["segments"], "checkpoint_segment");
    let set = format!("memory_optimization.checkpoint_segment={length}");
    assert_eq!(fit["set"][2], set);
}

#[test]
fn a_budget_for_not_even_one_sample_has_an_exit_code() {
    let place = Place::new();
    let (code, answer) = run(&place, "fit", "--memory-budget 1MiB");
    assert_eq!(
        (code, &answer["fits"]),
        (Some(7), &false.into()),
        "{answer}"
    );
    assert_eq!(number(&answer, "largest_micro_batch"), 0);
    assert_eq!(answer["set"], Value::Array(Vec::new()));
    let mut args = words("fit", "--memory-budget 1MiB");
    args.retain(|word| *word != "--json");
    let outcome = place.run(&args);
    assert_eq!(outcome.code, Some(7));
    assert!(outcome.stdout.contains("not even"), "{}", outcome.stdout);
}

#[test]
fn what_is_no_lack_of_memory_is_an_error() {
    let cards = Cards::new(vec![Card::new("NVIDIA Test Card", 24 << 30)]);
    let place = Place::new().with_library(&cards);
    let args = words("fit", "--set hardware.device=cuda:0");
    place.fails(4, &["no CUDA backend"], &args);
    place.fails(2, &["memory_budget"], &["fit", "--memory-budget", "much"]);
}

/// The process that waits for a measurement keeps its standard input open; where there is none, nobody waits.
#[test]
fn a_process_that_nobody_waits_for_ends() {
    let place = Place::new();
    let outcome = place.run(&words("fit", "--memory-budget 1GiB --measure 512"));
    assert_eq!((outcome.code, &*outcome.stdout), (Some(1), ""));
}

#[cfg(target_os = "linux")]
mod killed {
    use std::process::{Child, Command, Stdio};
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    fn start(place: &Place) -> Child {
        let mut command = place.command(&words("fit", AMPLE));
        let started = command.stdout(Stdio::piped()).spawn();
        started.expect("the program starts")
    }

    /// Kills the process that `fit` has started now, if it has one.
    fn kill_child(fit: &Child) -> bool {
        let id = fit.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.unwrap_or_default();
        let Some(child) = children.split_whitespace().next() else {
            return false;
        };
        let status = Command::new("kill").args(["-KILL", child]).status();
        status.is_ok_and(|status| status.success())
    }

    fn answer(fit: Child) -> (Option<i32>, Value) {
        let output = fit.wait_with_output().expect("it ends");
        let answer = serde_json::from_slice(&output.stdout).expect("JSON");
        (output.status.code(), answer)
    }

    #[test]
    fn a_process_that_is_killed_is_an_answer() {
        let place = Place::new();
        let fit = start(&place);
        while !kill_child(&fit) {
            sleep(Duration::from_millis(1));
        }
        let (code, answer) = answer(fit);
        assert_eq!(code, Some(0), "{answer}");
        let all = [(8, "failed"), (4, "measured"), (1, "measured")];
        assert_eq!(sizes(&answer), all);
        let seen = answer["sizes"][0]["seen"].as_str().expect("what was seen");
        assert!(seen.contains("SIGKILL"), "{seen}");
        assert_eq!(
            (&answer["fits"], &answer["extrapolated"]),
            (&false.into(), &true.into())
        );
        // Less than what could not be measured, however much room there is.
        assert_eq!(number(&answer, "largest_micro_batch"), 7);
        assert_eq!(answer["set"][0], "training.batch_size=4");
    }

    #[test]
    fn where_every_process_is_killed_nothing_fits() {
        let place = Place::new();
        let mut fit = start(&place);
        while fit.try_wait().expect("it can be waited for").is_none() {
            kill_child(&fit);
            sleep(Duration::from_millis(1));
        }
        let (code, answer) = answer(fit);
        assert_eq!(code, Some(7), "{answer}");
        assert_eq!(sizes(&answer), [8, 4, 2, 1].map(|size| (size, "failed")));
        assert_eq!(answer["measured_peak_bytes"], Value::Null);
    }
}
