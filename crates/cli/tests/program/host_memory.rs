//! Host memory is planned, kept to and, where it is missing, refused with an exit code.

use std::process::Command;

use serde_json::Value;

use crate::support::{Outcome, Place, SMALL};

const GIB: u64 = 1 << 30;

/// All images of a large data set, decoded: 57 GB.
const LARGE: [&str; 6] = [
    "--preset",
    "cpu",
    "--set",
    "dataset.shapes_train_images=82783",
    "--set",
    "dataset.image_size=480",
];

fn json(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{}", outcome.stderr))
}

fn number(value: &Value, key: &str) -> u64 {
    value[key]
        .as_u64()
        .unwrap_or_else(|| panic!("no {key} in {value}"))
}

#[test]
fn preloading_more_than_there_is_does_not_fit_and_is_refused_by_all() {
    let place = Place::new();
    let budget = ["--memory-budget", "20GiB"];
    let plan = place.run(&[&["plan", "--json"], &LARGE[..], &budget].concat());
    let answer = json(&plan);
    assert_eq!((plan.code, &answer["fits"]), (Some(7), &false.into()));
    assert!(number(&answer["host"], "preloaded_bytes") > 57_000_000_000);
    assert!(number(&answer, "peak_bytes") < 20 * GIB, "training fits");

    let words = [
        "does not fit",
        "83183",
        "preloaded images",
        "data_loading.preload_data",
        "auto",
    ];
    for command in [&["train"][..], &["train", "--dry-run"], &["fit"]] {
        place.fails(7, &words, &[command, &LARGE[..], &budget].concat());
    }
    assert!(!place.path().join("runs").exists(), "nothing was begun");
}

#[test]
fn a_cure_is_none_that_is_set_already() {
    let place = Place::new();
    let images = |compress: &str| {
        let compress = format!("data_loading.use_compression={compress}");
        let sets = ["--preset", "cpu", "--memory-budget", "200MiB"];
        let rest = [
            "--set",
            "dataset.shapes_train_images=4000",
            "--set",
            "dataset.image_size=480",
            "--set",
            "data_loading.preload_data=true",
            "--set",
            &compress,
        ];
        let plan = place.run(&[&["plan", "--json"], &sets[..], &rest].concat());
        json(&plan)["host"]["help"]
            .as_str()
            .unwrap_or_else(|| panic!("{}", plan.stdout))
            .to_owned()
    };
    for (compress, proposed) in [("false", true), ("true", false)] {
        let help = images(compress);
        assert!(help.contains("data_loading.preload_data"), "{help}");
        assert_eq!(help.contains("use_compression"), proposed, "{help}");
    }
}

#[test]
fn what_fits_is_preloaded_and_said() {
    let place = Place::new();
    let auto = ["--set", "data_loading.preload_data=auto"];
    let budget = ["--memory-budget", "20GiB"];
    let plan = place.run(&[&["plan", "--json"], &LARGE[..], &budget, &auto].concat());
    let answer = json(&plan);
    assert_eq!(
        (plan.code, &answer["fits"]),
        (Some(0), &true.into()),
        "{answer}"
    );
    let host = &answer["host"];
    let kept = number(host, "preloaded_images");
    assert!(kept > 1000 && kept < 82_783, "{host}");
    assert!(number(host, "total_bytes") + number(&answer, "peak_bytes") <= 20 * GIB);

    let small = [&["train"], SMALL, &auto].concat();
    let run = place.ok(&small);
    assert!(
        run.stderr.contains("preloaded all 32 images"),
        "{}",
        run.stderr
    );
}

#[test]
fn the_queue_counts() {
    let place = Place::new();
    let sets = [
        "dataset.shapes_train_images=4000",
        "dataset.image_size=256",
        "data_loading.preload_data=false",
        "memory_optimization.num_workers=1024",
        "memory_optimization.prefetch_factor=1024",
    ];
    let sets = sets.map(|set| ["--set", set]).concat();
    let all = [
        &["plan", "--json", "--preset", "cpu"],
        &sets[..],
        &["--memory-budget", "700MiB"],
    ]
    .concat();
    let outcome = place.run(&all);
    let answer = json(&outcome);
    assert_eq!(outcome.code, Some(7), "{answer}");
    let help = answer["host"]["help"].as_str().expect("a cure");
    assert!(help.contains("prefetch_factor"), "{help}");
    // No more than all samples can wait.
    assert!(number(&answer["host"], "queue_bytes") < 4 * GIB);
    place.fails(
        2,
        &["num_workers", "1024"],
        &["plan", "--set", "memory_optimization.num_workers=1000000"],
    );
}

