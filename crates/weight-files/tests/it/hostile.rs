//! Checkpoints that are broken, or made to do harm.

use weight_files::{Fault, LONGEST_PICKLE, WeightFile};

use crate::archive::{checkpoint, zip, zip_with_method};
use crate::memory::{fault, peak_of};
use crate::pickle::{call, dict, function, int, storage, tensor, tensor_in, text, tuple, whole};

fn check(pickle: &[u8], expected: &str) {
    let found = fault(checkpoint(pickle)).to_string();
    assert!(found.contains(expected), "{found}, not {expected}");
}

/// A state dict of one tensor, with something beside it.
fn beside(value: Vec<u8>) -> Vec<u8> {
    whole(&dict(&[("x", tensor(0, &[2], &[1])), ("y", value)]))
}

#[test]
fn what_is_called_is_never_run() {
    let called = |module: &str, name: &str| call(&function(module, name), &[text("touch harm")]);
    let beside_it = [
        called("os", "system"),
        called("subprocess", "Popen"),
        called("builtins", "eval"),
        called("__builtin__", "getattr"),
        called("my_project.model", "Net"),
        called("", ""),
        // By its name on the stack, as later protocols do, and by its number in a registry.
        [text("os"), text("system"), b"\x93".to_vec()].concat(),
        [&b"\x82\x01"[..], &tuple(&[int(1)]), b"R"].concat(),
        // What a call would give is called in turn.
        call(&called("functools", "partial"), &[text("touch harm")]),
        // In the ways of protocol 0 and of classes with a constructor.
        b"(ios\nsystem\n".to_vec(),
        [
            &b"("[..],
            &function("os", "system"),
            &text("touch harm"),
            b"o",
        ]
        .concat(),
        [&function("os", "system")[..], b")}\x92"].concat(),
        call(&function("torch", "device"), &[text("cuda")]),
        call(&function("numpy.core.multiarray", "scalar"), &[int(1)]),
        [
            function("collections", "defaultdict"),
            b")R(".to_vec(),
            text("a"),
            b"Nu".to_vec(),
        ]
        .concat(),
        [function("argparse", "Namespace"), b")\x81}b".to_vec()].concat(),
        // A dictionary that is not made of pairs.
        call(&function("collections", "OrderedDict"), &[int(1)]),
    ];
    for value in beside_it {
        let file = checkpoint(&beside(value));
        let file = WeightFile::from_bytes("harmless", file).expect("it is read");
        assert_eq!(file.tensors().count(), 1);
        assert_eq!(file.ignored(), ["y"]);
    }
}

#[test]
fn a_tensor_that_depends_on_a_call_is_not_read() {
    let made = call(&function("my_project", "storage"), &[]);
    let sizes = |sizes: &[i64]| tuple(&sizes.iter().map(|size| int(*size)).collect::<Vec<_>>());
    let view = |storage: &[u8], offset: &[u8], shape: &[u8], strides: &[u8]| {
        let arguments = [storage, offset, shape, strides].map(<[u8]>::to_vec);
        call(&function("torch._utils", "_rebuild_tensor"), &arguments)
    };
    let known = storage("FloatStorage", "0", 16);
    let (offset, shape, strides) = (int(0), sizes(&[2]), sizes(&[1]));
    let size = tuple(&[call(&function("my_project", "size"), &[])]);
    for needed in [
        view(&made, &offset, &shape, &strides),
        view(&known, &made, &shape, &strides),
        view(&known, &offset, &made, &strides),
        view(&known, &offset, &size, &strides),
        view(&known, &offset, &shape, &size),
        view(
            &storage("Float4Storage", "0", 16),
            &offset,
            &shape,
            &strides,
        ),
        call(&function("torch._utils", "_rebuild_new_form"), &[]),
    ] {
        let file = checkpoint(&beside(needed));
        let file = WeightFile::from_bytes("depends", file).expect("the other is read");
        assert_eq!(file.tensors().count(), 1);
        let unread: Vec<&str> = file.unread().map(|(name, _)| name).collect();
        assert_eq!(unread, ["y"]);
        let fault = file.floats("y").expect_err("it is not read").fault;
        assert!(matches!(fault, Fault::Unread { .. }), "{fault}");
    }
}

