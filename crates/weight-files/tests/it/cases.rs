//! Files as training programs and failed downloads leave them: each is read as its case says, or refused by name.
//!
//! `AOA_CASES=DIR cargo test -p weight-files cases` walks the cases of another folder.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use weight_files::{Dtype, WeightFile};

/// Names another folder of cases.
const OTHER: &str = "AOA_CASES";

/// The tensors that every file has: names, shapes and first values.
fn expected(folder: &Path) -> BTreeMap<String, (Vec<usize>, Vec<f64>)> {
    let text = fs::read_to_string(folder.join("weights/expected.json")).expect("what is right");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    let tensors = json.as_object().expect("tensors").iter();
    tensors
        .map(|(name, tensor)| {
            let sides = tensor["shape"].as_array().expect("a shape").iter();
            let sides = sides.map(|side| side.as_u64().expect("a length") as usize);
            (name.clone(), (sides.collect(), numbers(&tensor["first"])))
        })
        .collect()
}

fn numbers(list: &Value) -> Vec<f64> {
    let numbers = list.as_array().into_iter().flatten();
    numbers
        .map(|number| number.as_f64().expect("a number"))
        .collect()
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// What a message must say, by what its case says is right.
const PROMISES: [(&str, &[&str]); 7] = [
    ("Git LFS pointer", &["Git LFS pointer", "git lfs pull"]),
    ("HTML page", &["HTML page"]),
    ("old form", &["torch.load", "torch.save"]),
    ("incomplete", &["end is missing"]),
    ("gzip", &["gzip"]),
    ("JSON", &["JSON"]),
    ("as a pickle", &["pickle"]),
];

fn check(folder: &Path, case: &Value) -> Result<(), String> {
    let must = |holds: bool, what: String| if holds { Ok(()) } else { Err(what) };
    let text = |key: &str| case[key].as_str().unwrap_or_default();
    let (name, right) = (text("file"), text("right"));
    let opened = WeightFile::open(&folder.join(name));
    let file = match opened {
        Ok(file) => file,
        Err(error) => {
            let said = format!("{error}: {}", error.fault);
            must(right.contains("refused"), said.clone())?;
            let promised = PROMISES
                .iter()
                .filter(|(promise, _)| right.contains(promise));
            let mut words = promised.flat_map(|(_, words)| *words);
            return match words.find(|word| !said.contains(**word)) {
                Some(word) => Err(format!("no {word:?} in {said}")),
                None => Ok(()),
            };
        }
    };
    must(
        !right.starts_with("refused"),
        "read, not refused".to_owned(),
    )?;
    let unread: Vec<_> = file.unread().map(|(name, _)| name).collect();
    must(
        unread == names(&case["unread"]),
        format!("unread: {unread:?}"),
    )?;
    for beside in names(&case["beside"]) {
        let told = file.ignored().iter().any(|name| name == beside);
        must(
            told,
            format!("`{beside}` is not told: {:?}", file.ignored()),
        )?;
    }
    let expected = expected(folder);
    let found: Vec<_> = file.tensors().map(|(name, _)| name).collect();
    let listed: Vec<_> = expected.keys().collect();
    must(
        found.len() == listed.len(),
        format!("{found:?} instead of {listed:?}"),
    )?;
    // In narrower types the values are others: as listed, or those of the twin that has the list.
    let stem = Path::new(name).file_stem().expect("a name");
    let narrow = ["bf16", "f16"].iter().find(|narrow| stem == **narrow);
    for (name, (shape, first)) in expected {
        let Some(tensor) = file.tensor(&name) else {
            return Err(format!("no tensor {name}"));
        };
        must(tensor.shape == shape, format!("{name}: {:?}", tensor.shape))?;
        // Tables of positions are no weights, and are not read as such.
        if !tensor.is_float() {
            must(
                tensor.dtype == Dtype::I64,
                format!("{name}: {:?}", tensor.dtype),
            )?;
            continue;
        }
        let stated = numbers(&case["first"][&name]);
        let (first, tolerance) = match narrow {
            _ if !stated.is_empty() => (stated, 1e-6),
            Some(_) => (first, 0.01),
            None => (first, 1e-6),
        };
        let values = file
            .floats(&name)
            .map_err(|error| error.fault.to_string())?;
        let near = |(value, first): (&f32, &f64)| (f64::from(*value) - first).abs() <= tolerance;
        let whole = values.len() == shape.iter().product::<usize>();
        must(
            whole && values.iter().zip(&first).all(near),
            format!("{name}: {values:?} instead of {first:?}"),
        )?;
    }
    Ok(())
}

#[test]
fn every_file_is_read_as_its_case_says_or_refused() {
    let other = env::var_os(OTHER).map(PathBuf::from);
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/files/cases");
    let folder = other.clone().unwrap_or(own);
    let text = fs::read_to_string(folder.join("cases.json")).expect("cases.json");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    let cases = json["cases"].as_array().expect("a list of cases").iter();
    let cases: Vec<_> = cases
        .filter(|case| {
            let file = case["file"].as_str().expect("a file");
            file.starts_with("weights/") || file.starts_with("pickle/")
        })
        .collect();
    assert!(
        other.is_some() || cases.len() == 21,
        "the list is whole: {}",
        cases.len()
    );
    let mut wrong = Vec::new();
    for case in cases {
        if let Err(what) = check(&folder, case) {
            wrong.push(format!(
                "{}: {what}; right: {}",
                case["file"], case["right"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
