//! Data sets whose images lie in shards.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Place, SMALL};

/// A data set in `ds`, and its images in shards in `shards`.
fn sharded(more: &[&str]) -> Place {
    let place = Place::new();
    place.ok(&[
        "data", "export", "--preset", "cpu", "--format", "folder", "--count", "24", "--to", "ds",
    ]);
    fs::remove_dir_all(place.path().join("ds/features")).expect("region features");
    let shard = ["data", "shard", "ds", "--to", "shards"];
    place.ok(&[&shard, more].concat());
    place
}

/// Arguments of a run of a few seconds on `root`.
fn training<'a>(root: &'a str, run: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let base = [
        "--dataset",
        "folder",
        "--data-root",
        root,
        "--set",
        "logging.every_steps=1",
        "--set",
        "data_loading.shuffle_buffer_size=20",
        "--set",
        run,
    ];
    [&["train"], SMALL, &base, more].concat()
}

fn losses(place: &Place, run: &str) -> Vec<String> {
    let text = fs::read_to_string(place.path().join(run).join("metrics.jsonl")).expect("metrics");
    let lines = text.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        Some(format!("{} {}", line.get("step")?, line.get("loss")?))
    });
    lines.collect()
}

#[test]
fn an_order_of_shards_is_told_and_its_buffer_is_in_effect() {
    let place = sharded(&["--samples", "15"]);
    let told = |root: &str, more: &[&str]| {
        let arguments = training(root, "logging.run_dir=dry", more);
        place.ok(&[&arguments[..], &["--dry-run"]].concat()).stderr
    };
    let text = told("shards", &[]);
    let order = "order: streamed from 8 shards through a buffer of 20 samples";
    assert!(text.contains(order), "{text}");
    for (root, more, why) in [
        ("ds", &[][..], "images are not in shards"),
        (
            "shards",
            &["--set", "data_loading.streaming=false"],
            "`data_loading.streaming` is off",
        ),
    ] {
        let text = told(root, more);
        let expected = format!(
            "order: a permutation of all samples each epoch; {why}, so `data_loading.shuffle_buffer_size` is not in effect"
        );
        assert!(text.contains(&expected), "{text}");
    }
    let stats = |root| {
        [
            "data",
            "stats",
            "--preset",
            "cpu",
            "--dataset",
            "folder",
            "--data-root",
            root,
        ]
    };
    let text = place.ok(&stats("shards")).stdout;
    assert!(
        text.contains("streamed from 8 shards through a buffer of 2000 samples"),
        "{text}"
    );
    // The buffer is part of the plan of host memory, where not all images fit into it anyway.
    place.ok(&[
        "data", "export", "--preset", "cpu", "--format", "folder", "--count", "400", "--to", "many",
    ]);
    fs::remove_dir_all(place.path().join("many/features")).expect("region features");
    place.ok(&["data", "shard", "many", "--to", "many-shards"]);
    let buffer = |size: &str| {
        let set = format!("data_loading.shuffle_buffer_size={size}");
        let plan = [
            "plan",
            "--preset",
            "cpu",
            "--dataset",
            "folder",
            "--data-root",
            "many-shards",
            "--json",
            "--set",
            "data_loading.preload_data=false",
            "--set",
            "memory_optimization.num_workers=1",
            "--set",
            &set,
        ];
        let plan: Value = serde_json::from_str(&place.ok(&plan).stdout).expect("JSON");
        plan["host"]["buffer_bytes"].as_u64().expect("bytes")
    };
    assert!(buffer("20") < buffer("1000"));

    // In the same order without shards, with another buffer, and with none.
    let runs = [
        ("a", "shards", "20", "auto"),
        ("b", "shards", "60", "auto"),
        ("c", "shards", "20", "false"),
        ("d", "ds", "20", "auto"),
    ];
    let mut all = Vec::new();
    for (name, root, buffer, streaming) in runs {
        let run = format!("logging.run_dir={name}");
        let buffer = format!("data_loading.shuffle_buffer_size={buffer}");
        let streaming = format!("data_loading.streaming={streaming}");
        place.ok(&training(
            root,
            &run,
            &["--set", &buffer, "--set", &streaming],
        ));
        all.push(losses(&place, name));
    }
    assert_ne!(all[0], all[1], "the buffer decides the order");
    assert_ne!(all[0], all[2]);
    assert_eq!(
        all[2], all[3],
        "a permutation is the same wherever images lie"
    );
}

