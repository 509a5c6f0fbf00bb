//! `cargo xtask test` on a workspace in which several crates fail.

use std::fs;
use std::path::Path;
use std::process::Command;

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder is made");
    fs::write(path, text).expect("a file is written");
}

#[test]
fn a_failure_hides_no_other() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path();
    let workspace = "[workspace]\nresolver = \"3\"\nmembers = [\"first\", \"second\"]\n";
    write(&root.join("Cargo.toml"), workspace);
    for name in ["first", "second"] {
        let package = format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n");
        write(&root.join(name).join("Cargo.toml"), &package);
        let test = format!("#[test]\nfn {name}_fails() {{ panic!() }}\n");
        write(&root.join(name).join("src/lib.rs"), &test);
    }
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["test", "--offline"])
        .current_dir(root)
        .env("CARGO_TARGET_DIR", root.join("target"))
        .output()
        .expect("the program starts");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stdout);
    for name in ["first_fails", "second_fails"] {
        assert!(said.contains(name), "no {name} in {said}");
    }
}
