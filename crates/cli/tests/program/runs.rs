//! Training, stopping, going on, evaluating and asking.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Place, signal, small_training};

/// Every file and folder under a folder has the permissions that one made in the usual way has.
#[cfg(unix)]
fn usual_permissions(place: &Place, folder: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;

    let mode = |path: &std::path::Path| {
        let permissions = fs::metadata(path).expect("it is there").permissions();
        permissions.mode()
    };
    let file = mode(&place.file("usual/file", ""));
    let usual = mode(&place.path().join("usual"));
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            assert_eq!(mode(&path), usual, "{}", path.display());
            usual_permissions(place, &path);
        } else {
            assert_eq!(mode(&path), file, "{}", path.display());
        }
    }
}

fn last_line(stdout: &str) -> Value {
    serde_json::from_str(stdout.lines().last().expect("a line")).expect("JSON")
}

#[test]
fn train_eval_and_ask() {
    let place = Place::new();
    let outcome = place.ok(&small_training(&["--json"]));
    for line in outcome.stdout.lines() {
        serde_json::from_str::<Value>(line).expect("every line is JSON");
    }
    let summary = last_line(&outcome.stdout);
    let accuracy = summary["test_accuracy"].as_f64().expect("an accuracy");
    assert!((0.0..=1.0).contains(&accuracy));
    // 24 images with 4 questions, 16 samples a step, 2 epochs.
    assert_eq!(summary["steps"], 12);
    assert!(
        summary["train_seconds"]
            .as_f64()
            .is_some_and(|seconds| seconds > 0.0)
    );
    assert_eq!(summary["run_dir"], "run");
    #[cfg(unix)]
    usual_permissions(&place, &place.path().join("run"));
    for baseline in ["majority_accuracy", "question_only_accuracy"] {
        assert!(summary[baseline].as_f64().is_some(), "{baseline}");
    }

    let evaluated = last_line(&place.ok(&["eval", "run", "--json"]).stdout);
    assert_eq!(evaluated["accuracy"], summary["test_accuracy"]);

    place.ok(&[
        "data", "export", "--preset", "cpu", "--count", "1", "--to", "pictures",
    ]);
    let answers = place.ok(&[
        "ask",
        "how many circles are there?",
        "--image",
        "pictures/0.png",
        "--run",
        "run",
    ]);
    assert_eq!(answers.stdout.lines().count(), 5);
    let answers = place.ok(&[
        "ask",
        "is it red?",
        "--image",
        "pictures/0.png",
        "--run",
        "run",
        "--top",
        "99",
        "--json",
    ]);
    let answers: Vec<Value> = serde_json::from_str(&answers.stdout).expect("JSON");
    let total: f64 = answers
        .iter()
        .map(|one| one["probability"].as_f64().expect("a probability"))
        .sum();
    assert!(
        (total - 1.0).abs() < 1e-5,
        "probabilities of all answers sum to {total}"
    );
}

#[test]
fn a_stopped_run_goes_on() {
    let place = Place::new();
    let stopped = last_line(
        &place
            .ok(&small_training(&["--json", "--stop-after", "5"]))
            .stdout,
    );
    assert_eq!(stopped["steps"], 5);
    assert_eq!(stopped["test_accuracy"], Value::Null);
    let finished = last_line(&place.ok(&["train", "--resume", "run", "--json"]).stdout);
    assert_eq!(finished["steps"], 12);

    let whole = Place::new();
    let whole = last_line(&whole.ok(&small_training(&["--json"])).stdout);
    assert_eq!(finished["test_accuracy"], whole["test_accuracy"]);
}

#[test]
fn a_finished_run_is_not_trained_again() {
    let place = Place::new();
    let whole = last_line(
        &place
            .ok(&small_training(&[
                "--json",
                "--memory-budget",
                "8GiB",
                "--set",
                "hardware.parallel_micro_batches=1",
            ]))
            .stdout,
    );
    let content =
        |file: &str| fs::read(place.path().join("run").join(file)).expect("a file of the run");
    let files = [
        "summary.json",
        "metrics.jsonl",
        "memory.jsonl",
        "advice.toml",
    ];
    let before = files.map(content);
    let again = place.ok(&["train", "--resume", "run", "--json"]);
    let events: Vec<Value> = again
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(
        (&events[0]["event"], &events[1]),
        (&Value::from("finished"), &whole)
    );
    assert!(files.map(content) == before, "its files stay as they are");

    // Without its baseline it is trained no more, but measured, and what it was advised stays.
    let mut unmeasured: Value = serde_json::from_slice(&before[0]).expect("JSON");
    unmeasured["question_only_accuracy"] = Value::Null;
    place.file("run/summary.json", unmeasured.to_string());
    let again = last_line(&place.ok(&["train", "--resume", "run", "--json"]).stdout);
    assert_eq!(again, whole);
    assert!(content("advice.toml") == before[3]);

    // Nor does a summary that cannot be read take it away.
    place.file("run/summary.json", "{}");
    place.ok(&["train", "--resume", "run"]);
    assert!(content("advice.toml") == before[3]);
}

#[test]
fn a_run_does_not_need_its_preset_any_more() {
    let place = Place::new();
    let mine = place.file("mine.toml", "extends = \"cpu\"\n");
    let args = small_training(&["--stop-after", "1"]);
    let args: Vec<_> = args
        .iter()
        .map(|arg| if *arg == "cpu" { "mine.toml" } else { arg })
        .collect();
    place.ok(&args);
    fs::remove_file(mine).expect("the preset is removed");
    place.ok(&["eval", "run"]);
    place.ok(&["train", "--resume", "run", "--stop-after", "1"]);
}

