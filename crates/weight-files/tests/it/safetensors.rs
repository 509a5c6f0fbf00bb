//! Safetensors files that are broken, or made to do harm.

use std::collections::BTreeMap;

use serde_json::Value;
use weight_files::{Dtype, Fault, LONGEST_HEADER, TensorBytes, WeightFile, write_safetensors};

use crate::memory::fault;

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [
        &(header.len() as u64).to_le_bytes()[..],
        header.as_bytes(),
        data,
    ]
    .concat()
}

#[test]
fn a_broken_safetensors_file_is_refused() {
    let good = file(
        r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
        &[0; 8],
    );
    assert!(WeightFile::from_bytes("good", good.clone()).is_ok());
    for length in 0..good.len() {
        fault(good[..length].to_vec());
    }
    for header in [
        r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,9]}}"#,
        r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
        r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
        r#"{"x":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#,
        r#"{"x":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#,
        r#"{"x":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}}"#,
        r#"{"x":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}"#,
        r#"{"x":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,8]}}"#,
        r#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"y":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
        r#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
        r#"{"x":[]}"#,
        "{",
    ] {
        fault(file(header, &[0; 8]));
    }
    let deep = format!("{{\"x\":{}", "[".repeat(1 << 20));
    assert!(matches!(fault(file(&deep, &[])), Fault::Header(_)));
    // The thing that takes most memory for its bytes.
    let wide = format!("{{\"x\":{{\"shape\":[{}0]}}}}", "0,".repeat(1 << 20));
    assert!(matches!(fault(file(&wide, &[])), Fault::Header(_)));
    for length in [LONGEST_HEADER + 1, u64::MAX] {
        let mut bytes = good.clone();
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        assert!(matches!(fault(bytes), Fault::TooLong { bytes, .. } if bytes == length));
    }
}

#[test]
fn a_file_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("weights.safetensors");
    let tensors = BTreeMap::from([
        (
            "a".to_owned(),
            TensorBytes::from_f32(vec![1, 3], &[1.5, -0.0, f32::MIN]),
        ),
        (
            "b.index".to_owned(),
            TensorBytes::from_i64(vec![2], &[i64::MIN, 7]),
        ),
        (
            "c".to_owned(),
            TensorBytes::from_f32(vec![], &[f32::MIN_POSITIVE]),
        ),
        ("d".to_owned(), TensorBytes::from_f32(vec![0, 4], &[])),
    ]);
    write_safetensors(&path, &tensors).expect("it is written");
    // Again, over the one that is there.
    write_safetensors(&path, &tensors).expect("it is written");
    let file = WeightFile::open(&path).expect("it is read");
    assert_eq!(file.tensors().count(), tensors.len());
    for (name, tensor) in &tensors {
        let info = file.tensor(name).expect("it is there");
        assert_eq!(
            (info.dtype, &info.shape),
            (tensor.dtype, &tensor.shape),
            "{name}"
        );
        match file.floats(name) {
            Ok(floats) => assert_eq!(TensorBytes::from_f32(info.shape.clone(), &floats), *tensor),
            Err(error) => {
                assert!(matches!(error.fault, Fault::NotFloats { .. }) && name == "b.index");
            }
        }
    }
    let bytes = std::fs::read(&path).expect("it is there");
    let (length, rest) = bytes.split_first_chunk().expect("a length");
    let header = &rest[..u64::from_le_bytes(*length) as usize];
    assert_eq!(header.len() % 8, 0);
    let header: Value = serde_json::from_slice(header).expect("JSON");
    for (name, tensor) in &tensors {
        let start = header[name]["data_offsets"][0].as_u64().expect("an offset");
        let width = tensor.dtype.bitsize() as u64 / 8;
        assert_eq!(start % width, 0, "{name} is aligned");
    }
    let files = std::fs::read_dir(folder.path())
        .expect("the folder")
        .count();
    assert_eq!(files, 1, "nothing is left beside it");
}

#[test]
fn a_file_that_cannot_be_written_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let wrong = BTreeMap::from([("a".to_owned(), TensorBytes::from_f32(vec![3], &[1.0]))]);
    let path = folder.path().join("weights.safetensors");
    assert!(write_safetensors(&path, &wrong).is_err());
    let nowhere = folder.path().join("absent").join("weights.safetensors");
    assert!(write_safetensors(&nowhere, &BTreeMap::new()).is_err());
    assert_eq!(
        std::fs::read_dir(folder.path())
            .expect("the folder")
            .count(),
        0
    );
}

