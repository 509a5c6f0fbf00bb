//! The program on a software GPU: Mesa's llvmpipe behind wgpu. It is slow, but what computes and allocates is what does so on
//! a GPU: kernels run behind the program's back, tensors come from a pool, and a buffer that is too large is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A small model on generated images.
const RUN: &str = "--preset cpu --set dataset.shapes_validation_images=4 --set dataset.shapes_test_images=4 \
                   --set dataset.shapes_questions_per_image=1 --set model.num_hid=16 --set model.word_dim=8 \
                   --set model.heads=2 --set training.epochs=2 --set evaluation.question_only_epochs=0 \
                   --set hardware.parallel_micro_batches=1 --set logging.every_steps=1";

/// The largest buffer of the device has 128 MiB. With micro-batches of 32, the gradient of the first convolution wants one of
/// 168 MiB, in the backward pass; with 16 every buffer is small enough.
const LARGE: &str = "--set hardware.device=wgpu --set dataset.shapes_train_images=32 --set dataset.image_size=512 \
                     --set model.image_width=8 --set training.epochs=1";

/// Where the driver of the software GPU is described; says so where there is none.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn driver() -> Option<PathBuf> {
    let drivers = fs::read_dir("/usr/share/vulkan/icd.d")
        .into_iter()
        .flatten();
    let mut drivers = drivers.flatten().map(|entry| entry.path());
    let driver = drivers.find(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("lvp_icd"))
    });
    if driver.is_none() {
        eprintln!("skipped: no llvmpipe here; Debian has it in mesa-vulkan-drivers");
    }
    driver
}