/// Starts a long run and waits for its first report.
#[cfg(unix)]
fn running(place: &Place) -> std::process::Child {
    let args = small_training(&[
        "--json",
        "--set",
        "training.epochs=100000",
        "--set",
        "logging.every_steps=1",
    ]);
    let mut child = place
        .command(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("standard output")).lines();
    let started = lines
        .by_ref()
        .map_while(Result::ok)
        .any(|line| line.contains(r#""event":"step""#));
    assert!(started);
    // Keep reading, or the program would wait for a reader.
    std::thread::spawn(move || lines.for_each(drop));
    child
}

#[cfg(unix)]
#[test]
fn an_interruption_saves_a_checkpoint() {
    let place = Place::new();
    let mut child = running(&place);
    signal(&child, "-INT");
    assert_eq!(child.wait().expect("the program ends").code(), Some(130));
    place.ok(&["train", "--resume", "run", "--stop-after", "1"]);
}

#[cfg(unix)]
#[test]
fn a_killed_run_goes_on_and_two_processes_do_not_share_a_run() {
    let place = Place::new();
    let mut child = running(&place);
    place.fails(
        5,
        &["in use by another process"],
        &["train", "--resume", "run", "--stop-after", "1"],
    );
    signal(&child, "-KILL");
    child.wait().expect("the program ends");
    place.ok(&["train", "--resume", "run", "--stop-after", "1"]);
}

#[test]
fn configuration_layers_and_their_origins() {
    let place = Place::new();
    place.file(
        "mine.toml",
        "extends = \"24gb-tight\"\n[training]\nlr = 1e-4\n",
    );
    let mut command = place.command(&[
        "config",
        "show",
        "--config",
        "mine.toml",
        "--set",
        "training.seed=7",
    ]);
    let output = command
        .env("AOA_TRAINING__EPOCHS", "3")
        .output()
        .expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout);
    for (key, origin) in [
        ("lr = ", "mine.toml:3"),
        ("epochs = 3", "AOA_TRAINING__EPOCHS"),
        ("seed = 7", "--set"),
        ("batch_size = 6", "24gb-tight"),
        ("num_hid = 768", "24gb"),
        ("gradient_accumulation_steps = 5", "update_freq"),
    ] {
        let line = text
            .lines()
            .find(|line| line.starts_with(key))
            .unwrap_or_else(|| panic!("no {key} in {text}"));
        assert!(line.contains(origin), "{line}");
    }
}

#[test]
fn completions_and_data() {
    let place = Place::new();
    assert!(place.ok(&["completions", "bash"]).stdout.contains("aoa"));
    assert_eq!(
        place
            .ok(&["data", "stats", "--preset", "cpu", "--json"])
            .stdout
            .lines()
            .count(),
        3
    );
    place.ok(&[
        "data", "export", "--preset", "cpu", "--count", "2", "--to", "pictures",
    ]);
    let questions =
        fs::read_to_string(place.path().join("pictures/questions.json")).expect("questions.json");
    let questions: Vec<Value> = serde_json::from_str(&questions).expect("JSON");
    assert_eq!(questions.len(), 8);
}

#[test]
fn what_a_run_cannot_do_is_said_with_the_settings_that_can() {
    let place = Place::new();
    let described = [
        "--set",
        "dataset.shapes_described=true",
        "--stop-after",
        "1",
    ];
    place.ok(&small_training(&described));
    place.file("any.png", "");
    let regions = [
        "answers from region features",
        "model.region_features = false",
    ];
    let ask = ["ask", "what?", "--image", "any.png", "--run", "run"];
    place.fails(2, &regions, &ask);
    let published = ["the model has no X-VLM", "model.image_encoder = \"swin\""];
    let export = ["weights", "export", "run", "--to", "out.safetensors"];
    place.fails(2, &published, &export);
}

#[test]
fn an_exported_data_set_is_one_to_train_on() {
    let place = Place::new();
    let export = "data export --preset cpu --format folder --count 3 --to own";
    place.ok(&export.split(' ').collect::<Vec<_>>());
    let stats = "data stats --preset cpu --dataset folder --data-root own --json";
    let stats = place.ok(&stats.split(' ').collect::<Vec<_>>());
    let splits: Vec<Value> = stats
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(splits.len(), 3);
    for split in splits {
        assert_eq!(split["images"], 3);
        assert_eq!(split["samples"], 12);
        assert_eq!(split["inputs"]["regions"]["dim"], 12);
        assert_eq!(split["inputs"]["images"], true);
    }
}

/// Needs the public data set: `AOA_TEST_DATA` names the folder that `aoa data fetch` filled.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
#[test]
fn easy_vqa_is_read_whole() {
    let Some(root) = std::env::var_os("AOA_TEST_DATA") else {
        eprintln!("skipped: AOA_TEST_DATA does not name a folder with easy-vqa");
        return;
    };
    let place = Place::new();
    let root = root.to_string_lossy().into_owned();
    let args = [
        "data",
        "stats",
        "--dataset",
        "easy-vqa",
        "--data-root",
        &root,
        "--json",
    ];
    let lines = place.ok(&args).stdout;
    let splits: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let samples = |split: usize| splits[split]["samples"].as_u64().expect("a count");
    assert_eq!(samples(0) + samples(1), 38_575);
    assert_eq!(samples(2), 9_673);
    assert!(splits.iter().all(|split| {
        split["answers"]
            .as_object()
            .is_some_and(|answers| answers.len() == 13)
    }));
}
