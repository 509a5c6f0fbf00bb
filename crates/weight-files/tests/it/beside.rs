//! What programs store beside the weights, and tensors of forms that are not read, as PyTorch wrote them. The files are
//! made by `files/make_beside.py`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use weight_files::{Dtype, Fault, WeightFile};

/// What `make_beside.py` puts beside the weights.
const BESIDE: [&str; 38] = [
    "array",
    "bytearray",
    "bytes",
    "class",
    "complex",
    "counter",
    "date",
    "decimal",
    "default",
    "deque",
    "device",
    "dtype",
    "ellipsis",
    "enum",
    "fraction",
    "frozen",
    "frozenset",
    "function",
    "generator",
    "huge",
    "itself",
    "module",
    "namespace",
    "new",
    "optimizer",
    "partial",
    "path",
    "random",
    "range",
    "scalar",
    "schedule",
    "set",
    "settings",
    "size",
    "structured",
    "surrogate",
    "text",
    "uuid",
];

/// The tensors that are not read, and what they are said to be.
const UNREAD: [(&str, &str); 10] = [
    ("complex", "a tensor of torch.ComplexFloatStorage"),
    ("float8", "a tensor of torch.float8_e4m3fn"),
    ("float8_other", "a tensor of torch.float8_e5m2"),
    ("meta", "a tensor without numbers"),
    ("negated", "a negated or conjugated view"),
    ("nested", "a nested tensor"),
    ("quantised", "a quantised tensor"),
    ("quantised_rows", "a quantised tensor"),
    ("sparse", "a sparse tensor"),
    ("sparse_rows", "a sparse tensor"),
];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/files/beside")
        .join(name)
}

fn open(name: &str) -> WeightFile {
    WeightFile::open(&path(name)).unwrap_or_else(|error| panic!("{name}: {}", error.fault))
}

/// The two tensors that every file has.
#[track_caller]
fn holds_weights(file: &WeightFile) {
    assert_eq!(
        file.floats("weight").unwrap(),
        [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    );
    assert_eq!(file.tensor("weight").unwrap().shape, [2, 3]);
    assert_eq!(file.floats("bias").unwrap(), [0.5, -1.0, 2.0]);
}

#[test]
fn data_beside_the_weights_is_ignored_whatever_it_is() {
    for name in [
        "data.pth",
        "data_3.pth",
        "data_4.pth",
        "data_5.pth",
        "data_legacy.pth",
        "data_legacy_4.pth",
    ] {
        let file = open(name);
        holds_weights(&file);
        assert_eq!(file.tensors().count(), 2, "{name}");
        assert_eq!(file.unread().count(), 0, "{name}");
        assert_eq!(file.ignored(), BESIDE, "{name}");
    }
}

#[test]
fn data_among_the_weights_is_ignored_as_well() {
    let file = open("data_among.pth");
    holds_weights(&file);
    assert_eq!(file.tensors().count(), 2);
    let beside: Vec<&str> = BESIDE
        .into_iter()
        .filter(|name| *name != "random")
        .collect();
    assert_eq!(file.ignored(), beside);
}

#[test]
fn tensors_that_are_not_read_are_named_and_refused_when_they_are_needed() {
    let file = open("unread.pth");
    holds_weights(&file);
    let unread: BTreeMap<&str, &str> = file.unread().collect();
    assert_eq!(unread, BTreeMap::from(UNREAD));
    assert_eq!(file.ignored(), [""; 0]);
    for (name, what) in UNREAD {
        assert!(file.names().any(|one| one == name));
        assert!(file.tensor(name).is_none());
        let fault = file.weights(name).unwrap_err().fault;
        assert!(matches!(fault, Fault::Unread { .. }), "{fault}");
        assert!(
            fault
                .to_string()
                .starts_with(&format!("tensor {name} is {what}, "))
        );
    }
    // With attributes or a class of its own a tensor is read like any other.
    assert_eq!(file.floats("marked").unwrap(), [3.0, 4.0]);
    assert_eq!(file.floats("parameter").unwrap(), [7.0]);
    assert_eq!(file.tensor("unsigned").unwrap().dtype, Dtype::U16);

    let file = open("unread_parallel.pth");
    holds_weights(&file);
    assert_eq!(file.unread().collect::<BTreeMap<_, _>>(), unread);

    let file = open("unread_legacy.pth");
    holds_weights(&file);
    let unread: Vec<&str> = file.unread().map(|(name, _)| name).collect();
    let expected: Vec<&str> = UNREAD
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| *name != "negated")
        .collect();
    assert_eq!(unread, expected);
}

#[test]
fn a_state_dict_of_another_class_is_a_state_dict() {
    let file = open("subclass.pth");
    holds_weights(&file);
    assert_eq!(file.ignored(), ["epoch"]);
}

#[test]
fn what_wrappers_put_in_front_of_names_is_taken_off() {
    holds_weights(&open("compiled.pth"));
}

#[test]
fn a_pickled_model_is_refused_with_its_class() {
    let refused = |path: &Path, expected: &str| {
        let fault = WeightFile::open(path).unwrap_err().fault.to_string();
        assert!(fault.contains(expected), "{fault}");
    };
    refused(
        &path("module_as_model.pth"),
        "only: epoch, model (an object of torch.nn.modules.linear.Linear)",
    );
    refused(
        &path("../module.pth"),
        "it holds an object of torch.nn.modules.container.Sequential",
    );
    refused(&path("plain.pkl"), "it is a Python pickle");
}
