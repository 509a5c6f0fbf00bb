//! What becomes of a run whose directory changes, that is killed, or that begins beside others.
//!
//! One file because all tests compare the files of run directories with the helpers at its top.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Place, small_training};

/// The lines of a log.
fn lines(place: &Place, name: &str) -> Vec<String> {
    let text = fs::read_to_string(place.path().join("run").join(name)).expect("the log");
    text.lines().map(str::to_owned).collect()
}

fn events(place: &Place, kind: &str) -> Vec<Value> {
    let events = lines(place, "metrics.jsonl").into_iter();
    let events = events.map(|line| serde_json::from_str::<Value>(&line).expect("JSON"));
    events.filter(|event| event["event"] == kind).collect()
}

/// Every file under a folder, by its path there.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("it is within");
                found.insert(name.to_owned(), fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

/// The files of all checkpoints, without what was measured beside them.
fn checkpoints(place: &Place) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = files(&place.path().join("run/checkpoints"));
    files.retain(|name, _| name.starts_with("step-00000012") || name.starts_with("step-00000006"));
    assert!(!files.is_empty());
    files
}

#[test]
fn equal_runs_have_equal_checkpoints_and_so_have_resumed_ones() {
    let settings = [
        "--set",
        "logging.every_steps=4",
        "--set",
        "checkpoint.keep_last=9",
    ];
    let runs = [&[][..], &[], &["5", "2"]].map(|stops| {
        let place = Place::new();
        for (turn, stop) in stops.iter().enumerate() {
            let go_on = ["train", "--resume", "run", "--stop-after", stop];
            if turn == 0 {
                place.ok(&[&small_training(&settings)[..], &go_on[3..]].concat());
            } else {
                place.ok(&go_on);
            }
        }
        if stops.is_empty() {
            place.ok(&small_training(&settings));
        } else {
            place.ok(&["train", "--resume", "run"]);
        }
        place
    });
    let [one, other, resumed] = &runs;
    let names: Vec<_> = checkpoints(one).into_keys().collect();
    assert_eq!(names.len(), 10, "{names:?}");
    for (name, content) in checkpoints(one) {
        assert!(checkpoints(other)[&name] == content, "{}", name.display());
        assert!(checkpoints(resumed)[&name] == content, "{}", name.display());
    }
    let losses = |place: &Place| -> Vec<(Value, Value)> {
        let steps = events(place, "step").into_iter();
        steps
            .map(|step| (step["step"].clone(), step["loss"].clone()))
            .collect()
    };
    assert_eq!(losses(resumed), losses(one), "the means go over stops");
}

