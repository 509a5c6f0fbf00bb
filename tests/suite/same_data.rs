//! A run knows its data set again.

use std::fs;
use std::path::Path;

use data_pipeline::Split;
use tempfile::TempDir;
use trainer::{Dataset, TrainError, changed_splits, require_same_data};

use crate::runs::{small, start_small};

#[test]
fn other_data_is_known_and_refused_but_for_the_test_split() {
    let folder = TempDir::new().expect("a temporary folder");
    let run_dir = folder.path().join("run");
    let open = |set: &str| Dataset::open(&small(&[set])).expect("scenes");
    let dataset = open("dataset.shapes_seed=1");
    start_small(&run_dir);

    assert!(
        changed_splits(&run_dir, &dataset)
            .expect("a run")
            .is_empty()
    );
    require_same_data(&run_dir, &dataset).expect("the same data");
    let changed = |set, splits: &[Split], refused: Option<&str>| {
        let other = open(set);
        assert_eq!(
            changed_splits(&run_dir, &other).expect("a run"),
            splits,
            "{set}"
        );
        match (require_same_data(&run_dir, &other), refused) {
            (Ok(()), None) => {}
            (Err(TrainError::OtherData { split, .. }), Some(refused)) => assert_eq!(split, refused),
            (result, _) => panic!("{set}: {result:?}"),
        }
    };
    let all = [Split::Train, Split::Validation, Split::Test];
    changed("dataset.shapes_seed=2", &all, Some("train"));
    changed(
        "dataset.shapes_validation_images=9",
        &all[1..2],
        Some("validation"),
    );
    changed("dataset.shapes_test_images=9", &all[2..], None);
    spoil(&run_dir.join("data.json"));
    assert!(matches!(
        require_same_data(&run_dir, &dataset),
        Err(TrainError::Invalid { .. })
    ));
}

fn spoil(path: &Path) {
    let text = fs::read_to_string(path).expect("a file of the run");
    fs::write(path, format!("{text}\n")).expect("written");
}
