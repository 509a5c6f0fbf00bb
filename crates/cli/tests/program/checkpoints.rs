//! What becomes of a run whose checkpoints are gone, renamed, damaged or cannot be read.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{Place, small_training};

/// A finished run with its best checkpoint, of step 6, and its newest, of step 12.
fn finished() -> Place {
    let place = Place::new();
    place.ok(&small_training(&[
        "--set",
        "training.lr=1e-9",
        "--set",
        "evaluation.question_only_epochs=0",
    ]));
    assert_eq!(best(&place), 6);
    place
}

/// The step of the best checkpoint, as the newest one knows it.
fn best(place: &Place) -> u64 {
    let state = fs::read(folder(place, 12).join("state.json")).expect("the state");
    let state: Value = serde_json::from_slice(&state).expect("JSON");
    state["best"]["step"].as_u64().expect("it was evaluated")
}

fn folder(place: &Place, step: usize) -> PathBuf {
    let name = format!("run/checkpoints/step-{step:08}");
    place.path().join(name)
}

fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.is_ok_and(|status| status.success()));
}

/// Takes a checkpoint away, or makes it useless.
type Loss = fn(PathBuf);

const LOSSES: [(&str, Loss); 4] = [
    ("it is gone", |path| {
        fs::remove_dir_all(path).expect("it is removed");
    }),
    ("it is gone", |path| {
        fs::rename(&path, path.with_file_name("step-6-kept")).expect("it is renamed");
    }),
    ("its checksum does not match", |path| {
        let file = path.join("model.bpk");
        let mut content = fs::read(&file).expect("the weights");
        *content.last_mut().expect("a byte") ^= 1;
        fs::write(file, content).expect("they are written");
    }),
    ("not a regular file", |path| {
        fs::remove_file(path.join("model.bpk")).expect("it is removed");
        fs::create_dir(path.join("model.bpk")).expect("a folder");
    }),
];

#[test]
fn no_other_checkpoint_takes_the_place_of_the_best_unasked() {
    for (says, lose) in LOSSES {
        let place = finished();
        lose(folder(&place, 6));
        let cure = "aoa eval run --step 12";
        let words = ["the best checkpoint", "step-00000006", says, cure];
        place.fails(5, &words, &["eval", "run"]);
        place.file("a.png", "");
        place.fails(
            5,
            &words,
            &["ask", "what?", "--image", "a.png", "--run", "run"],
        );
        let other = place.ok(&["eval", "run", "--step", "12", "--json"]);
        let other: Value = serde_json::from_str(&other.stdout).expect("JSON");
        assert_eq!(other["step"], 12);
    }
    let place = finished();
    let words = [
        "step-00000007",
        "there is none of this step",
        "there are steps 6, 12",
    ];
    place.fails(5, &words, &["eval", "run", "--step", "7"]);
}

#[test]
fn the_log_knows_a_best_checkpoint_that_is_gone_with_the_newest() {
    let place = finished();
    // As if the second evaluation had been the better one.
    let log = place.path().join("run/metrics.jsonl");
    let text = fs::read_to_string(&log).expect("the log");
    let lines = text.lines().map(|line| {
        let mut event: Value = serde_json::from_str(line).expect("JSON");
        if event["split"] == "validation" && event["step"] == 12 {
            event["accuracy"] = 0.99.into();
        }
        format!("{event}\n")
    });
    fs::write(&log, lines.collect::<String>()).expect("the log");
    fs::remove_dir_all(folder(&place, 12)).expect("it is removed");
    let words = ["the best checkpoint", "step-00000012", "--step 6"];
    place.fails(5, &words, &["eval", "run"]);
}

#[test]
fn a_renamed_checkpoint_is_not_the_one_of_its_name() {
    let place = finished();
    fs::remove_dir_all(folder(&place, 12)).expect("it is removed");
    fs::rename(folder(&place, 6), folder(&place, 12)).expect("it is renamed");
    let says = "it was saved at step 6, and its folder was renamed";
    place.fails(5, &[says], &["eval", "run", "--step", "12"]);
}

#[test]
fn weights_need_neither_what_was_measured_nor_the_optimizers() {
    let place = finished();
    let checkpoints = place.path().join("run/checkpoints");
    for step in [6, 12] {
        fs::remove_file(checkpoints.join(format!("measured-{step:08}.json"))).expect("a file");
        fs::remove_file(folder(&place, step).join("optimizer-fine.bpk")).expect("a file");
    }
    place.ok(&["eval", "run"]);
}

#[test]
fn a_run_that_lost_its_best_checkpoint_does_not_end_well() {
    let place = Place::new();
    place.ok(&small_training(&[
        "--set",
        "training.lr=1e-9",
        "--stop-after",
        "7",
    ]));
    let best = folder(&place, 6);
    let away = place.path().join("away");
    fs::rename(&best, &away).expect("it is moved away");
    let resume = ["train", "--resume", "run"];
    let says = ["is gone: unless it comes back", "aoa eval run --step 12"];
    place.fails(5, &says, &resume);
    let summary = fs::read(place.path().join("run/summary.json")).expect("that of the stop");
    let summary: Value = serde_json::from_slice(&summary).expect("JSON");
    assert_eq!(summary["test_accuracy"], Value::Null);
    fs::rename(away, best).expect("it is back");
    place.ok(&resume);
}