#[test]
fn a_resumed_run_loses_no_line() {
    let place = Place::new();
    place.ok(&small_training(&["--stop-after", "5"]));
    let logs = ["metrics.jsonl", "memory.jsonl"];
    let before = logs.map(|log| lines(&place, log));
    // The process was killed between its checkpoint and the line about it.
    let told = before[0]
        .iter()
        .position(|line| line.contains(r#""event":"checkpoint""#))
        .expect("it was saved");
    let mut untold = before[0].clone();
    untold.remove(told);
    place.file("run/metrics.jsonl", untold.join("\n") + "\n");
    place.ok(&["train", "--resume", "run"]);
    for (log, before) in logs.into_iter().zip(before) {
        let after = lines(&place, log);
        for line in before {
            assert!(after.contains(&line), "{log} has lost {line}");
        }
    }
    assert!(events(&place, "went_back").is_empty(), "no step was lost");
}

#[test]
fn steps_that_are_taken_again_are_told_once() {
    let place = Place::new();
    place.ok(&small_training(&[
        "--set",
        "logging.every_steps=1",
        "--stop-after",
        "8",
    ]));
    // As if the process had been killed after step 8, whose checkpoint was never written.
    fs::remove_dir_all(place.path().join("run/checkpoints/step-00000008")).expect("it is there");
    let killed: Vec<_> = lines(&place, "metrics.jsonl")
        .into_iter()
        .filter(|line| !line.contains(r#""event":"checkpoint","step":8"#))
        .collect();
    place.file("run/metrics.jsonl", killed.join("\n") + "\n");
    place.ok(&["train", "--resume", "run"]);
    let steps: Vec<_> = events(&place, "step")
        .iter()
        .map(|step| step["step"].as_u64().expect("a step"))
        .collect();
    assert_eq!(steps, (1..=12).collect::<Vec<_>>());
    let back = &events(&place, "went_back")[0];
    assert_eq!((&back["from"], &back["to"]), (&8.into(), &6.into()));
    assert_eq!(lines(&place, "undone.jsonl").len(), 4, "steps 7 and 8");
    let after = lines(&place, "metrics.jsonl");
    for line in killed {
        let undone = lines(&place, "undone.jsonl").contains(&line);
        assert!(after.contains(&line) || undone, "{line}");
    }
}

#[test]
fn a_run_whose_checkpoints_are_gone_is_refused_and_keeps_its_history() {
    let place = Place::new();
    place.ok(&small_training(&["--stop-after", "7"]));
    let folder = place.path().join("run");
    fs::remove_dir_all(folder.join("checkpoints")).expect("they are removed");
    let before = files(&folder);
    let resume = ["train", "--resume", "run"];
    let words = ["no usable checkpoint", "step-00000007: it is gone"];
    place.fails(5, &words, &resume);
    place.fails(5, &words, &[&resume[..], &["--dry-run"]].concat());
    let mut after = files(&folder);
    after.retain(|name, _| before.contains_key(name));
    assert!(after == before, "nothing was changed");
    assert!(!folder.join("checkpoints").exists());
}

#[test]
fn a_run_is_made_longer_by_a_new_run_with_its_settings() {
    let place = Place::new();
    place.ok(&small_training(&["--stop-after", "1"]));
    let longer = "--set training.epochs=200";
    let cure = format!("aoa train --config run/config.toml {longer} --set logging.run_dir=");
    let words = ["training.epochs = 2", "cannot be made longer", &cure];
    let resume: Vec<_> = ["train", "--resume", "run"]
        .into_iter()
        .chain(longer.split(' '))
        .collect();
    place.fails(2, &words, &resume);
    let again = format!("{cure}longer --dry-run");
    place.ok(&again.split(' ').skip(1).collect::<Vec<_>>());
    let seed = ["train", "--resume", "run", "--set", "training.seed=7"];
    place.fails(2, &["new run", "--set training.seed=7"], &seed);
}

#[test]
fn one_checkpoint_less_is_told() {
    let place = Place::new();
    place.ok(&small_training(&["--stop-after", "7"]));
    let newest = place.path().join("run/checkpoints/step-00000007");
    fs::remove_dir_all(newest).expect("it is removed");
    place.ok(&["train", "--resume", "run"]);
    let warnings = events(&place, "warning");
    assert!(
        warnings.iter().any(|warning| warning["message"]
            .as_str()
            .is_some_and(|message| message.contains("step-00000007: it is gone"))),
        "{warnings:?}"
    );
}

/// The files of a run in the order in which it writes them before its first step. After each the process may be killed.
const WRITTEN: [&str; 10] = [
    ".lock",
    ".partial-config.toml-a1B2c3",
    "config.toml",
    "data.json",
    "vocabulary.json",
    "answers.json",
    "inputs.json",
    "model.json",
    "seal.json",
    "metrics.jsonl",
];

#[test]
fn a_run_that_was_killed_while_it_started_can_be_started_and_resumed() {
    let whole = Place::new();
    whole.ok(&small_training(&["--stop-after", "1"]));
    whole.file("run/.partial-config.toml-a1B2c3", "a part");
    let last = checkpoint(&whole);
    let resume = ["train", "--resume", "run", "--stop-after", "1"];
    let start = small_training(&["--stop-after", "1"]);
    for killed_after in 0..=WRITTEN.len() {
        let torso = || {
            let place = Place::new();
            fs::create_dir(place.path().join("run")).expect("a folder");
            for name in &WRITTEN[..killed_after] {
                let from = whole.path().join("run").join(name);
                let content = match *name {
                    "metrics.jsonl" => Vec::new(),
                    _ => fs::read(from).unwrap_or_default(),
                };
                place.file(&format!("run/{name}"), content);
            }
            place
        };
        let written = &WRITTEN[..killed_after];
        let place = torso();
        place.ok(&start);
        assert!(checkpoint(&place) == last, "started after {written:?}");
        place.fails(5, &["already holds a run", "--resume run"], &start);
        let place = torso();
        if written.contains(&"config.toml") {
            place.ok(&[&resume[..3], &["--dry-run"]].concat());
            place.ok(&resume);
            assert!(checkpoint(&place) == last, "resumed after {written:?}");
            assert!(
                !place
                    .path()
                    .join("run/.partial-config.toml-a1B2c3")
                    .exists()
            );
            place.ok(&resume);
        } else {
            let words = ["it has no config.toml", "started again"];
            place.fails(5, &words, &resume);
        }
    }
}

#[test]
fn a_resumed_run_removes_nothing_that_it_did_not_write() {
    let place = Place::new();
    place.ok(&small_training(&["--stop-after", "2"]));
    let foreign = [
        ".partial-mine",
        ".replaced-mine",
        ".partial-backup",
        "checkpoints/.partial-mine/notes.txt",
        "checkpoints/.partial-step-00000009-a1B2c3/notes.txt",
        "checkpoints/step-00000001/notes.txt",
        "checkpoints/step-1/notes.txt",
        "checkpoints/measured-1.json",
    ];
    let own = [
        ".partial-summary.json-a1B2c3",
        "checkpoints/.partial-step-00000009-A1B2C3/whole/model.bpk",
        "checkpoints/.partial-measured-00000009.json-a1B2c3",
    ];
    for name in foreign.iter().chain(&own) {
        let path = place.path().join("run").join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, "mine").expect("a file");
    }
    let set = ["--set", "checkpoint.keep_last=1"];
    place.ok(&[&["train", "--resume", "run"], &set[..]].concat());
    let left = |name: &&str| place.path().join("run").join(name).exists();
    let gone: Vec<_> = foreign.iter().filter(|name| !left(name)).collect();
    assert!(gone.is_empty(), "{gone:?}");
    let kept: Vec<_> = own.iter().filter(|name| left(name)).collect();
    assert!(kept.is_empty(), "{kept:?}");
}

#[test]
fn a_run_does_not_go_on_to_a_place_that_is_taken() {
    let place = Place::new();
    place.ok(&small_training(&["--stop-after", "1"]));
    let notes = place.file("run/checkpoints/step-00000003/notes.txt", "mine");
    let words = ["would overwrite", "step-00000003"];
    place.fails(5, &words, &["train", "--resume", "run", "--dry-run"]);
    place.fails(5, &words, &["train", "--resume", "run"]);
    assert_eq!(fs::read_to_string(&notes).ok().as_deref(), Some("mine"));
    fs::remove_dir_all(notes.parent().expect("a folder")).expect("it is moved away");
    place.ok(&["train", "--resume", "run"]);
}

/// The files of the checkpoint of the first step.
fn checkpoint(place: &Place) -> BTreeMap<PathBuf, Vec<u8>> {
    files(&place.path().join("run/checkpoints/step-00000001"))
}

#[test]
fn what_somebody_else_put_there_is_not_overwritten() {
    let place = Place::new();
    // The names that a run writes are those that one left.
    let set = [
        "--set",
        "hardware.parallel_micro_batches=1",
        "--memory-budget",
        "8GiB",
    ];
    place.ok(&small_training(&set));
    let names = fs::read_dir(place.path().join("run")).expect("the run");
    let names = names.map(|entry| entry.expect("an entry").file_name().into_string());
    let names: Vec<_> = names.map(|name| name.expect("text")).collect();
    assert!(names.len() > 12, "{names:?}");
    for name in names
        .iter()
        .map(String::as_str)
        .chain([".partial-model.json-a1B2c3"])
    {
        let place = Place::new();
        let file = place.file(&format!("run/{name}"), "mine");
        place.file("run/notes.txt", "mine");
        let says = match name {
            "seal.json" => "already holds a run",
            _ => "would overwrite",
        };
        place.fails(5, &[says], &small_training(&["--dry-run"]));
        place.fails(5, &[says], &small_training(&[]));
        assert_eq!(fs::read(file).expect("it is there"), b"mine", "{name}");
        let left = fs::read_dir(place.path().join("run")).expect("the folder");
        assert_eq!(left.count(), 2, "{name}");
    }
    let place = Place::new();
    place.file("run/config.toml", "[training]\nlr = 1e-3\n");
    place.file("run/.lock", "");
    place.fails(5, &["it has no seal.json"], &["train", "--resume", "run"]);
    // Anything else may lie there.
    let place = Place::new();
    let notes = place.file("run/notes.txt", "mine");
    place.ok(&small_training(&["--stop-after", "1"]));
    assert_eq!(fs::read(notes).expect("it is there"), b"mine");
}

#[test]
fn a_run_whose_data_fail_before_its_first_step_can_be_started_again() {
    for (named, left) in [("run", true), ("", false)] {
        let place = Place::new();
        let export = "data export --preset cpu --format folder --count 8 --to data";
        place.ok(&export.split(' ').collect::<Vec<_>>());
        let image = place.path().join("data/images/train-3.png");
        let whole = fs::read(&image).expect("an image");
        let mut broken = whole.clone();
        // What only a decoder looks at.
        let middle = broken.len() / 2;
        broken[middle] ^= 0x55;
        fs::write(&image, broken).expect("it is broken");
        let run_dir = format!("logging.run_dir={named}");
        let more = [
            "--dataset",
            "folder",
            "--data-root",
            "data",
            "--stop-after",
            "1",
            "--set",
            "data_loading.preload_data=true",
            "--set",
            "model.region_features=false",
            "--set",
            &run_dir,
        ];
        let start = [&small_training(&[])[..], &more].concat();
        place.fails(3, &["train-3.png"], &start);
        let folder = if named.is_empty() { "runs" } else { named };
        assert_eq!(place.path().join(folder).exists(), left);
        fs::write(&image, whole).expect("it is repaired");
        place.ok(&start);
    }
}

#[test]
fn runs_that_begin_at_once_have_numbers_of_their_own() {
    let place = Place::new();
    let arguments = small_training(&["--stop-after", "1", "--set", "logging.run_dir=''"]);
    let children: Vec<_> = (0..8)
        .map(|_| place.command(&arguments).spawn().expect("it starts"))
        .collect();
    for mut child in children {
        assert!(child.wait().expect("it ends").success());
    }
    let runs = fs::read_dir(place.path().join("runs")).expect("the runs");
    let mut names: Vec<_> = runs
        .map(|entry| {
            let name = entry.expect("a run").file_name();
            name.into_string().expect("text")
        })
        .collect();
    names.sort();
    let expected: Vec<_> = (1..=8)
        .map(|number| format!("shapes-{number:03}"))
        .collect();
    assert_eq!(names, expected);
    for name in expected {
        let run = place.path().join("runs").join(name);
        assert!(run.join("checkpoints/step-00000001").exists());
    }
}

#[test]
fn a_run_that_cannot_begin_leaves_no_number_behind() {
    let place = Place::new();
    let nowhere = ["--dataset", "folder", "--data-root", "nowhere"];
    let arguments = [
        &small_training(&["--set", "logging.run_dir=''"])[..],
        &nowhere,
    ]
    .concat();
    place.fails(3, &["nowhere"], &arguments);
    assert!(!place.path().join("runs").exists());
}

#[test]
fn a_dry_run_refuses_what_training_refuses() {
    let place = Place::new();
    place.ok(&small_training(&["--stop-after", "1"]));
    place.file("a_file", "");
    let cases: &[(i32, &[&str], &[&str])] = &[
        (5, &["already holds a run"], &[]),
        (
            5,
            &["cannot write a_file/run"],
            &["--set", "logging.run_dir=a_file/run"],
        ),
        (
            5,
            &["cannot write /proc/run"],
            &["--set", "logging.run_dir=/proc/run"],
        ),
        (
            4,
            &["a CUDA device was requested"],
            &[
                "--set",
                "hardware.device=cuda",
                "--set",
                "logging.run_dir=new",
            ],
        ),
        (
            7,
            &["does not fit", "the budget is 1.0 MiB"],
            &["--memory-budget", "1MiB", "--set", "logging.run_dir=new"],
        ),
    ];
    for (code, words, more) in cases {
        let arguments = small_training(more);
        place.fails(*code, words, &[&arguments[..], &["--dry-run"]].concat());
        assert!(!place.path().join("new").exists());
        place.fails(*code, words, &arguments);
        let _ = fs::remove_dir_all(place.path().join("new"));
    }
    let resumed: &[(&str, &str)] = &[
        ("nowhere", "there is no such folder"),
        ("run", "no usable checkpoint"),
    ];
    fs::remove_file(place.path().join("run/checkpoints/step-00000001/model.bpk"))
        .expect("it is removed");
    for (run_dir, says) in resumed {
        place.fails(5, &[says], &["train", "--dry-run", "--resume", run_dir]);
        place.fails(5, &[says], &["train", "--resume", run_dir]);
    }

    let fits = small_training(&["--dry-run", "--json", "--memory-budget", "8GiB"]);
    let fits = [&fits[..], &["--set", "logging.run_dir=new"]].concat();
    let answer: Value = serde_json::from_str(&place.ok(&fits).stdout).expect("JSON");
    assert_eq!(answer["budget_bytes"], 8_u64 << 30);
    assert_eq!(answer["run_dir"], "new");
    assert!(
        answer["planned_bytes"]
            .as_u64()
            .is_some_and(|bytes| bytes > 0)
    );
    assert!(!place.path().join("new").exists());
}

#[test]
fn a_lock_that_is_a_link_is_left_alone() {
    let place = Place::new();
    let run_dir = place.path().join("run");
    fs::create_dir(&run_dir).expect("a folder");
    let precious = place.path().join("precious.txt");
    fs::write(&precious, "mine").expect("a file");
    std::os::unix::fs::symlink(&precious, run_dir.join(".lock")).expect("a link");
    place.fails(5, &["not a regular file"], &small_training(&[]));
    assert_eq!(fs::read(&precious).expect("it is there"), b"mine");
}

#[test]
fn runs_that_is_no_folder_is_an_error() {
    let place = Place::new();
    fs::write(place.path().join("runs"), "").expect("a file");
    let unnamed = small_training(&["--set", "logging.run_dir="]);
    place.fails(5, &["`runs` is not a folder"], &unnamed);
}
