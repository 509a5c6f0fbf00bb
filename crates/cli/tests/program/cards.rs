//! The cards that the environment leaves to the program, and the memory that others leave of them.

use nvml_stand_in::{Card, Cards, Mig, MigInstance, Process};
use serde_json::Value;

use crate::support::Place;

const GIB: u64 = 1 << 30;

/// A plan of a small model with the preset and the GPU that the program chooses.
const PLAN: [&str; 12] = [
    "plan",
    "--json",
    "--set",
    "model.branches=fine",
    "--set",
    "dataset.image_size=64",
    "--set",
    "dataset.shapes_train_images=8",
    "--set",
    "model.aoa_layers=1",
    "--set",
    "model.image_encoder=grid",
];

/// Cards of 24, 48 and 24 GiB; `used` GiB of the first and the last are in use.
fn three(used: [u64; 2]) -> Place {
    let card = |name: &str, gib: u64, used: u64| {
        let python = Process {
            pid: 77,
            name: Some("/usr/bin/python3".to_owned()),
            used_memory: Some(used * GIB),
            compute: true,
            graphics: false,
        };
        Card {
            memory_used: used * GIB,
            processes: if used > 0 { vec![python] } else { Vec::new() },
            ..Card::new(name, gib * GIB)
        }
    };
    Place::new().with_library(&Cards::new(vec![
        card("NVIDIA Small", 24, used[0]),
        card("NVIDIA Large", 48, 0),
        card("NVIDIA Small", 24, used[1]),
    ]))
}

fn visible(list: &str) -> Place {
    three([0, 0]).with("CUDA_VISIBLE_DEVICES", list)
}

fn json(place: &Place, args: &[&str]) -> (Value, String) {
    let outcome = place.ok(args);
    let answer = serde_json::from_str(&outcome.stdout);
    (answer.expect("one line of JSON"), outcome.stderr)
}

#[test]
fn a_run_takes_the_best_of_the_cards_that_are_left() {
    let check = |list: &str, preset: &str, device: &str, gpu: Option<u32>| {
        let (answer, _) = json(&visible(list), &PLAN);
        assert_eq!(answer["preset"], preset, "{list:?}: {answer}");
        assert_eq!(answer["device"], device, "{list:?}: {answer}");
        assert_eq!(
            answer["card"]["gpu"],
            Value::from(gpu),
            "{list:?}: {answer}"
        );
    };
    check("0,1", "48gb", "cuda:1", Some(1));
    check("1", "48gb", "cuda:0", Some(1));
    check("2,0", "24gb", "cuda:0", Some(2));
    check(
        "GPU-00000000-0000-0000-0000-000000000001",
        "48gb",
        "cuda:0",
        Some(1),
    );
    check("0,7,1", "24gb", "cuda:0", Some(0));
    check("", "cpu", "cpu", None);
    check("-1", "cpu", "cpu", None);
}

#[test]
fn a_list_that_hides_everything_by_mistake_is_an_error() {
    let words = [
        "CUDA_VISIBLE_DEVICES=\"7\" hides every GPU from this process, 3 in all",
        "names no GPU",
    ];
    for command in ["train", "plan", "fit"] {
        let args = [
            &[command][..],
            if command == "train" {
                &["--dry-run"]
            } else {
                &[]
            },
        ]
        .concat();
        visible("7").fails(4, &words, &args);
        let preset = [&args[..], &["--preset", "24gb"]].concat();
        visible("7").fails(4, &words, &preset);
    }
    visible("7").fails(4, &words, &["presets", "derive"]);
    // Part of a list that takes no effect is a warning.
    let (_, said) = json(&visible("0,7,1"), &PLAN);
    assert!(
        said.contains("warning: CUDA_VISIBLE_DEVICES: entry \"7\""),
        "{said}"
    );
}

#[test]
fn a_hidden_card_that_is_asked_for_is_an_error() {
    let device = ["--set", "hardware.device=cuda:1"];
    let words = ["no cuda:1 for this process", "cuda:0 = GPU 2", "aoa probe"];
    for command in [&["train", "--dry-run"][..], &["plan"], &["fit"]] {
        for preset in [&[][..], &["--preset", "24gb"]] {
            visible("2").fails(4, &words, &[command, &device, preset].concat());
        }
    }
    // Counted among those that are left.
    let (answer, _) = json(&visible("2,1"), &[&PLAN[..], &device].concat());
    assert_eq!(answer["card"]["gpu"], 1, "{answer}");
    three([0, 0]).fails(
        4,
        &["there is no GPU 3"],
        &["train", "--dry-run", "--set", "hardware.device=cuda:3"],
    );
}

#[test]
fn what_others_hold_is_not_in_the_budget() {
    let (budget, said) = json(&three([10, 0]).with("CUDA_VISIBLE_DEVICES", "0"), &PLAN);
    assert_eq!(budget["budget_bytes"], 14 * GIB);
    assert!(
        budget["budget_origin"]
            .as_str()
            .expect("text")
            .contains("14.0 GiB that are free")
    );
    for words in [
        "10.0 GiB of the 24.0 GiB of GPU 0 are in use",
        "python3 (pid 77) 10.0 GiB",
    ] {
        assert!(said.contains(words), "{said}");
    }
    // Less than what the preset leaves of a card anyway.
    let (budget, said) = json(&three([1, 0]).with("CUDA_VISIBLE_DEVICES", "0"), &PLAN);
    assert_eq!(budget["budget_bytes"], (0.85 * 24.0 * GIB as f64) as u64);
    assert!(!said.contains("in use"), "{said}");
    // A budget that is stated stays, and is warned of.
    let args = [&PLAN[..], &["--memory-budget", "20GiB"]].concat();
    let (budget, said) = json(&three([10, 0]).with("CUDA_VISIBLE_DEVICES", "0"), &args);
    assert_eq!(budget["budget_bytes"], 20 * GIB);
    assert!(said.contains("more than is free"), "{said}");
}