#[test]
fn a_long_name_of_a_class_is_shown_once_for_each_tensor_and_cut() {
    let module = "m".repeat(1 << 20);
    let class = [
        function("torch._utils", &format!("_rebuild_{module}")),
        b"q\x00".to_vec(),
    ];
    let mut items = vec![b'}'];
    for index in 0..1 << 12 {
        items.extend(text(&format!("{index}")));
        items.extend(b"h\x00)Rs");
    }
    let pickle = [class.concat(), items].concat();
    let bytes = checkpoint(&whole(&pickle));
    let allowed = 16 * bytes.len();
    let (file, peak) = peak_of(|| WeightFile::from_bytes("long", bytes).expect("it is read"));
    assert_eq!(file.unread().count(), 1 << 12);
    assert!(peak < allowed, "{peak} bytes");
}

#[test]
fn a_broken_pickle_is_refused() {
    check(b"", "at byte 0: it ends too early");
    check(b"\x80\x02}", "at byte 3: it ends too early");
    check(
        b"\x80\x02}X\xff\xff\xff\xffab.",
        "at byte 3: it ends too early",
    );
    check(b"\x80\x02\xff.", "has such an instruction");
    check(b"\x80\x02.", "more values than there are");
    check(b"(.", "more values than there are");
    check(b"t.", "there is no mark");
    check(b"h\x05.", "recalls what was not stored");
    check(b"ctorch\nFloatStorage", "a name does not end");
    check(b"}]s.", "more values than there are");
    check(b"K\x01K\x02a.", "not a list");
    check(b"](K\x01K\x02u.", "not a dictionary");
    check(b"}(K\x01u.", "a key has no value");
    check(b"K\x01.", "it holds no state dict");
    check(
        &whole(&dict(&[("epoch", int(3)), ("model", int(4))])),
        "it holds no state dict, only: epoch, model",
    );
    check(&whole(b"K\x01Q"), "a storage is no tuple");
    check(
        &whole(&[tuple(&[int(1)]), b"Q".to_vec()].concat()),
        "too few fields",
    );
    check(
        &whole(&storage("FloatStorage", "0", -1)),
        "a negative number of elements",
    );
    check(
        &whole(&storage("FloatStorage", &"0".repeat(65), 1)),
        "fields of the wrong kind",
    );
    check(
        &whole(&call(&function("torch._utils", "_rebuild_tensor"), &[])),
        "too few fields",
    );
}

#[test]
fn a_tensor_that_is_not_there_is_refused() {
    let one = |tensor: Vec<u8>| whole(&dict(&[("x", tensor)]));
    check(
        &one(tensor(0, &[17], &[1])),
        "tensor x: it reaches beyond its storage",
    );
    check(&one(tensor(15, &[2], &[1])), "beyond its storage");
    check(&one(tensor(0, &[2, 2], &[1, 15])), "beyond its storage");
    check(&one(tensor(0, &[2], &[i64::MAX])), "beyond its storage");
    check(&one(tensor(i64::MAX, &[0], &[1])), "beyond its storage");
    check(
        &one(tensor(-1, &[1], &[1])),
        "begins in front of its storage",
    );
    check(&one(tensor(0, &[-1], &[1])), "values that are not sizes");
    check(&one(tensor(0, &[1], &[])), "different numbers of axes");
    check(&one(tensor(0, &[1; 9], &[1; 9])), "too many axes");
    // One number that claims to be many.
    check(&one(tensor(0, &[1 << 40], &[0])), "larger than the file");
    check(
        &one(tensor(0, &[1 << 32, 1 << 32], &[0, 0])),
        "larger than the file",
    );
    check(
        &one(tensor(0, &[i64::MAX, i64::MAX, 0], &[0, 0, 0])),
        "larger than the file",
    );
    let of = |storage: Vec<u8>| one(tensor_in(&storage, 0, &[1], &[1]));
    check(
        &of(storage("FloatStorage", "0", 17)),
        "shorter than the pickle says",
    );
    check(
        &of(storage("FloatStorage", "0", i64::MAX)),
        "shorter than the pickle says",
    );
    check(&of(storage("FloatStorage", "4", 1)), "no entry a/data/4");
    check(
        &of(storage("FloatStorage", "../data.pkl", 1)),
        "no entry a/data/../data.pkl",
    );
}

