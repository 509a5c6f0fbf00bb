//! Watching the cards of a machine.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use nvml_stand_in::{Card, Cards, GIB, Process, code};
use serde_json::{Value, json};

use crate::support::{Place, signal};

const HEADER: &str = "seconds,index,name,uuid,lost,memory_used_bytes,memory_total_bytes,gpu_percent,memory_percent,\
                      temperature_celsius,power_watts,processes,own_processes,own_memory_bytes";

fn busy() -> Card {
    let process = Process {
        pid: 77,
        name: Some("/usr/bin/python3".to_owned()),
        used_memory: None,
        compute: true,
        graphics: false,
    };
    let own = Process {
        pid: 4242,
        name: Some("/opt/aoa/bin/aoa".to_owned()),
        used_memory: Some(2 * GIB),
        ..process.clone()
    };
    Card {
        memory_used: 3 * GIB,
        gpu_utilization: 71,
        memory_utilization: 38,
        temperature: 66,
        power: 287_500,
        processes: vec![process, own],
        ..Card::new("NVIDIA Test Card", 24 * GIB)
    }
}

/// A card that gives nothing but its name.
fn silent() -> Card {
    let calls = [
        "nvmlDeviceGetMemoryInfo_v2",
        "nvmlDeviceGetUtilizationRates",
        "nvmlDeviceGetTemperature",
        "nvmlDeviceGetPowerUsage",
        "nvmlDeviceGetComputeRunningProcesses_v3",
    ];
    Card {
        fails: calls
            .map(|call| (call.to_owned(), code::NOT_SUPPORTED))
            .into(),
        ..Card::new("Test, \"silent\"", GIB)
    }
}

fn lost() -> Card {
    Card {
        lost_after: Some(0),
        ..busy()
    }
}

fn machine(cards: &[Card]) -> Place {
    Place::new().with_library(&Cards::new(cards.to_vec()))
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

/// A monitor that goes on until it is stopped, and its output.
fn watching(place: &Place, more: &[&str]) -> (Child, BufReader<ChildStdout>) {
    let args = ["monitor", "--json", "--interval", "0.02"];
    let mut child = place
        .command(&[&args, more].concat())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let output = child.stdout.take().expect("standard output");
    (child, BufReader::new(output))
}

fn next(output: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    output.read_line(&mut line).expect("the program prints");
    serde_json::from_str(&line).expect("a line of JSON")
}

/// The samples of one reading of two cards.
fn reading(output: &mut BufReader<ChildStdout>) -> [Value; 2] {
    let both = [next(output), next(output)];
    assert_eq!(
        (&both[0]["index"], &both[1]["index"]),
        (&json!(0), &json!(1))
    );
    both
}

#[test]
fn a_line_for_each_card() {
    let place = machine(&[busy(), silent(), lost()]);
    let outcome = place.ok(&["monitor", "--once"]);
    let lines: Vec<_> = outcome
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        lines,
        [
            "0.0 s GPU 0 memory 3.0 GiB of 24.0 GiB GPU 71 % 66 °C power 288 W processes 77 python3 n/a, 4242 aoa 2.0 GiB \
             (own)",
            "0.0 s GPU 1 memory n/a GPU n/a n/a power n/a processes n/a",
            "0.0 s GPU 2 lost",
        ]
    );
    assert_eq!(outcome.stderr, "");
}

#[test]
fn hidden_cards_are_marked() {
    let place = machine(&[busy(), busy()]).with("CUDA_VISIBLE_DEVICES", "1");
    let text = place.ok(&["monitor", "--once"]).stdout;
    let marked: Vec<_> = text.lines().map(|line| line.contains("(hidden)")).collect();
    assert_eq!(marked, [true, false], "{text}");
    let samples = lines(&place.ok(&["monitor", "--json", "--once"]).stdout);
    let visible: Vec<_> = samples.iter().map(|sample| &sample["visible"]).collect();
    assert_eq!(visible, [false, true]);
}

