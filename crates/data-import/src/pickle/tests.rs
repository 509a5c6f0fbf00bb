use std::path::Path;
use std::sync::atomic::AtomicU64;

use super::*;

fn read(bytes: &[u8]) -> Result<Pickle, ImportError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.pkl");
    fs::write(&path, bytes).expect("a file");
    Pickle::read(Input {
        path: Path::new(&path),
        meter: &AtomicU64::new(0),
    })
}

#[test]
fn values_are_read_and_shared_ones_found() {
    let pickle = read(b"\x80\x02]q\x00(}q\x01(X\x01\x00\x00\x00aq\x02K\x05uh\x01h\x02e.").ok();
    let pickle = pickle.expect("a pickle");
    let list = pickle.list(pickle.root()).expect("a list");
    for of in &list[..2] {
        assert_eq!(
            pickle.get(*of, "a").and_then(|of| pickle.id(of)),
            Some("5".to_owned())
        );
    }
    assert_eq!(pickle.text(list[2]), Some("a"));
}

#[test]
fn a_pickle_that_would_call_something_is_refused_by_name() {
    let error = read(b"\x80\x02}q\x00(K\x01c__builtin__\nprint\nq\x01\x85Ru.")
        .err()
        .expect("an error");
    let message = error.to_string();
    assert!(message.contains("__builtin__.print"), "{message}");
    let error = read(b"\x80\x04\x8c\x02os\x8c\x06system\x93.")
        .err()
        .expect("an error");
    assert!(error.to_string().contains("os.system"), "{error}");
}

#[test]
fn broken_and_hostile_pickles_are_errors() {
    let whole = b"\x80\x02]q\x00(K\x01K\x02e.";
    for end in 0..whole.len() {
        assert!(read(&whole[..end]).is_err(), "{end}");
    }
    // Deep nesting, a text that says it is longer than the file, pops below a mark.
    let mut deep = b"\x80\x02".to_vec();
    deep.extend(std::iter::repeat_n(b"](", 100_000).flatten());
    assert!(read(&deep).is_err());
    assert!(read(b"\x80\x02X\xff\xff\xff\xffa.").is_err());
    assert!(read(b"\x80\x02K\x01(0.").is_err());
    assert!(read(b"\x80\x02]]a(e(ee.").is_err());
}