/// Runs the program with a limit of its address space in kB.
#[cfg(unix)]
fn limited(place: &Place, kilobytes: u64, args: &[&str]) -> Outcome {
    within(place, &format!("ulimit -v {kilobytes}"), args)
}

/// Runs the program after a command of the shell.
#[cfg(unix)]
fn within(place: &Place, limit: &str, args: &[&str]) -> Outcome {
    let program = place.command(args);
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("{limit} && exec \"$0\" \"$@\""))
        .arg(program.get_program())
        .args(program.get_args())
        .envs(
            program
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(place.path());
    let output = shell.output().expect("a shell");
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[cfg(unix)]
#[test]
fn little_address_space_is_an_error_and_no_crash() {
    for kilobytes in [60_000, 120_000, 200_000, 400_000, 1_000_000] {
        for command in ["plan", "fit", "train"] {
            let place = Place::new();
            let args = [&[command], SMALL].concat();
            let outcome = limited(&place, kilobytes, &args);
            let Outcome { code, stderr, .. } = &outcome;
            let what = format!("{command} in {kilobytes} kB: {outcome:?}");
            // Below some size the loader of the system cannot even start a program.
            if *code == Some(127) && stderr.contains("shared libraries") {
                continue;
            }
            assert!(matches!(code, Some(0 | 7)), "{what}");
            assert!(!stderr.contains("panicked"), "{what}");
            if *code == Some(7) {
                let causes = [
                    "out of memory",
                    "does not fit",
                    "does not start",
                    "cannot start",
                    "fits",
                ];
                let said =
                    |cause: &&str| stderr.contains(*cause) || outcome.stdout.contains(*cause);
                assert!(causes.iter().any(said), "{what}");
            }
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_higher_limit_leaves_more() {
    let place = Place::new();
    for limit in ["ulimit -v", "ulimit -d"] {
        let mut least = [0, 0];
        // Around the gibibyte that the allocator reserves where nothing limits it.
        for kilobytes in [
            300_000, 600_000, 900_000, 1_000_000, 1_050_000, 1_100_000, 1_150_000, 1_200_000,
            1_400_000, 2_000_000, 3_000_000,
        ] {
            let limit = format!("{limit} {kilobytes}");
            let probed = json(&within(&place, &limit, &["probe", "--json"]));
            let plan = [&["plan", "--json"], SMALL].concat();
            let planned = json(&within(&place, &limit, &plan));
            let usable = number(&probed["host"]["usable_memory"], "value");
            let budget = number(&planned, "budget_bytes");
            assert!(
                usable > least[0] && budget > least[1],
                "{limit}: {usable}, {budget}"
            );
            assert!(usable < kilobytes * 1024, "{limit}: {usable}");
            least = [usable, budget];
        }
    }
}

/// Runs that were measured to map twice their live bytes.
#[cfg(target_os = "linux")]
#[test]
fn what_a_limit_leaves_can_be_had() {
    let wide = [SMALL, &["--set", "model.num_hid=512"]].concat();
    let mut fitting = 0;
    for kilobytes in [500_000, 600_000, 700_000, 1_300_000] {
        let place = Place::new();
        let plan = limited(
            &place,
            kilobytes,
            &[&["plan", "--json"], &wide[..]].concat(),
        );
        let answer = json(&plan);
        let origin = answer["budget_origin"].as_str().expect("an origin");
        assert!(origin.contains("under `ulimit -v`"), "{origin}");
        if answer["fits"] == true {
            fitting += 1;
            let run = limited(&place, kilobytes, &[&["train"], &wide[..]].concat());
            assert_eq!(run.code, Some(0), "{kilobytes} kB: {run:?}");
        }
    }
    assert!(fitting > 1, "the limits are too low to tell");
}

/// What is recorded for a plan does not grow with the batch.
#[cfg(target_os = "linux")]
#[test]
fn a_plan_of_any_size_takes_little_memory() {
    let huge = [
        "--preset",
        "cpu",
        "--set",
        "training.batch_size=65536",
        "--set",
        "dataset.image_size=4096",
        "--set",
        "data_loading.preload_data=false",
        "--set",
        "dataset.shapes_train_images=8",
        "--set",
        "dataset.shapes_validation_images=1",
        "--set",
        "dataset.shapes_test_images=1",
    ];
    for command in [&["plan"][..], &["train", "--dry-run"]] {
        let place = Place::new();
        let outcome = limited(&place, 3_000_000, &[command, &huge].concat());
        assert_eq!(outcome.code, Some(7), "{outcome:?}");
        let said = [outcome.stdout, outcome.stderr].concat();
        assert!(said.contains("fit"), "{said}");
    }
}