#[test]
fn a_run_goes_on_within_a_shard_with_other_workers() {
    let place = sharded(&["--samples", "30"]);
    place.ok(&training("shards", "logging.run_dir=whole", &[]));
    place.ok(&training(
        "shards",
        "logging.run_dir=cut",
        &["--stop-after", "2"],
    ));
    let go_on = |more: &[&str]| {
        let resume = [
            "train",
            "--resume",
            "cut",
            "--set",
            "memory_optimization.num_workers=3",
        ];
        let resume: Vec<String> = [&resume, more]
            .concat()
            .iter()
            .map(ToString::to_string)
            .collect();
        resume
    };
    // The questions are the same, but their images lie in other shards, or in none.
    place.ok(&["data", "shard", "ds", "--to", "others", "--samples", "20"]);
    for root in ["others", "ds"] {
        let arguments = go_on(&["--data-root", root]);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let words = [
            "do not lie in the shards that cut began with",
            "--data-root DIR",
        ];
        place.fails(5, &words, &arguments);
    }
    let arguments = go_on(&[]);
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    place.ok(&arguments);
    assert_eq!(losses(&place, "whole"), losses(&place, "cut"));
    let checkpoints = |run: &str| {
        let folder = place.path().join(run).join("checkpoints");
        let mut names: Vec<_> = fs::read_dir(folder)
            .expect("checkpoints")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.is_dir())
            .collect();
        names.sort();
        let last = names.pop().expect("a checkpoint");
        fs::read(last.join("model.bpk")).expect("weights")
    };
    assert!(checkpoints("whole") == checkpoints("cut"));
}

#[test]
fn shards_are_written_whole_or_not_at_all() {
    let place = sharded(&[]);
    let manifest = fs::read_to_string(place.path().join("shards/shards.json")).expect("it");
    let again = ["data", "shard", "ds", "--to", "shards"];
    place.fails(3, &["is there already"], &again);
    let after = fs::read_to_string(place.path().join("shards/shards.json")).expect("it");
    assert_eq!(manifest, after);
    fs::write(place.path().join("ds/images/train-3.png"), "no image").expect("written");
    let broken = ["data", "shard", "ds", "--to", "broken"];
    place.fails(3, &["train-3.png", "1 of 72 files"], &broken);
    assert!(!place.path().join("broken").exists());
    // What a killed process leaves is never taken for a data set, and is in nobody's way.
    fs::create_dir(place.path().join(".late.importing")).expect("a folder");
    fs::write(
        place.path().join(".late.importing/train-000000.tar"),
        "half",
    )
    .expect("written");
    place.fails(
        3,
        &["no folder data set in `late`"],
        &[
            "data",
            "stats",
            "--dataset",
            "folder",
            "--data-root",
            "late",
        ],
    );
    fs::remove_file(place.path().join("ds/images/train-3.png")).expect("removed");
    fs::copy(
        place.path().join("ds/images/train-2.png"),
        place.path().join("ds/images/train-3.png"),
    )
    .expect("copied");
    place.ok(&["data", "shard", "ds", "--to", "late"]);
    assert!(!place.path().join(".late.importing").exists());
    for (arguments, words) in [
        (&["--shard-size", "0"][..], "expected a size such as 256MiB"),
        (&["--shard-size", "many"], "expected a size such as 256MiB"),
        (&["--samples", "0"], "samples"),
        (
            &["--samples", "3", "--shard-size", "1MiB"],
            "cannot be used with",
        ),
    ] {
        let shard = ["data", "shard", "ds", "--to", "never"];
        place.fails(2, &[words], &[&shard, arguments].concat());
    }
}

/// Python's own module reads the shards, and finds what the manifest says.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn python_reads_the_shards() {
    const SCRIPT: &str = r#"
import json, sys, tarfile, zlib
folder = sys.argv[1]
for split, shards in json.load(open(folder + "/shards.json"))["splits"].items():
    for shard in shards:
        whole = open(folder + "/" + shard["file"], "rb").read()
        assert len(whole) == shard["bytes"] and "%08x" % zlib.crc32(whole) == shard["crc32"]
        tar = tarfile.open(folder + "/" + shard["file"])
        members = tar.getmembers()
        assert len(members) == 2 * shard["images"]
        samples = 0
        for image, questions, listed in zip(members[::2], members[1::2], shard["members"]):
            key, ending = image.name.split(".", 1)
            assert questions.name == key + ".json" and ending in ("png", "jpg")
            bytes_ = tar.extractfile(image).read()
            assert [image.offset_data, len(bytes_), zlib.crc32(bytes_)] == listed[1:]
            record = json.load(tar.extractfile(questions))
            assert record["image"] == listed[0]
            samples += len(record["questions"])
        assert samples == shard["samples"]
print("whole")
"#;
    let place = sharded(&["--shard-size", "100kB"]);
    let folder = place.path().join("shards");
    let python = Command::new("python3")
        .args(["-c", SCRIPT])
        .arg(&folder)
        .output();
    match python {
        Err(error) => eprintln!("skipped: python3 cannot be started: {error}"),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.stdout, b"whole\n", "{said}");
        }
    }
    assert!(Path::new(&folder).join("train-000001.tar").exists());
}
