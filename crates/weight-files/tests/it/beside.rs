//! What programs store beside the weights, and tensors of forms that are not read, as PyTorch wrote them. The files are
//! made by `files/make_beside.py`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use weight_files::{Dtype, Fault, WeightFile};

use crate::archive::checkpoint;
use crate::pickle::{call, function, int, tensor, text, tuple, whole};

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

/// A dictionary of keys and values that are pickled already.
fn pairs(items: &[[Vec<u8>; 2]]) -> Vec<u8> {
    [b"}(", &items.concat().concat()[..], b"u"].concat()
}

fn read(pickle: &[u8]) -> Result<WeightFile, Fault> {
    WeightFile::from_bytes("keys", checkpoint(&whole(pickle))).map_err(|error| error.fault)
}

#[test]
fn a_key_that_is_no_text_names_no_tensor_and_each_is_reported() {
    let one = || tensor(0, &[2], &[1]);
    let object = || call(&function("posix", "system"), &[text("touch harm")]);
    let mixed = pairs(&[
        [int(1), one()],
        [text("weight"), one()],
        [object(), one()],
        [int(0), one()],
        [tuple(&[int(1)]), one()],
        [object(), one()],
        [int(7), int(7)],
        [int(0), one()],
        [text("0"), one()],
    ]);
    let ignored = [
        "0 (a tensor whose key is a number)",
        "1 (a tensor whose key is a number)",
        "7 (its key is a number)",
        "key 3 (a tensor whose key is an object of posix.system)",
        "key 5 (a tensor whose key is no text)",
        "key 6 (a tensor whose key is an object of posix.system)",
    ];
    let file = read(&mixed).expect("it has a tensor with a name");
    assert_eq!(file.names().collect::<Vec<_>>(), ["0", "weight"]);
    assert_eq!(file.ignored(), ignored);

    // Around and inside the dictionary that holds the state dict.
    let file = read(&pairs(&[
        [text("model"), mixed],
        [int(3), int(3)],
        [text("epoch"), int(3)],
    ]));
    let file = file.expect("it has a tensor with a name");
    assert_eq!(file.names().count(), 2);
    let beside = [
        "0 (a tensor whose key is a number)",
        "3 (its key is a number)",
        "epoch",
    ];
    assert!(
        beside
            .iter()
            .all(|one| file.ignored().iter().any(|it| it == one))
    );
    assert_eq!(file.ignored().len(), ignored.len() + 2);
}

#[test]
fn tensors_without_names_are_no_state_dict() {
    let numbered = || {
        let one = || tensor(0, &[2], &[1]);
        pairs(&[[int(0), one()], [int(1), one()]])
    };
    let refused = |pickle: &[u8], expected: &str| {
        let fault = read(pickle).expect_err("no tensor has a name").to_string();
        assert!(fault.starts_with(expected), "{fault}");
        assert!(fault.ends_with("such as `model.state_dict()`"), "{fault}");
    };
    refused(
        &numbered(),
        "it holds no state dict, only: 0 (a tensor whose key is a number), 1 (a tensor whose key is a number); ",
    );
    refused(
        &pairs(&[[text("model"), numbered()], [text("epoch"), int(3)]]),
        "it holds no state dict, only: epoch, model (tensors whose keys are no text); ",
    );
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
