//! `cargo xtask docs`.

use std::fs;
use std::path::Path;

use preset_tools::generated_files;

use crate::steps::{Failure, Outcome};

/// Writes the schema, the pages of options and rules, and the guides, and says which of them changed.
pub fn write() -> Outcome {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = generated_files().map_err(|errors| failed(&errors.to_string()))?;
    for file in files {
        let path = repository.join(file.path);
        if fs::read_to_string(&path).is_ok_and(|found| found == file.text) {
            continue;
        }
        let written = fs::write(&path, file.text);
        written.map_err(|error| failed(&format!("{}: {error}", file.path)))?;
        println!("{}", file.path);
    }
    Ok(())
}

fn failed(reason: &str) -> Failure {
    Failure {
        code: 1,
        step: Some(reason.to_owned()),
    }
}