#[test]
fn a_checkpoint_that_cannot_be_read_is_not_passed_over() {
    let place = Place::new();
    place.ok(&small_training(&["--stop-after", "7"]));
    let state = folder(&place, 7).join("state.json");
    let away = place.path().join("away");
    fs::rename(&state, &away).expect("it is moved away");
    // What the system refuses to read, for every user.
    symlink("state.json", &state).expect("a link to itself");
    let words = [
        "cannot read the checkpoint",
        "step-00000007",
        "move it away",
    ];
    place.fails(5, &words, &["train", "--resume", "run"]);
    place.fails(5, &words, &["train", "--resume", "run", "--dry-run"]);
    fs::remove_file(&state).expect("the link");
    fs::rename(away, state).expect("it is back");
    place.ok(&["train", "--resume", "run"]);
}

#[test]
fn a_run_without_a_checkpoint_yet_is_not_to_be_started_again() {
    let place = finished();
    fs::remove_dir_all(place.path().join("run/checkpoints")).expect("they are removed");
    let words = ["step-00000006: it is gone", "--config run/config.toml"];
    place.fails(5, &words, &["eval", "run"]);
    let log = place.path().join("run/metrics.jsonl");
    fs::write(log, "").expect("an empty log");
    let words = ["it has saved none yet", "aoa train --resume run"];
    place.fails(5, &words, &["eval", "run"]);
}

#[test]
fn what_a_resumed_run_keeps_no_longer_goes_at_once() {
    let place = Place::new();
    place.ok(&small_training(&[
        "--set",
        "checkpoint.every_steps=1",
        "--set",
        "checkpoint.keep_last=9",
        "--stop-after",
        "5",
    ]));
    // A damaged checkpoint of a later step is not one of those that are kept.
    fs::create_dir(folder(&place, 9)).expect("a folder");
    fs::write(folder(&place, 9).join("model.bpk"), "cut").expect("a file");
    let fewer = "train --resume run --stop-after 1 --set checkpoint.every_steps=0 --set checkpoint.keep_last=1";
    place.ok(&fewer.split(' ').collect::<Vec<_>>());
    let left = [3, 4, 5, 6].map(|step| folder(&place, step).exists());
    assert_eq!(left, [false, false, false, true]);
}

#[test]
fn where_a_run_cannot_be_opened_the_true_cause_is_told() {
    let place = Place::new();
    symlink("loop", place.path().join("loop")).expect("a link to itself");
    fs::create_dir_all(place.path().join("odd/config.toml")).expect("folders");
    fs::create_dir(place.path().join("empty")).expect("a folder");
    for (run, says) in [
        ("loop", "symbolic links"),
        ("odd", "config.toml: it is not a regular file"),
        ("empty", "it has no config.toml"),
        ("nowhere", "there is no such folder"),
    ] {
        for command in [&["eval", run][..], &["train", "--resume", run]] {
            place.fails(5, &[run, says], command);
        }
    }
    let start = small_training(&["--set", "logging.run_dir=loop"]);
    place.fails(5, &["loop", "symbolic links"], &start);
}

#[test]
fn a_pipe_in_a_run_is_refused_and_not_waited_for() {
    for name in [
        "config.toml",
        "seal.json",
        "answers.json",
        "metrics.jsonl",
        "checkpoints/step-00000006/model.bpk",
    ] {
        let place = finished();
        let path = place.path().join("run").join(name);
        fs::remove_file(&path).expect("it is removed");
        pipe(&path);
        place.fails(5, &["not a regular file"], &["eval", "run"]);
    }
    let place = Place::new();
    pipe(&place.path().join("weights"));
    for file in ["weights", "/dev/zero"] {
        place.fails(3, &["not a regular file"], &["weights", "inspect", file]);
    }
    // A new run does not wait for its lock.
    fs::create_dir(place.path().join("run")).expect("a folder");
    pipe(&place.path().join("run/.lock"));
    place.fails(5, &[".lock"], &small_training(&["--dry-run"]));
}

#[test]
fn commands_that_messages_suggest_can_be_pasted() {
    let place = Place::new();
    let name = "my run's \"best\"";
    let set = format!("logging.run_dir={}", Value::from(name));
    let more = ["--set", &set, "--stop-after", "1"];
    let start = [&small_training(&[])[..], &more].concat();
    let outcome = place.ok(&start);
    let (_, command) = outcome
        .stderr
        .rsplit_once('`')
        .expect("a command")
        .0
        .rsplit_once('`')
        .expect("a command");
    let arguments = command.strip_prefix("aoa ").expect("the program");
    let script = format!("exec \"$0\" {arguments} --stop-after 1");
    let pasted = Command::new("sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_aoa")])
        .current_dir(place.path())
        .output();
    let pasted = pasted.expect("the shell starts");
    assert!(pasted.status.success(), "{command}: {pasted:?}");
    assert!(
        place
            .path()
            .join(name)
            .join("checkpoints/step-00000002")
            .exists()
    );
}

#[test]
fn of_no_answers_there_is_no_list() {
    let place = Place::new();
    place.fails(
        2,
        &["--top"],
        &["ask", "what?", "--image", "a.png", "--top", "0"],
    );
}