/// Runs `aoa`, which has to end well, and gives what it printed.
fn aoa(place: &TempDir, driver: &Path, command: &str, more: &[&str]) -> String {
    let words = std::iter::once(command).chain(more.iter().copied());
    let words: Vec<_> = words.flat_map(str::split_whitespace).collect();
    let output = Command::new(env!("CARGO_BIN_EXE_aoa"))
        .args(&words)
        .current_dir(place.path())
        .stdin(Stdio::null())
        .env("VK_ICD_FILENAMES", driver)
        .env("XDG_RUNTIME_DIR", place.path())
        .output()
        .expect("the program starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn lines(place: &TempDir, file: &str) -> Vec<Value> {
    let text = fs::read_to_string(place.path().join(file)).expect("the file is there");
    let lines = text.lines().map(serde_json::from_str);
    lines.map(|line| line.expect("each line is JSON")).collect()
}

fn events(place: &TempDir, run: &str, kind: &str) -> Vec<Value> {
    let events = lines(place, &format!("{run}/metrics.jsonl")).into_iter();
    events.filter(|event| event["event"] == kind).collect()
}

/// Checks that two runs had the same losses, as far as so many units in single precision go.
#[track_caller]
fn assert_same_losses(place: &TempDir, [one, other]: [&str; 2]) {
    let losses = |run| {
        let steps = events(place, run, "step").into_iter();
        steps.map(|step| step["loss"].as_f64().expect("a loss"))
    };
    assert!(losses(one).count() > 0);
    assert_eq!(losses(one).count(), losses(other).count());
    for (step, (one, other)) in losses(one).zip(losses(other)).enumerate() {
        let apart = (one - other).abs() / one;
        assert!(apart < 1e-4, "step {step}: {one} and {other}");
    }
}

#[test]
fn a_run_goes_on_as_on_the_cpu() {
    let Some(driver) = driver() else { return };
    let place = tempfile::tempdir().expect("a temporary folder");
    let sizes = "--set dataset.shapes_train_images=32 --set dataset.image_size=32 --set model.image_width=8 \
                 --set training.batch_size=8 --set training.update_freq=2";
    let half = "--stop-after 1 --set logging.run_dir=cpu";
    aoa(&place, &driver, "train", &[RUN, sizes, half]);
    fs::create_dir(place.path().join("gpu")).expect("a folder");
    let copied = Command::new("cp")
        .args(["-r", "cpu/.", "gpu"])
        .current_dir(place.path())
        .status();
    assert!(copied.is_ok_and(|status| status.success()));
    aoa(&place, &driver, "train --resume cpu", &[]);
    let there = "--set hardware.device=wgpu";
    aoa(&place, &driver, "train --resume gpu", &[there]);
    assert_eq!(events(&place, "gpu", "step").len(), 4);
    assert_same_losses(&place, ["cpu", "gpu"]);
    let accuracies = ["cpu", "gpu"].map(|run| {
        let evaluations = events(&place, run, "evaluation").into_iter();
        evaluations
            .map(|evaluation| evaluation["accuracy"].clone())
            .collect::<Vec<_>>()
    });
    assert_eq!(accuracies[0], accuracies[1]);
}

#[test]
fn a_buffer_that_is_refused_costs_time_and_no_data() {
    let Some(driver) = driver() else { return };
    let place = tempfile::tempdir().expect("a temporary folder");
    for (run, sizes) in [
        (
            "refused",
            "--set training.batch_size=32 --set training.update_freq=1",
        ),
        (
            "small",
            "--set training.batch_size=16 --set training.update_freq=2",
        ),
    ] {
        let run_dir = format!("--set logging.run_dir={run}");
        aoa(&place, &driver, "train", &[RUN, LARGE, sizes, &run_dir]);
    }
    let moves = events(&place, "refused", "micro_batch");
    let training = moves
        .iter()
        .filter(|event| event["purpose"] == "training")
        .collect::<Vec<_>>();
    let [halved] = &training[..] else {
        panic!("one move: {moves:?}");
    };
    assert_eq!((&halved["from"], &halved["to"]), (&32.into(), &16.into()));
    assert_eq!(halved["out_of_memory"], true);
    assert!(events(&place, "refused", "went_back").is_empty());
    assert!(events(&place, "small", "micro_batch").is_empty());
    assert_same_losses(&place, ["refused", "small"]);
}

#[test]
fn fit_measures_what_the_device_grants() {
    let Some(driver) = driver() else { return };
    let place = tempfile::tempdir().expect("a temporary folder");
    let size = "--set training.batch_size=32 --set training.update_freq=1 --memory-budget 2GiB";
    let fit = aoa(&place, &driver, "fit --json", &[RUN, LARGE, size]);
    let fit: Value = serde_json::from_str(&fit).expect("JSON");
    let sizes = fit["sizes"].as_array().expect("sizes").iter();
    let outcomes = sizes.map(|size| (size["micro_batch"].clone(), size["outcome"].clone()));
    let expected = [(32, "failed"), (16, "measured"), (1, "measured")];
    let expected = expected.map(|(size, outcome)| (Value::from(size), Value::from(outcome)));
    assert_eq!(outcomes.collect::<Vec<_>>(), expected, "{fit}");
    assert_eq!(fit["fits"], false);
}

#[test]
fn the_pool_stays_within_the_budget() {
    const BUDGET: u64 = 40 << 20;
    let Some(driver) = driver() else { return };
    let place = tempfile::tempdir().expect("a temporary folder");
    let sizes = "--set hardware.device=wgpu --set dataset.shapes_train_images=128 --set dataset.image_size=64 \
                 --set model.image_width=32 --set training.batch_size=128 --set training.update_freq=1 \
                 --set training.epochs=4 --set memory_optimization.dynamic_batch_size=true --set logging.run_dir=run";
    let budget = format!("--memory-budget {BUDGET}B");
    aoa(&place, &driver, "train", &[RUN, sizes, &budget]);
    let samples = lines(&place, "run/memory.jsonl");
    assert_eq!(samples.len(), 4);
    for sample in &samples {
        let number = |key: &str| sample[key].as_u64().unwrap_or_else(|| panic!("{sample}"));
        assert!(number("micro_batch") > 16, "{sample}");
        assert!(number("live_bytes") < number("reserved_bytes"), "{sample}");
        let held = number("reserved_bytes");
        assert!((BUDGET / 4..BUDGET).contains(&held), "{sample}");
        assert!(number("peak_bytes") >= held, "{sample}");
    }
}

#[test]
fn a_gpu_computes_one_micro_batch_at_a_time() {
    let Some(driver) = driver() else { return };
    let place = tempfile::tempdir().expect("a temporary folder");
    let parallel =
        "train --preset cpu --set hardware.device=wgpu --set hardware.parallel_micro_batches=2";
    let output = Command::new(env!("CARGO_BIN_EXE_aoa"))
        .args(parallel.split_whitespace())
        .current_dir(place.path())
        .env("VK_ICD_FILENAMES", driver)
        .env("XDG_RUNTIME_DIR", place.path())
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("parallel_micro_batches=1"), "{stderr}");
    assert!(!place.path().join("runs").exists());
}
