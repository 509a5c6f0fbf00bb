//! Folders of cases: `cases.json` says of each file what is right.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Names another folder of cases for the tests that walk them.
const OTHER: &str = "AOA_CASES";

/// The folder under `tests/` that has cases of its own; another one where [`OTHER`] names it.
pub(crate) fn folder(own: &str) -> (PathBuf, bool) {
    match env::var_os(OTHER) {
        Some(other) => (other.into(), true),
        None => (
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests")
                .join(own),
            false,
        ),
    }
}

/// The cases of `cases.json` whose files lie in a sub-folder that `wanted` takes. The list may stand alone or as `cases`.
pub(crate) fn read<T: DeserializeOwned>(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<T> {
    let text = fs::read_to_string(folder.join("cases.json")).expect("cases.json");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    let list = json.get("cases").unwrap_or(&json);
    let list = list.as_array().expect("a list of cases");
    let part = |case: &Value| {
        let file = case["file"].as_str().expect("a file");
        file.split('/').next().unwrap_or_default().to_owned()
    };
    list.iter()
        .filter(|case| wanted(&part(case)))
        .map(|case| T::deserialize(case).unwrap_or_else(|error| panic!("{case}: {error}")))
        .collect()
}
