//! The shape of the workspace: arrows between crates point down only.

use std::process::Command;

use serde_json::Value;

/// Every crate with all that it may depend on, from the leaves up. Tests may look at anything.
const ALLOWED: &[(&str, &[&str])] = &[
    ("allocator", &[]),
    ("config-schema", &[]),
    ("gpu-probe", &[]),
    ("file-kind", &[]),
    ("region-features", &["file-kind"]),
    ("data-import", &["file-kind", "region-features"]),
    ("data-pipeline", &["file-kind", "region-features"]),
    ("weight-files", &["file-kind"]),
    ("memory-planner", &[]),
    ("preset-tools", &["config-schema"]),
    ("burn-frugal", &[]),
    (
        "model-api",
        &["burn-frugal", "config-schema", "data-pipeline"],
    ),
    (
        "aoa-model",
        &[
            "burn-frugal",
            "config-schema",
            "data-pipeline",
            "model-api",
            "weight-files",
        ],
    ),
    (
        "trainer",
        &[
            "allocator",
            "config-schema",
            "gpu-probe",
            "data-pipeline",
            "file-kind",
            "burn-frugal",
            "memory-planner",
            "model-api",
        ],
    ),
    (
        "cli",
        &[
            "allocator",
            "trainer",
            "config-schema",
            "gpu-probe",
            "data-import",
            "data-pipeline",
            "file-kind",
            "preset-tools",
            "aoa-model",
            "model-api",
            "weight-files",
        ],
    ),
    ("xtask", &["gpu-probe", "preset-tools"]),
    ("nvml-stand-in", &[]),
    ("toy-model", &["model-api", "config-schema"]),
];

/// Crates that may know Burn.
const KNOW_BURN: &[&str] = &[
    "aoa-model",
    "burn-frugal",
    "model-api",
    "trainer",
    "toy-model",
];

/// Arrows that the table does not have, as `from -> to`.
fn forbidden(arrows: &[(String, String)], allowed: &[(&str, &[&str])]) -> Vec<String> {
    let permits = |from: &str, to: &str| {
        to == "burn" && KNOW_BURN.contains(&from)
            || allowed
                .iter()
                .any(|(name, below)| *name == from && below.contains(&to))
    };
    let broken = arrows.iter().filter(|(from, to)| !permits(from, to));
    broken.map(|(from, to)| format!("{from} -> {to}")).collect()
}

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");

/// The members of the workspace, as `cargo metadata` describes them.
fn packages() -> Vec<Value> {
    let command = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version=1",
            "--no-deps",
            "--manifest-path",
            MANIFEST,
        ])
        .output()
        .expect("cargo runs");
    let metadata: Value =
        serde_json::from_slice(&command.stdout).expect("cargo metadata prints JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

fn name(package: &Value) -> String {
    package["name"].as_str().expect("a name").to_owned()
}

/// Dependencies between members, and of members on Burn; those that only tests have are left out.
fn arrows() -> Vec<(String, String)> {
    let packages = packages();
    let members: Vec<String> = packages.iter().map(name).collect();
    let mut arrows = Vec::new();
    for package in packages
        .iter()
        .filter(|package| package["name"] != "integration-tests")
    {
        let dependencies = package["dependencies"].as_array().expect("dependencies");
        for dependency in dependencies.iter().filter(|one| one["kind"] != "dev") {
            let to = name(dependency);
            if members.contains(&to) || to == "burn" {
                arrows.push((name(package), to));
            }
        }
    }
    arrows
}

#[test]
fn arrows_point_down() {
    let arrows = arrows();
    assert!(arrows.len() > 8, "the workspace has its arrows: {arrows:?}");
    assert_eq!(forbidden(&arrows, ALLOWED), Vec::<String>::new());
}

#[test]
fn an_added_arrow_is_found() {
    for (from, to) in [
        ("data-pipeline", "config-schema"),
        ("gpu-probe", "burn"),
        ("aoa-model", "trainer"),
        ("trainer", "aoa-model"),
        ("cli", "burn"),
    ] {
        let mut arrows = arrows();
        arrows.push((from.to_owned(), to.to_owned()));
        assert_eq!(forbidden(&arrows, ALLOWED), [format!("{from} -> {to}")]);
    }
}

#[test]
fn every_crate_of_our_own_has_a_profile() {
    let manifest = std::fs::read_to_string(MANIFEST).expect("the manifest");
    let profiles = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("[profile.dev.package."))
        .map(|rest| rest.trim_end_matches(']').to_owned());
    let mut members: Vec<String> = packages().iter().map(name).collect();
    members.sort();
    let mut profiles: Vec<String> = profiles.collect();
    profiles.sort();
    assert_eq!(profiles, members, "[profile.dev] is that of dependencies");
}