#[test]
fn json_lines() {
    let place = machine(&[busy(), silent(), lost()]);
    let mut samples = lines(&place.ok(&["monitor", "--json", "--once"]).stdout);
    for sample in &mut samples {
        assert!(sample["seconds"].take().is_f64());
    }
    let uuid = |index| format!("GPU-00000000-0000-0000-0000-{index:012}");
    let none = json!({
        "seconds": null, "visible": true, "index": 1, "name": "Test, \"silent\"", "uuid": uuid(1), "lost": false, "memory": null,
        "utilization": null, "temperature_celsius": null, "power_watts": null, "processes": null,
    });
    let mut gone = none.clone();
    gone["index"] = json!(2);
    gone["lost"] = json!(true);
    gone["name"] = Value::Null;
    gone["uuid"] = Value::Null;
    let all = json!({
        "seconds": null, "visible": true, "index": 0, "name": "NVIDIA Test Card", "uuid": uuid(0), "lost": false,
        "memory": {"total": 24 * GIB, "used": 3 * GIB, "free": 21 * GIB},
        "utilization": {"gpu_percent": 71, "memory_percent": 38},
        "temperature_celsius": 66,
        "power_watts": 287.5,
        "processes": [
            {"pid": 77, "name": "/usr/bin/python3", "used_memory": null, "own": false},
            {"pid": 4242, "name": "/opt/aoa/bin/aoa", "used_memory": 2 * GIB, "own": true},
        ],
    });
    assert_eq!(samples, [all, none, gone]);
}

#[test]
fn rows_are_appended_under_one_header() {
    let place = machine(&[busy(), silent(), lost()]);
    let args = ["monitor", "--csv", "gpu.csv", "--interval", "0.01"];
    place.ok(&[&args[..], &["--count", "2"]].concat());
    place.ok(&[&args[..], &["--once"]].concat());
    let text = fs::read_to_string(place.path().join("gpu.csv")).expect("the file");
    assert!(text.ends_with('\n'));
    let mut rows = text.lines();
    assert_eq!(rows.next(), Some(HEADER));
    // Without the time.
    let rows: Vec<_> = rows
        .map(|row| row.split_once(',').expect("a first field").1)
        .collect();
    let reading = [
        "0,NVIDIA Test Card,GPU-00000000-0000-0000-0000-000000000000,false,3221225472,25769803776,71,38,66,287.5,2,1,\
         2147483648",
        "1,\"Test, \"\"silent\"\"\",GPU-00000000-0000-0000-0000-000000000001,false,,,,,,,,,",
        "2,,,true,,,,,,,,,",
    ];
    assert_eq!(rows, [reading; 3].concat());
}

#[test]
fn a_file_of_something_else_is_left_alone() {
    let place = machine(&[busy()]);
    let unfinished = format!("{HEADER}\n0,1");
    for (name, content, words) in [
        ("a.csv", "seconds,memory\n", "other columns"),
        ("b.csv", "x", "other columns"),
        ("c.csv", HEADER, "other columns"),
        ("d.csv", &unfinished, "not whole"),
    ] {
        let file = place.file(name, content);
        place.fails(3, &[name, words], &["monitor", "--once", "--csv", name]);
        assert_eq!(fs::read_to_string(file).expect("the file"), content);
    }
    let words = ["cannot write", "nowhere/gpu.csv"];
    place.fails(
        1,
        &words,
        &["monitor", "--once", "--csv", "nowhere/gpu.csv"],
    );
}

#[test]
fn as_many_readings_and_cards_as_asked_for() {
    let place = machine(&[busy(), silent(), lost()]);
    for (args, expected) in [
        ("--once", vec![0, 1, 2]),
        ("--once --gpu 1", vec![1]),
        ("--count 2 --gpu 2 --gpu 0", vec![0, 2, 0, 2]),
    ] {
        let args = format!("monitor --json --interval 0.01 {args}");
        let outcome = place.ok(&args.split(' ').collect::<Vec<_>>());
        let indices: Vec<_> = lines(&outcome.stdout)
            .iter()
            .map(|sample| sample["index"].as_u64().expect("an index"))
            .collect();
        assert_eq!(indices, expected, "{args}");
    }
}