#[test]
fn a_small_pickle_does_not_grow() {
    let many = |unit: &[u8], bytes: usize| unit.repeat(bytes / unit.len());
    let most = 12 << 20;
    // Millions of the values that take most memory for their bytes, of entries of the stack, of marks and of memos.
    for unit in [
        &b"]"[..],
        b"}",
        b")",
        b"N\x85",
        b"K\x01",
        b"U\x00",
        b"N",
        b"(",
    ] {
        check(
            &many(unit, most),
            "more values than a file of weights needs",
        );
    }
    check(
        &[&b"N"[..], &many(b"\x94", most)].concat(),
        "more values than a file of weights needs",
    );
    // Tuples in tuples, and a value twice in each of forty tuples.
    check(
        &whole(&[&b"N"[..], &many(b"\x85", 1 << 19)].concat()),
        "it holds no state dict",
    );
    check(
        &whole(&[&b")q\x00"[..], &b"h\x00h\x00\x86q\x00".repeat(40)].concat()),
        "no state dict",
    );
    // A long name for many values, and a long list for many dictionaries.
    let name = [text(&"n".repeat(1 << 20)), b"q\x00".to_vec()].concat();
    check(
        &whole(&[&name[..], b"}", &many(b"h\x00Ns", 1 << 20)].concat()),
        "it holds no state dict",
    );
    let pairs = many(b"NN\x86", 1 << 18);
    let list = [
        &b"("[..],
        &pairs,
        b"lq\x00",
        &function("collections", "OrderedDict"),
        b"q\x01",
    ]
    .concat();
    let copies = many(b"h\x01h\x00\x85R", 1 << 18);
    check(
        &whole(&[list, copies].concat()),
        "a list is copied too often",
    );
    // And one that is too long.
    let long = LONGEST_PICKLE as usize + 1024;
    check(&many(b"N", long), "bytes; up to 67108864 are read");
}

#[test]
fn a_name_for_many_tensors_is_stored_once() {
    let name = [text(&"n".repeat(1 << 20)), b"q\x00".to_vec()].concat();
    let one = [tensor(0, &[2], &[1]), b"q\x01".to_vec()].concat();
    let again = b"h\x00h\x01s".repeat(1 << 16);
    let pickle = [&name[..], &one, b"}", &again].concat();
    let bytes = checkpoint(&whole(&pickle));
    let allowed = 16 * bytes.len();
    let (file, peak) = peak_of(|| WeightFile::from_bytes("long", bytes).expect("it is read"));
    assert_eq!(file.tensors().count(), 1);
    assert!(peak < allowed, "{peak} bytes");
}

#[test]
fn a_broken_archive_is_refused() {
    let good = checkpoint(&beside(int(1)));
    assert!(WeightFile::from_bytes("good", good.clone()).is_ok());
    for length in 0..good.len() {
        fault(good[..length].to_vec());
    }
    let pickle = beside(int(1));
    let storage = [0; 64];
    let entries: [(&str, &[u8]); 3] = [
        ("a/data.pkl", &pickle),
        ("a/byteorder", b"little"),
        ("a/data/0", &storage),
    ];
    let refused = |bytes: Vec<u8>, expected: &str| {
        let found = fault(bytes).to_string();
        assert!(found.contains(expected), "{found}, not {expected}");
    };
    refused(
        zip_with_method(&entries, 8),
        "entry a/byteorder is compressed or encrypted",
    );
    refused(zip(&entries[1..]), "it is a ZIP archive, neither");
    refused(zip(&entries[..2]), "no entry a/data/0");
    refused(
        zip(&[entries[0], ("a/byteorder", b"big"), entries[2]]),
        "big-endian",
    );
    refused(
        zip(&[]),
        "neither a PyTorch checkpoint nor a safetensors file",
    );

    // Lengths and offsets that lead out of the file, in the directory and behind it.
    let directory = good
        .windows(4)
        .position(|bytes| bytes == b"PK\x01\x02")
        .expect("a directory");
    let end = good.len() - 22;
    for (at, length) in [
        (directory + 20, 8),
        (directory + 42, 4),
        (end + 12, 4),
        (end + 16, 4),
    ] {
        for value in [0x80, 0xfe, 0xff] {
            let mut bad = good.clone();
            bad[at..at + length].fill(value);
            fault(bad);
        }
    }
    // A number of entries that is stored elsewhere, and is not.
    let mut bad = good.clone();
    bad[end + 10..end + 12].fill(0xff);
    refused(bad, "a record is not where it should be");
}

#[test]
fn an_old_checkpoint_whose_storages_are_not_those_of_its_pickle_is_refused() {
    let good = include_bytes!("files/legacy.pth");
    for length in 0..good.len() {
        fault(good[..length].to_vec());
    }
    // The number of elements in front of the storage of twelve.
    let count = 12_u64.to_le_bytes();
    let at = good
        .windows(8)
        .rposition(|bytes| bytes == count)
        .expect("a count");
    for wrong in [0, 11, 13, u64::MAX] {
        let mut bad = good.to_vec();
        bad[at..at + 8].copy_from_slice(&wrong.to_le_bytes());
        assert!(matches!(fault(bad), Fault::Outside { .. }));
    }
}
