//! Signals, kills and limits of the system.
//!
//! One file because all tests disturb a run that goes on, which the struct at its top starts.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::support::{Place, signal, small_training};

/// A run that goes on for long, and what it says.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// Settings of a run that goes on until it is stopped.
const LONG: &[&str] = &[
    "--json",
    "--set",
    "training.epochs=100000",
    "--set",
    "logging.every_steps=1",
    "--set",
    "checkpoint.every_steps=5",
];

impl Running {
    /// Starts a run through a shell that does something first, and waits for its first step.
    fn after(place: &Place, first: &str) -> Self {
        let script = format!("{first}\nexec \"$0\" \"$@\"");
        let program = place.command(&[]);
        let mut command = Command::new("sh");
        command
            .args(["-c", &script])
            .arg(program.get_program())
            .args(small_training(LONG))
            .current_dir(place.path())
            .envs(
                program
                    .get_envs()
                    .filter_map(|(key, value)| Some((key, value?))),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the shell starts");
        let output = child.stdout.take().expect("standard output");
        let mut running = Self {
            child,
            lines: BufReader::new(output).lines(),
        };
        running.wait_for(r#""event":"step""#);
        running
    }

    fn start(place: &Place) -> Self {
        Self::after(place, "")
    }

    /// Waits for an event.
    #[track_caller]
    fn wait_for(&mut self, event: &str) {
        let mut lines = self.lines.by_ref().map_while(Result::ok);
        assert!(lines.any(|line| line.contains(event)), "no {event}");
    }

    /// Waits for the end; gives the exit code and what was said on standard error.
    fn end(mut self) -> (Option<i32>, String) {
        // Keep reading, or the program would wait for a reader.
        let lines = self.lines;
        let reading = std::thread::spawn(move || lines.for_each(drop));
        let mut text = String::new();
        let mut errors = self.child.stderr.take().expect("standard error");
        errors.read_to_string(&mut text).expect("text");
        let code = self.child.wait().expect("it ends").code();
        reading.join().expect("it reads");
        assert!(!text.contains("panicked"), "{text}");
        (code, text)
    }
}

/// Whether this process ignores SIGHUP, which programs that it starts inherit. Known on Linux.
fn hang_up_is_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}

#[test]
fn an_ignored_signal_stays_ignored() {
    for (ignored, name) in [("HUP", "-HUP"), ("INT", "-INT")] {
        let place = Place::new();
        let mut running = Running::after(&place, &format!("trap '' {ignored}"));
        signal(&running.child, name);
        for _ in 0..3 {
            running.wait_for(r#""event":"step""#);
        }
        signal(&running.child, "-TERM");
        assert_eq!(running.end().0, Some(130));
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "says why it is skipped")]
fn a_hang_up_that_is_not_ignored_saves_and_stops() {
    if hang_up_is_ignored() {
        eprintln!(
            "skipped: this process ignores SIGHUP, as `nohup` makes it do, and so would the program"
        );
        return;
    }
    let place = Place::new();
    let running = Running::start(&place);
    signal(&running.child, "-HUP");
    assert_eq!(running.end().0, Some(130));
    place.ok(&["train", "--resume", "run", "--stop-after", "1"]);
}

#[test]
fn user_signals_save_and_go_on_or_save_and_stop() {
    let place = Place::new();
    let mut running = Running::after(&place, "");
    // Between the checkpoints that are due anyway there are four steps without one.
    let off_beat = |place: &Place| {
        let steps = fs::read_dir(place.path().join("run/checkpoints")).expect("checkpoints");
        let names = steps.map(|entry| entry.expect("an entry").file_name());
        names
            .filter_map(|name| name.to_str()?.strip_prefix("step-")?.parse::<usize>().ok())
            .any(|step| step % 5 != 0 && step % 6 != 0)
    };
    let mut saved = false;
    for _ in 0..20 {
        signal(&running.child, "-USR1");
        running.wait_for(r#""event":"checkpoint""#);
        saved = saved || off_beat(&place);
        if saved {
            break;
        }
    }
    assert!(saved, "a checkpoint that was asked for");
    running.wait_for(r#""event":"step""#);
    for _ in 0..3 {
        signal(&running.child, "-USR2");
    }
    let (code, text) = running.end();
    assert_eq!(code, Some(130), "{text}");
    place.ok(&["train", "--resume", "run", "--stop-after", "1"]);
}

#[test]
fn a_run_whose_directory_changes_ends_with_one_error() {
    type Change = fn(&Path);
    const RESUME: &str = "go on from the latest checkpoint with `aoa train --resume run`";
    let changes: &[(&str, Change, &str, &str)] = &[
        (
            "removed",
            |run| fs::remove_dir_all(run).expect("removed"),
            "was removed",
            "move the run directory back",
        ),
        (
            "moved and replaced by a file",
            |run| {
                fs::rename(run, run.with_extension("old")).expect("moved");
                fs::write(run, "").expect("a file");
            },
            "run was replaced",
            "move the run directory back",
        ),
        (
            "moved and replaced by a copy of a run",
            |run| {
                fs::rename(run, run.with_extension("old")).expect("moved");
                fs::create_dir(run).expect("a folder");
                fs::write(run.join(".lock"), "").expect("a file");
            },
            "while the run wrote to it",
            "move the run directory back",
        ),
        (
            "its checkpoints removed",
            |run| fs::remove_dir_all(run.join("checkpoints")).expect("removed"),
            "run/checkpoints was removed",
            "put checkpoints back from a copy",
        ),
        (
            "its metrics removed",
            |run| fs::remove_file(run.join("metrics.jsonl")).expect("removed"),
            "run/metrics.jsonl was removed",
            RESUME,
        ),
        (
            "its metrics replaced",
            |run| {
                fs::write(run.join("other"), "").expect("a file");
                fs::rename(run.join("other"), run.join("metrics.jsonl")).expect("renamed");
            },
            "run/metrics.jsonl was replaced",
            RESUME,
        ),
        (
            "the log of its memory removed",
            |run| fs::remove_file(run.join("memory.jsonl")).expect("removed"),
            "run/memory.jsonl was removed",
            RESUME,
        ),
    ];
    for (name, change, says, cure) in changes {
        let place = Place::new();
        let mut running = Running::start(&place);
        running.wait_for(r#""event":"checkpoint""#);
        change(&place.path().join("run"));
        let (code, text) = running.end();
        assert_eq!(code, Some(5), "{name}: {text}");
        let flat: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let flat = flat.replace(" | ", " ");
        assert!(flat.contains(says), "{name}: {text}");
        assert!(flat.contains(cure), "{name}: {text}");
        // What the cure says comes true.
        let resumed = place.run(&["train", "--resume", "run", "--stop-after", "1"]);
        let expected = if *cure == RESUME { 0 } else { 5 };
        assert_eq!(resumed.code, Some(expected), "{name}: {}", resumed.stderr);
        if *name == "removed" {
            assert!(!place.path().join("run").exists(), "nothing is left");
        }
    }
}

#[test]
fn a_run_without_its_configuration_is_not_said_to_go_on() {
    let place = Place::new();
    let mut running = Running::start(&place);
    running.wait_for(r#""event":"checkpoint""#);
    let config = place.path().join("run/config.toml");
    let text = fs::read(&config).expect("the configuration");
    fs::remove_file(&config).expect("removed");
    signal(&running.child, "-TERM");
    let said: Vec<_> = running.lines.by_ref().map_while(Result::ok).collect();
    let summary = said
        .iter()
        .find(|line| line.contains(r#""event":"summary""#));
    assert_eq!(summary, None, "nobody is told that it stopped well");
    let (code, error) = running.end();
    assert_eq!(code, Some(5), "{error}");
    let flat: String = error.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in [
        "run/config.toml was removed",
        "put config.toml back from a copy",
    ] {
        assert!(flat.contains(word), "{error}");
    }
    fs::write(&config, text).expect("put back");
    place.ok(&["train", "--resume", "run", "--stop-after", "1"]);
}

/// Runs the program with files of at most so many bytes. A shell counts them in blocks.
fn limited(place: &Place, bytes: usize, args: &[&str]) -> (Option<i32>, String) {
    let script = format!("ulimit -f {} && exec \"$0\" \"$@\"", bytes / 512);
    let program = place.command(&[]);
    let output = Command::new("sh")
        .args(["-c", &script])
        .arg(program.get_program())
        .args(args)
        .current_dir(place.path())
        .envs(
            program
                .get_envs()
                .filter_map(|(key, value)| Some((key, value?))),
        )
        .output()
        .expect("the shell starts");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn a_file_that_cannot_grow_ends_the_run_with_one_error_and_nothing_half_written() {
    let place = Place::new();
    let arguments = small_training(&["--set", "logging.every_steps=1", "--stop-after", "2"]);
    let (code, text) = limited(&place, 16 << 10, &arguments);
    assert_eq!(code, Some(5), "{text}");
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in [
        "cannot write the checkpoint",
        "takes at least",
        "checkpoint.keep_last",
    ] {
        assert!(flat.contains(word), "{text}");
    }
    assert_eq!(
        entries(&place, "run/checkpoints"),
        [""; 0],
        "nothing is left"
    );

    place.ok(&["train", "--resume", "run", "--stop-after", "2"]);
    let before = entries(&place, "run/checkpoints");
    let resume = ["train", "--resume", "run", "--stop-after", "1"];
    let (code, text) = limited(&place, 16 << 10, &resume);
    assert_eq!(code, Some(5), "{text}");
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("the one of step 2 is whole"), "{text}");
    assert_eq!(entries(&place, "run/checkpoints"), before);
    place.ok(&["train", "--resume", "run"]);
}

#[test]
fn a_log_that_cannot_grow_keeps_whole_lines() {
    let place = Place::new();
    place.ok(&small_training(&["--stop-after", "1"]));
    let log = place.path().join("run/metrics.jsonl");
    let mut text = fs::read_to_string(&log).expect("the log");
    // The limit is in the middle of the next line.
    let warning = |message: &str| format!("{{\"event\":\"warning\",\"message\":\"{message}\"}}\n");
    let left = (16 << 10) - 20 - text.len() - warning("").len();
    text.push_str(&warning(&"x".repeat(left)));
    fs::write(&log, &text).expect("it is written");
    let resume = ["train", "--resume", "run", "--stop-after", "1"];
    let (code, errors) = limited(&place, 16 << 10, &resume);
    assert_eq!(code, Some(5), "{errors}");
    assert!(errors.contains("metrics.jsonl"), "{errors}");
    assert!(fs::read_to_string(&log).expect("the log") == text);
    place.ok(&["train", "--resume", "run"]);
}

fn entries(place: &Place, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(place.path().join(folder)).expect("a folder");
    let mut names: Vec<_> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

/// The files of the newest checkpoint.
fn newest(run: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let steps = fs::read_dir(run.join("checkpoints")).expect("checkpoints");
    let steps = steps.map(|entry| entry.expect("an entry").path());
    let newest = steps.filter(|path| path.is_dir()).max().expect("one");
    let files = fs::read_dir(newest).expect("a folder");
    let mut files: Vec<_> = files
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(run).expect("it is within").to_owned();
            (name, fs::read(&path).expect("a file"))
        })
        .collect();
    files.sort();
    files
}

/// `cargo xtask bench kills` does so hundreds of times.
#[test]
fn a_run_that_is_killed_again_and_again_is_the_same_run() {
    let sets = [
        "--set",
        "training.epochs=8",
        "--set",
        "model.dropout=0.3",
        "--set",
        "hardware.parallel_micro_batches=1",
        "--set",
        "evaluation.question_only_epochs=0",
        "--set",
        "checkpoint.every_steps=2",
        "--set",
        "logging.every_steps=3",
    ];
    let whole = Place::new();
    whole.ok(&small_training(&sets));
    let killed = Place::new();
    let start = small_training(&sets);
    let resume = ["train", "--resume", "run"];
    let next = |place: &Place| {
        if place.path().join("run/config.toml").exists() {
            resume.to_vec()
        } else {
            start.clone()
        }
    };
    for milliseconds in [20, 150, 400, 90, 700, 250, 1000, 60] {
        let mut child = killed
            .command(&next(&killed))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        std::thread::sleep(Duration::from_millis(milliseconds));
        let _ = child.kill();
        child.wait().expect("it ends");
    }
    killed.ok(&next(&killed));
    let [one, other] = [&whole, &killed].map(|place| newest(&place.path().join("run")));
    let names = |files: &[(PathBuf, Vec<u8>)]| {
        let names = files.iter().map(|(name, _)| name.clone());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(&one), names(&other));
    for ((name, content), (_, same)) in one.iter().zip(&other) {
        assert!(content == same, "{}", name.display());
    }
}