#[test]
fn what_cannot_be_watched_is_one_error() {
    let without_driver = Cards {
        fails: [("nvmlInit_v2".to_owned(), code::DRIVER_NOT_LOADED)].into(),
        ..Cards::new(vec![busy()])
    };
    let place = Place::new().with_library(&without_driver);
    let words = ["no NVIDIA driver", "driver is not loaded", "nvidia-smi"];
    place.fails(4, &words, &["monitor"]);
    // Nothing is begun for a monitor that cannot start.
    place.fails(4, &words, &["monitor", "--csv", "gpu.csv"]);
    assert!(!place.path().join("gpu.csv").exists());

    Place::new().fails(4, &["reports no GPU"], &["monitor"]);
    let place = machine(&[busy()]);
    let words = ["no GPU 3", "0: NVIDIA Test Card"];
    place.fails(4, &words, &["monitor", "--gpu", "3"]);
    let missing = "/nowhere/libnvidia-ml.so";
    place.fails(4, &[missing], &["monitor", "--nvml-library", missing]);
    for interval in ["0", "0.001", "-1", "1e9", "NaN", "one"] {
        let interval = format!("--interval={interval}");
        place.fails(2, &["number of seconds"], &["monitor", &interval]);
    }
    place.fails(2, &["--count"], &["monitor", "--once", "--count", "2"]);
}

#[cfg(unix)]
#[test]
fn a_card_that_disappears_is_lost_until_it_is_back() {
    let losing = Card {
        lost_after: Some(40),
        ..busy()
    };
    let place = machine(&[busy(), losing]);
    let (mut child, mut output) = watching(&place, &[]);
    let first = reading(&mut output);
    let change = |second: Card| {
        let cards = Cards::new(vec![busy(), second]);
        cards.install(place.path()).expect("the cards change");
    };
    change(lost());
    let mut until = |is_lost: bool| {
        let found = (0..1000).map(|_| reading(&mut output)).find(|both| {
            assert_eq!(both[0]["memory"], first[0]["memory"]);
            both[1]["lost"] == is_lost
        });
        found.expect("the card changes")
    };
    let gone = until(true);
    assert_eq!(gone[1]["memory"], Value::Null);
    assert_eq!(gone[1]["uuid"], first[1]["uuid"]);
    assert_eq!(until(true)[1]["lost"], true);
    change(busy());
    let back = until(false);
    assert_eq!(back[1]["memory"], first[1]["memory"]);
    signal(&child, "-INT");
    assert_eq!(child.wait().expect("the program ends").code(), Some(0));
}

#[cfg(unix)]
#[test]
fn an_interruption_ends_it_with_all_that_was_read() {
    for name in ["-INT", "-TERM"] {
        let place = machine(&[busy(), silent()]);
        let (mut child, mut output) = watching(&place, &["--csv", "gpu.csv"]);
        let mut readings = 3;
        for _ in 0..readings {
            reading(&mut output);
        }
        signal(&child, name);
        readings += output.lines().count() / 2;
        assert_eq!(child.wait().expect("it ends").code(), Some(0), "{name}");
        let text = fs::read_to_string(place.path().join("gpu.csv")).expect("the file");
        assert!(text.ends_with('\n'));
        assert_eq!(text.lines().count(), 1 + 2 * readings);
        let whole = |row: &str| row.replace("Test, ", "").split(',').count() == 14;
        assert!(text.lines().all(whole), "{text}");
    }
}

#[test]
fn it_ends_when_nobody_reads() {
    let place = machine(&[busy()]);
    let (mut child, mut output) = watching(&place, &[]);
    next(&mut output);
    drop(output);
    assert_eq!(child.wait().expect("the program ends").code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn it_ends_when_the_file_is_full() {
    let place = machine(&[busy()]);
    let words = ["cannot write /dev/full", "No space left"];
    place.fails(1, &words, &["monitor", "--csv", "/dev/full"]);
}
