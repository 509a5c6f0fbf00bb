//! Presets under named rules.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::Place;

/// An overlay on `24gb`.
fn overlay(text: &str) -> String {
    format!("extends = \"24gb\"\n\n[preset]\ndescription = \"a card of my own\"\n{text}")
}

/// The root of the repository.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The names of all presets in a folder and those within it.
fn presets_in(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            names.extend(presets_in(&path));
        } else if path.extension().is_some_and(|ending| ending == "toml") {
            let name = path.file_stem().expect("a name");
            names.insert(name.to_str().expect("UTF-8").to_owned());
        }
    }
    names
}

/// Runs `aoa presets check --json` with more arguments.
fn check(place: &Place, args: &[&str]) -> (Option<i32>, Value) {
    let outcome = place.run(&[&["presets", "check", "--json"], args].concat());
    let answer = serde_json::from_str(&outcome.stdout);
    let answer = answer.unwrap_or_else(|_| panic!("{}", outcome.stderr));
    (outcome.code, answer)
}

/// Rule and `file:line:column` of every finding.
fn places(answer: &Value) -> Vec<String> {
    let findings = answer["findings"].as_array().expect("findings");
    let place = |finding: &Value| {
        let text = |key: &str| finding[key].as_str().unwrap_or_else(|| panic!("{finding}"));
        assert!(!text("message").is_empty() && !text("help").is_empty());
        let number = |key: &str| {
            finding[key]
                .as_u64()
                .map_or_else(String::new, |n| format!(":{n}"))
        };
        let (line, column) = (number("line"), number("column"));
        format!("{} {}{line}{column}", text("rule"), text("file"))
    };
    findings.iter().map(place).collect()
}

#[test]
fn the_presets_of_the_program_pass_and_none_is_unread() {
    let place = Place::new();
    let configs = repository().join("configs");
    let seen = |answer: &Value| -> BTreeSet<String> {
        let presets = answer["presets"].as_array().expect("presets");
        let name = |preset: &Value| preset["name"].as_str().expect("a name").to_owned();
        let names: BTreeSet<String> = presets.iter().map(name).collect();
        assert_eq!(answer["checked"], names.len(), "{answer}");
        names
    };
    // Here there is no folder `configs`, so those in the program are checked.
    let (code, answer) = check(&place, &[]);
    assert_eq!((code, places(&answer)), (Some(0), Vec::new()));
    assert_eq!(seen(&answer), presets_in(&configs));
    for preset in answer["presets"].as_array().expect("presets") {
        assert_eq!(preset["fits"], true, "{preset}");
    }
    let outcome = place
        .command(&["presets", "check", "--json", "--no-plan"])
        .current_dir(repository())
        .output()
        .expect("the program starts");
    let answer: Value = serde_json::from_slice(&outcome.stdout).expect("JSON");
    assert_eq!(
        (outcome.status.code(), places(&answer)),
        (Some(0), Vec::new())
    );
    assert_eq!(seen(&answer), presets_in(&configs));
    assert_eq!(answer["presets"][0]["peak_bytes"], Value::Null);
}

#[test]
fn a_folder_named_configs_is_that_of_the_program_in_its_repository() {
    let place = Place::new();
    place.file("configs/desktop.toml", overlay(""));
    place.file("configs/my.yaml", "");
    let (code, answer) = check(&place, &["--no-plan"]);
    assert_eq!((code, places(&answer)), (Some(0), Vec::new()));
    let presets = answer["presets"].as_array().expect("presets");
    assert!(presets.iter().all(|preset| preset["name"] != "desktop"));

    fs::remove_file(place.path().join("configs/my.yaml")).expect("it is there");
    place.file("crates/config-schema/src/presets.rs", "");
    let (code, answer) = check(&place, &["--no-plan"]);
    assert_eq!(code, Some(2));
    let found = places(&answer);
    assert!(
        found.contains(&"reachable configs/desktop.toml:1:1".to_owned()),
        "{found:?}"
    );
    assert!(found.contains(&"reachable configs".to_owned()), "{found:?}");
    let (code, _) = check(&place, &["--no-plan", "--dir", "configs"]);
    assert_eq!(code, Some(0));
}

#[test]
fn all_findings_come_at_once_with_place_and_cure() {
    let place = Place::new();
    place.file("mine/a.toml", overlay("\n[training]\nbach_size = 8\n"));
    place.file(
        "mine/more/b.toml",
        overlay("\n[training]\nupdate_freq = 3\n"),
    );
    place.file("mine/notes.txt", "16 GB next week");
    place.file("mine/c.toml", b"extends = \"24gb\"\n# \xfc");
    let arguments = ["--no-plan", "--dir", "mine"];
    let (code, answer) = check(&place, &arguments);
    assert_eq!(code, Some(2));
    assert_eq!(
        places(&answer),
        [
            "known-keys mine/a.toml:7:1",
            "readable mine/c.toml:2:3",
            "effective-batch mine/more/b.toml:7:15",
            "toml-file mine/notes.txt",
        ]
    );
    let outcome = place.run(&[&["presets", "check"], &arguments[..]].concat());
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(2), ""));
    for words in [
        "known-keys",
        "mine/a.toml:7:1",
        "bach_size = 8",
        "did you mean `batch_size`?",
        "mine/notes.txt: not a preset",
        "with `update_freq = 4` it is 8 x 4 = 32",
        "checked 2 presets by 28 rules: 4 findings",
    ] {
        assert!(
            outcome.stdout.contains(words),
            "no {words:?} in {}",
            outcome.stdout
        );
    }
}

