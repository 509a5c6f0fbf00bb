//! Files that PyTorch wrote, by `files/make.py`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use weight_files::{Fault, FileKind, Format, WeightFile};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/files")
        .join(name)
}

fn open(name: &str) -> WeightFile {
    WeightFile::open(&path(name)).unwrap_or_else(|error| panic!("{name}: {}", error.fault))
}

#[test]
fn every_form_of_a_checkpoint_holds_the_same() {
    let expected = std::fs::read_to_string(path("expected.json")).expect("the expected values");
    let expected: BTreeMap<String, Value> = serde_json::from_str(&expected).expect("JSON");
    for (name, format) in [
        ("state_dict.pth", Format::PyTorch),
        ("protocol4.pth", Format::PyTorch),
        ("legacy.pth", Format::PyTorchLegacy),
    ] {
        let file = open(name);
        assert_eq!(file.format(), format);
        assert_eq!(file.ignored(), [""; 0]);
        let names: Vec<&str> = file.tensors().map(|(name, _)| name).collect();
        assert_eq!(names, expected.keys().collect::<Vec<_>>());
        for (tensor, expected) in &expected {
            let info = file.tensor(tensor).expect("it is there");
            assert_eq!(info.dtype.to_string(), expected["dtype"], "{name} {tensor}");
            let shape: Vec<usize> =
                serde_json::from_value(expected["shape"].clone()).expect("a shape");
            assert_eq!(info.shape, shape, "{name} {tensor}");
            let values: Option<Vec<f64>> =
                serde_json::from_value(expected["values"].clone()).expect("numbers");
            if let Some(values) = values {
                let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
                assert_eq!(
                    file.floats(tensor).expect("numbers"),
                    values,
                    "{name} {tensor}"
                );
            } else {
                let error = file.floats(tensor).expect_err("these are no floats");
                assert!(matches!(error.fault, Fault::NotFloats { .. }));
            }
        }
    }
}

#[test]
fn a_training_checkpoint_gives_its_state_dict() {
    let file = open("training.pth");
    let names: Vec<&str> = file.tensors().map(|(name, _)| name).collect();
    let bare = [
        "0.bias",
        "0.weight",
        "1.bias",
        "1.num_batches_tracked",
        "1.running_mean",
        "1.running_var",
        "1.weight",
    ];
    assert_eq!(names, bare, "without `module.`");
    assert_eq!(file.ignored(), ["config", "epoch", "optimizer"]);
}

#[test]
fn what_is_no_file_of_weights_is_refused() {
    let fault = |path: &Path| WeightFile::open(path).expect_err("it is refused").fault;
    assert!(matches!(
        fault(&path("module.pth")),
        Fault::WholeObject { .. }
    ));
    assert!(matches!(fault(&path("make.py")), Fault::Foreign(_)));
    assert!(matches!(
        fault(&path("state_dict.pkl")),
        Fault::Foreign(FileKind::Pickle)
    ));
    assert!(matches!(fault(&path("absent.pth")), Fault::Io(_)));
    assert!(matches!(fault(&path("")), Fault::Io(_) | Fault::Foreign(_)));
    let file = open("state_dict.pth");
    assert!(matches!(
        file.floats("absent").expect_err("it is not there").fault,
        Fault::NoTensor { .. }
    ));
}
