//! What becomes of outputs that cannot be written.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::Place;

/// Runs with standard output on a device that is always full.
#[cfg(target_os = "linux")]
fn on_a_full_device(place: &Place, arguments: &[&str]) -> Option<i32> {
    let full = fs::File::options().write(true).open("/dev/full");
    let status = place
        .command(arguments)
        .stdout(full.expect("the device"))
        .stderr(Stdio::null())
        .status();
    status.expect("the program starts").code()
}

#[cfg(target_os = "linux")]
#[test]
fn standard_output_that_is_lost_is_told_by_the_exit_code() {
    let place = Place::new();
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["train", "--help"],
        &["presets", "list", "--json"],
        &["completions", "bash"],
    ] {
        assert_eq!(
            on_a_full_device(&place, arguments),
            Some(1),
            "{arguments:?}"
        );
    }
    assert_eq!(place.run(&["--help"]).code, Some(0));
    assert_eq!(place.run(&["train", "--no-such"]).code, Some(2));
}

/// What lies in a folder, by name.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

/// Runs where no byte of a file can be written, as on a full disk.
fn without_room(place: &Place, arguments: &str) -> (Option<i32>, String) {
    let script = format!("ulimit -f 0; trap '' XFSZ; exec \"$0\" {arguments}");
    let output = Command::new("sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_aoa")])
        .current_dir(place.path())
        .output()
        .expect("the program starts");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), stderr)
}

#[test]
fn files_that_cannot_be_written_whole_are_not_left() {
    let place = Place::new();
    place.file("mine.yaml", "batch_size: 8\n");
    fs::create_dir_all(place.path().join("old")).expect("a folder");
    for arguments in [
        "data export --preset cpu --count 3 --to new",
        "data export --preset cpu --format folder --count 3 --to new",
        "data export --preset cpu --count 3 --to old",
        "presets import mine.yaml --to old/new.toml",
    ] {
        let (code, stderr) = without_room(&place, arguments);
        assert_eq!(code, Some(1), "{arguments}: {stderr}");
        assert!(stderr.contains("cannot write"), "{stderr}");
        assert!(!stderr.contains(".partial-"), "{stderr}");
        assert!(!place.path().join("new").exists(), "{arguments}");
        assert!(names(&place.path().join("old")).is_empty(), "{arguments}");
    }
    // With room they are all there.
    let export = "data export --preset cpu --count 3 --to old";
    place.ok(&export.split(' ').collect::<Vec<_>>());
    assert_eq!(names(&place.path().join("old")).len(), 4);
}