#[test]
fn among_equal_cards_the_freest_is_taken() {
    let place = || three([3, 1]).with("CUDA_VISIBLE_DEVICES", "0,2");
    let (answer, _) = json(&place(), &PLAN);
    assert_eq!(
        (&answer["device"], &answer["card"]["gpu"]),
        (&"cuda:1".into(), &2.into())
    );
    let reason = answer["reason"].as_str().expect("a reason");
    assert!(reason.contains("23.0 GiB of them free"), "{reason}");
    let said = place().ok(&["presets", "derive", "--json"]).stderr;
    assert!(said.contains("for GPU 2"), "{said}");
    assert!(!said.contains("in use"), "{said}");
    let busy = three([10, 10]).with("CUDA_VISIBLE_DEVICES", "0,2");
    let said = busy.ok(&["presets", "derive", "--json"]).stderr;
    assert!(
        said.contains("10.0 GiB of the 24.0 GiB of GPU 0 are in use"),
        "{said}"
    );
}

/// An A100 with instances of 10 and 40 GiB.
fn split() -> Place {
    let instance = |uuid: &str, gib| MigInstance::new("NVIDIA A100 MIG", uuid, gib * GIB);
    Place::new().with_library(&Cards::new(vec![Card {
        mig: Mig::Enabled(vec![instance("MIG-small", 10), instance("MIG-large", 24)]),
        ..Card::new("NVIDIA A100", 40 * GIB)
    }]))
}

#[test]
fn a_mig_instance_is_chosen_and_named() {
    let (answer, _) = json(&split(), &PLAN);
    assert_eq!(answer["card"]["uuid"], "MIG-large", "{answer}");
    assert_eq!(
        (&answer["preset"], &answer["device"]),
        (&"24gb".into(), &"cuda:0".into())
    );
    assert_eq!(
        answer["card"]["environment"],
        serde_json::json!([["CUDA_VISIBLE_DEVICES", "MIG-large"]])
    );
    let small = split().with("CUDA_VISIBLE_DEVICES", "MIG-small");
    small.fails(
        4,
        &["10.0 GiB", "aoa presets derive"],
        &["train", "--dry-run"],
    );
    let plan = json(&small, &[&PLAN[..], &["--preset", "24gb"]].concat()).0;
    assert_eq!(plan["budget_bytes"], (0.85 * 10.0 * GIB as f64) as u64);
}

/// A run of the program by which CUDA would show it another device than the chosen one starts anew with what makes it show that
/// one.
#[cfg(unix)]
#[test]
fn cuda_is_made_to_show_the_chosen_device() {
    let check = |place: &Place, expected: &[&str]| {
        let library = place.path().join("libnvidia-ml.so.1");
        let notes = Cards::note_environments(&library).expect("the file");
        // This build has no CUDA backend, so the device is not opened in the end.
        place.fails(
            4,
            &["cuda:0", "--features cuda"],
            &["train", "--preset", "24gb"],
        );
        let text = std::fs::read_to_string(notes).expect("the file");
        let mut processes: Vec<_> = text.lines().collect();
        // A process may ask for the cards more than once.
        processes.dedup();
        assert_eq!(processes, expected);
    };
    let pair = || {
        let card = || Card::new("NVIDIA Test Card", 24 * GIB);
        Place::new().with_library(&Cards::new(vec![card(), card()]))
    };
    check(&pair(), &["- -", "- PCI_BUS_ID"]);
    check(
        &pair().with("CUDA_DEVICE_ORDER", "PCI_BUS_ID"),
        &["- PCI_BUS_ID"],
    );
    check(&split(), &["- -", "MIG-large -"]);
    let one = Cards::new(vec![Card::new("NVIDIA Test Card", 24 * GIB)]);
    check(&Place::new().with_library(&one), &["- -"]);
}

#[test]
fn probe_marks_what_is_hidden() {
    let text = visible("1").ok(&["probe"]).stdout;
    let marks: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("GPU "))
        .map(|line| {
            (
                line.contains("hidden by CUDA_VISIBLE_DEVICES"),
                line.ends_with("cuda:0"),
            )
        })
        .collect();
    assert_eq!(
        marks,
        [(true, false), (false, true), (true, false)],
        "{text}"
    );
    let (answer, _) = json(&visible("1"), &["probe", "--json"]);
    let gpus = &answer["driver"]["gpus"]["value"];
    assert_eq!(gpus[0]["visible"], false);
    assert_eq!(
        (&gpus[1]["visible"], &gpus[1]["cuda_ordinal"]),
        (&true.into(), &0.into())
    );
    assert_eq!(answer["driver"]["visibility"]["visible_devices"], "1");

    let text = split().ok(&["probe"]).stdout;
    for words in ["MIG-small", "MIG-large  24.0 GiB free of 24.0 GiB"] {
        assert!(text.contains(words), "{text}");
    }
}