/// What is at a path that is no regular file stays what it is.
#[cfg(unix)]
#[test]
fn only_a_regular_file_is_replaced() {
    use std::os::unix::fs::symlink;

    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    let tensors = BTreeMap::from([("a".to_owned(), TensorBytes::from_f32(vec![1], &[1.0]))]);
    let refused = |name: &str| {
        let error = write_safetensors(&at(name), &tensors).expect_err(name);
        assert!(at(name).symlink_metadata().is_ok(), "{name} is still there");
        error.fault
    };

    std::fs::create_dir(at("folder")).expect("a folder");
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("a socket");
    symlink("/dev/null", at("device")).expect("a link");
    symlink("absent", at("dangling")).expect("a link");
    for name in ["folder", "socket", "device"] {
        assert!(matches!(refused(name), Fault::NotAFile), "{name}");
    }
    assert!(matches!(refused("dangling"), Fault::Io(_)));

    std::fs::write(at("folder/file"), "old").expect("a file");
    symlink("folder/file", at("link")).expect("a link");
    write_safetensors(&at("link"), &tensors).expect("it is written through the link");
    assert!(at("link").is_symlink());
    let written = WeightFile::open(&at("folder/file")).expect("what the link points to");
    assert_eq!(written.floats("a").expect("numbers"), [1.0]);
}

#[test]
fn weights_are_finite() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("weights.safetensors");
    let wide = TensorBytes {
        dtype: Dtype::F64,
        shape: vec![1],
        bytes: 1e300_f64.to_le_bytes().to_vec(),
    };
    let of = |values: &[f32]| TensorBytes::from_f32(vec![values.len()], values);
    let tensors = BTreeMap::from([
        ("fine".to_owned(), of(&[1.0, f32::MAX])),
        ("inf".to_owned(), of(&[1.0, f32::NEG_INFINITY])),
        ("nan".to_owned(), of(&[f32::NAN])),
        ("wide".to_owned(), wide),
    ]);
    write_safetensors(&path, &tensors).expect("it is written");
    let file = WeightFile::open(&path).expect("it is read");
    assert_eq!(file.weights("fine").expect("numbers"), [1.0, f32::MAX]);
    for (name, shown) in [("inf", "-inf"), ("nan", "NaN"), ("wide", "inf")] {
        let error = file.weights(name).expect_err("not finite");
        let expected = format!("tensor {name} holds {shown} where a finite number should be");
        assert_eq!(error.fault.to_string(), expected);
    }
}

#[test]
fn tensors_are_rounded_to_the_nearest_of_a_narrower_type() {
    let of = |values: &[f32]| TensorBytes::from_f32(vec![values.len()], values);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("weights.safetensors");
    // 2049 lies between two numbers of 11 bits, 257 between two of 8; ties go to the even one.
    let numbers = [1.0, -0.5, 2049.0, 2051.0, 257.0];
    for (dtype, expected) in [
        (Dtype::F16, [1.0, -0.5, 2048.0, 2052.0, 257.0]),
        (Dtype::BF16, [1.0, -0.5, 2048.0, 2048.0, 256.0]),
        (Dtype::F32, numbers),
    ] {
        let counter = TensorBytes::from_i64(vec![1], &[1 << 40]);
        let tensors = BTreeMap::from([
            ("a".to_owned(), of(&numbers)),
            ("b".to_owned(), counter.clone()),
        ])
        .into_iter()
        .map(|(name, tensor)| (name, tensor.rounded(dtype).expect("it is rounded")))
        .collect::<BTreeMap<_, _>>();
        assert_eq!(tensors["b"], counter);
        write_safetensors(&path, &tensors).expect("it is written");
        let file = WeightFile::open(&path).expect("it is read");
        assert_eq!(file.tensor("a").expect("the tensor").dtype, dtype);
        assert_eq!(file.floats("a").expect("numbers"), expected, "{dtype}");
    }

    let error = of(&[1.0, -70_000.0])
        .rounded(Dtype::F16)
        .expect_err("it is too large");
    assert_eq!(error.to_string(), "F16 does not hold -7e4");
    assert!(of(&[-70_000.0]).rounded(Dtype::BF16).is_ok());
    assert!(of(&[f32::INFINITY]).rounded(Dtype::F16).is_ok());
    assert!(of(&[1.0]).rounded(Dtype::I64).is_err());
}
