//! Compiles the shared library that `Cards::install` puts into a test's folder.
//!
//! Not as a `cdylib` target: cargo gives those no hash in their file name, so that each change of features in another
//! package would rebuild it and every test that uses it, and a test would have to search for the file.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rustc-check-cfg=cfg(stand_in_library)");
    let variable = |name| env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name}"));
    let status = Command::new(variable("RUSTC"))
        .args(["src/lib.rs", "--crate-name=nvml_stand_in", "--edition=2024"])
        .args(["--crate-type=cdylib", "--cfg=stand_in_library"])
        .args(["-Cstrip=symbols", "--target"])
        .arg(variable("TARGET"))
        .arg("-o")
        .arg(Path::new(&variable("OUT_DIR")).join("library"))
        .status()
        .expect("rustc can be run");
    assert!(status.success(), "the stand-in library does not compile");
}