#[test]
fn what_the_model_cannot_do_is_found_by_planning() {
    let place = Place::new();
    place.file("mine/odd.toml", overlay("\n[dataset]\nimage_size = 500\n"));
    let unsaved = "[training]\nbatch_size = 32\nupdate_freq = 1\n[memory_optimization]\n\
                   gradient_checkpointing = false\nmemory_efficient_attention = false\n";
    let unsaved = overlay(unsaved).replace("my own", "another");
    place.file("mine/unsaved.toml", unsaved);
    let (code, answer) = check(&place, &["--dir", "mine"]);
    assert_eq!(code, Some(2));
    assert_eq!(
        places(&answer),
        [
            "model-builds mine/odd.toml:7:14",
            "planned-peak mine/unsaved.toml:6:14",
            "learning-rates mine/unsaved.toml:6:14",
            "monotone-batch mine/unsaved.toml:6:14",
        ]
    );
    assert_eq!(answer["presets"][1]["fits"], false);
    // Such micro-batches are also larger than those for a larger card, which takes no plan to see.
    let (_, answer) = check(&place, &["--no-plan", "--dir", "mine"]);
    assert_eq!(
        places(&answer),
        [
            "learning-rates mine/unsaved.toml:6:14",
            "monotone-batch mine/unsaved.toml:6:14",
        ]
    );
}

#[test]
fn images_in_host_memory_are_counted() {
    let place = Place::new();
    let preload = "min_host_memory = \"6GiB\"\n\n[data_loading]\npreload_data = true\n";
    place.file("mine/preload.toml", overlay(preload));
    let (code, answer) = check(&place, &["--no-plan", "--dir", "mine"]);
    assert_eq!(code, Some(2));
    assert_eq!(places(&answer), ["preload-fits mine/preload.toml:5:19"]);
    // The test split is read once, so nothing of it is kept.
    let pixels: u64 = (10_000 + 400) * 480 * 480 * 3;
    let bytes = answer["presets"][0]["preload_bytes"].as_u64();
    let beside = bytes.and_then(|bytes| bytes.checked_sub(pixels));
    assert!(beside < Some(pixels / 1000), "{answer}");
}

#[test]
fn samples_that_wait_are_counted_and_on_the_cpu_with_the_peak() {
    let place = Place::new();
    place.file(
        "mine/queue.toml",
        "extends = \"48gb\"\n[preset]\ndescription = \"my own\"\nmin_host_memory = \"9GiB\"\n\
         [memory_optimization]\nprefetch_factor = 1000\n[data_loading]\npreload_data = false\n",
    );
    // Its images alone fit, and so does its training alone.
    place.file(
        "mine/small.toml",
        "extends = \"cpu\"\n[preset]\ndescription = \"another\"\nmin_host_memory = \"150MiB\"\n",
    );
    let (code, answer) = check(&place, &["--dir", "mine"]);
    assert_eq!(code, Some(2));
    let found = places(&answer);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0], "queue-fits mine/queue.toml:6:19");
    assert!(
        found[1].starts_with("planned-peak mine/small.toml"),
        "{found:?}"
    );
    assert_eq!(answer["presets"][1]["fits"], false);
}

#[cfg(unix)]
#[test]
fn whatever_is_in_the_folder_is_read_or_said_not_to_be() {
    let place = Place::new();
    place.file("mine/a.toml", overlay(""));
    let link = |to: &str, name: &str| {
        std::os::unix::fs::symlink(to, place.path().join("mine").join(name)).expect("a link");
    };
    link("nowhere.toml", "b.toml");
    link("/dev/zero", "c.toml");
    link("..", "d");
    let (code, answer) = check(&place, &["--no-plan", "--dir", "mine"]);
    assert_eq!(code, Some(2));
    let expected = [
        "readable mine/b.toml",
        "readable mine/c.toml",
        "readable mine/d",
    ];
    assert_eq!(places(&answer), expected);
    place.fails(
        2,
        &["nothing-here"],
        &["presets", "check", "--dir", "nothing-here"],
    );
    fs::create_dir(place.path().join("empty")).expect("a folder");
    let (code, answer) = check(&place, &["--dir", "empty"]);
    assert_eq!(
        (code, places(&answer)),
        (Some(2), vec!["readable empty".to_owned()])
    );
}

#[test]
fn a_family_of_one_is_a_warning_and_no_error() {
    let place = Place::new();
    place.file("mine/a.toml", overlay("\n[family]\nname = \"vpa\"\n"));
    let arguments = ["--no-plan", "--dir", "mine"];
    let (code, answer) = check(&place, &arguments);
    assert_eq!(
        (code, places(&answer)),
        (Some(0), vec!["family-members mine/a.toml:7:8".to_owned()])
    );
    assert_eq!(answer["findings"][0]["severity"], "warning");
    let outcome = place.ok(&[&["presets", "check"], &arguments[..]].concat());
    for words in ["did you mean \"vqa\"?", "by 28 rules: 1 warning"] {
        assert!(
            outcome.stdout.contains(words),
            "no {words:?} in {}",
            outcome.stdout
        );
    }
}

#[test]
fn a_preset_extends_the_file_of_that_name_in_its_folder() {
    let place = Place::new();
    let base = "[training]\nepochs = 7\n[family]\nname = \"mine\"\n";
    place.file("mine/24gb.toml", overlay(base));
    place.file("mine/tight.toml", overlay("").replace("my own", "another"));
    let (code, answer) = check(&place, &["--no-plan", "--dir", "mine"]);
    assert_eq!((code, places(&answer)), (Some(0), Vec::new()));
    let shown = place.ok(&["config", "show", "--preset", "mine/tight.toml"]);
    assert!(shown.stdout.contains("epochs = 7"), "{}", shown.stdout);
}
