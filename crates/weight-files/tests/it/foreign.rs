//! Files of other kinds that bear the name of a file of weights.

use weight_files::{Fault, WeightFile};

use crate::archive::zip;
use crate::memory::fault;

#[track_caller]
fn check(bytes: impl AsRef<[u8]>, expected: &[&str]) {
    let fault = fault(bytes.as_ref().to_vec());
    let message = fault.to_string();
    assert!(matches!(fault, Fault::Foreign(_)), "{message}");
    for words in expected {
        assert!(message.contains(words), "{message}, without {words}");
    }
}

#[test]
fn a_file_of_another_kind_is_named_with_its_cure() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    check(
        pointer,
        &["a Git LFS pointer", "; `git lfs pull` gets the file"],
    );
    let page = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n";
    check(page, &["an HTML page", "; download the file again"]);
    check("{\"error\": \"quota exceeded\"}", &["JSON"]);
    // A brace where a safetensors file has one.
    check("{\"data\":{\"error\": \"quota exceeded\"}}", &["JSON"]);
    check(b"\x1f\x8b\x08\0\0\0\0\0\0\x03", &["gzip", "gunzip"]);
    check(
        b"\x89HDF\r\n\x1a\n\0\0\0\0",
        &["an HDF5 file", "convert it to safetensors"],
    );
    check(
        b"\x80\x04\x95\x10\0\0\0\0\0\0\0}\x94.",
        &["a Python pickle", "torch.save"],
    );
    check(
        zip(&[("weights.pth", b"PK")]),
        &["a ZIP archive", "unpack the archive"],
    );
    check(b"", &["an empty file"]);
    check(vec![0; 4096], &["zeros"]);
    check(
        "no weights",
        &["it is a text file, neither a PyTorch checkpoint nor a safetensors file"],
    );
    check(
        b"\xee\xee\xee\xee",
        &["it is neither a PyTorch checkpoint nor a safetensors file"],
    );
}

/// The form of PyTorch before 0.1.10, as far as its beginning goes.
#[test]
fn the_oldest_form_of_checkpoints_is_named_with_its_cure() {
    let mut header = vec![0; 1536];
    header[..8].copy_from_slice(b"storages");
    header[100..108].copy_from_slice(b"0000644\0");
    header[124..136].copy_from_slice(b"00000000000\0");
    header[148..156].copy_from_slice(b"        ");
    header[156] = b'0';
    let sum: u32 = header[..512].iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    check(
        header,
        &[
            "the TAR form of PyTorch before 0.1.10",
            "load it with `torch.load` and save it again",
        ],
    );
}

/// The length in front of a header may look like the mark of an icon or of a bitmap.
#[test]
fn a_length_that_looks_like_another_kind_is_a_length() {
    for length in [65_536_u64, 669_008] {
        let mut header = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#.to_owned();
        header.push_str(&" ".repeat(length as usize - header.len()));
        let bytes = [&length.to_le_bytes()[..], header.as_bytes(), &[0; 4]].concat();
        let file = WeightFile::from_bytes("length", bytes).expect("it is read");
        assert_eq!(file.tensors().count(), 1);
    }
}
