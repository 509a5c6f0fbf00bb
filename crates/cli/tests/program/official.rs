//! Data sets by the name of their official files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Place, small_training};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        if entry.path().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
        }
    }
}

/// The official files of a data set in `data/NAME`.
fn with(name: &str, folder: &str) -> Place {
    let place = Place::new();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data-import/tests/formats");
    copy(&samples.join(folder), &place.path().join("data").join(name));
    place
}

fn stats<'a>(name: &'a str, root: &'a str) -> Vec<&'a str> {
    vec![
        "data",
        "stats",
        "--preset",
        "cpu",
        "--dataset",
        name,
        "--data-root",
        root,
    ]
}

fn imports(cache: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(cache).map(|entries| entries.flatten().map(|e| e.path()).collect());
    let mut imports: Vec<PathBuf> = entries.unwrap_or_default();
    imports.sort();
    imports
}

fn training_questions(place: &Place) -> PathBuf {
    fs::read_dir(place.path().join("data/vqa2"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.to_string_lossy().contains("train2014_questions"))
        .expect("the training questions")
}

#[test]
fn official_files_are_imported_once() {
    let place = with("vqa2", "vqa2");
    let first = place.ok(&stats("vqa2", "data"));
    let importing = "importing vqa2 from data/vqa2, once, into data/vqa2/.aoa-cache/vqa2-";
    assert!(first.stderr.contains(importing), "{}", first.stderr);
    assert!(
        first.stdout.contains("train: 6 samples, 3 images"),
        "{}",
        first.stdout
    );
    // Then they are there: by the folder around them, and by their own.
    for root in ["data", "data/vqa2"] {
        let second = place.ok(&stats("vqa2", root));
        assert!(!second.stderr.contains("importing"), "{}", second.stderr);
        assert_eq!(first.stdout, second.stdout);
    }
    let cache = place.path().join("data/vqa2/.aoa-cache");
    assert_eq!(imports(&cache).len(), 1, "nothing but the import is left");
    place.ok(&["data", "check", "--dataset", "vqa2", "--data-root", "data"]);
    // An import by hand gives the same data set.
    place.ok(&["data", "import", "data/vqa2", "--to", "by-hand"]);
    assert_eq!(first.stdout, place.ok(&stats("folder", "by-hand")).stdout);
}

#[test]
fn files_that_changed_are_imported_anew() {
    let place = with("vqa2", "vqa2");
    place.ok(&stats("vqa2", "data"));
    let file = training_questions(&place);
    let text = fs::read_to_string(&file).expect("questions");
    fs::write(&file, text.replacen('?', " now?", 1)).expect("written");
    let again = place.ok(&stats("vqa2", "data"));
    let words = "changed since the last import";
    assert!(again.stderr.contains(words), "{}", again.stderr);
    assert!(
        again.stderr.contains("remove it when no run needs it"),
        "{}",
        again.stderr
    );
    let cache = place.path().join("data/vqa2/.aoa-cache");
    assert_eq!(imports(&cache).len(), 2);
    assert!(!place.ok(&stats("vqa2", "data")).stderr.contains("import"));
}

#[test]
fn every_layout_is_a_data_set() {
    for (name, folder) in [
        ("okvqa", "okvqa"),
        ("gqa", "gqa"),
        ("vizwiz", "vizwiz"),
        ("textvqa", "textvqa"),
        ("visual-genome", "visual_genome"),
        ("visual7w", "visual7w"),
        ("xvlm", "xvlm"),
        ("lxmert", "lxmert"),
    ] {
        let place = with(name, folder);
        let outcome = place.run(&stats(name, "data"));
        assert!(
            outcome.stderr.contains(&format!("importing {name}")),
            "{}",
            outcome.stderr
        );
        // What is then wrong with a sample of a few lines is no matter of the import.
        let cache = place.path().join("data").join(name).join(".aoa-cache");
        assert_eq!(imports(&cache).len(), 1, "{name}: {}", outcome.stderr);
    }
}

#[test]
fn imports_may_go_elsewhere() {
    let place = with("vqa2", "vqa2");
    let cached = [&stats("vqa2", "data")[..], &["--cache", "imports"]].concat();
    place.ok(&cached);
    assert!(!place.path().join("data/vqa2/.aoa-cache").exists());
    assert_eq!(imports(&place.path().join("imports")).len(), 1);
    // Where the files lie in a folder that cannot be written. A file in the place of the cache stands for it.
    fs::write(place.path().join("data/vqa2/.aoa-cache"), "").expect("written");
    let words = ["cannot write", ".aoa-cache", "--cache ~/.cache/aoa"];
    place.fails(3, &words, &stats("vqa2", "data"));
    place.ok(&cached);
}

#[test]
fn what_is_missing_has_a_page() {
    let place = Place::new();
    let words = [
        "neither `data/gqa` nor `data` is a folder",
        "aoa data fetch gqa --data-root data",
    ];
    place.fails(3, &words, &stats("gqa", "data"));
    let page = place
        .ok(&["data", "fetch", "gqa", "--data-root", "data"])
        .stdout;
    for words in [
        "page: https://cs.stanford.edu/people/dorarad/gqa/download.html",
        "unpack into data/gqa:",
        "then: aoa train --dataset gqa --data-root data",
    ] {
        assert!(page.contains(words), "{page}");
    }
    fs::create_dir_all(place.path().join("data/gqa")).expect("a folder");
    place.fails(3, &["there are no files of gqa"], &stats("gqa", "data"));
}

/// One of them imports, the others wait, and all read one import.
#[test]
fn processes_share_an_import() {
    let place = with("vqa2", "vqa2");
    let all: Vec<_> = (0..4)
        .map(|_| {
            let mut command = place.command(&stats("vqa2", "data"));
            command.stdout(std::process::Stdio::piped());
            command.stderr(std::process::Stdio::piped());
            command.spawn().expect("the program starts")
        })
        .collect();
    let mut outputs = Vec::new();
    for child in all {
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        outputs.push(output.stdout);
    }
    assert!(outputs.iter().all(|output| *output == outputs[0]));
    assert_eq!(imports(&place.path().join("data/vqa2/.aoa-cache")).len(), 1);
}

#[test]
fn a_run_trains_on_official_files_and_goes_on() {
    let place = with("vqa2", "vqa2");
    let train = small_training(&[
        "--dataset",
        "vqa2",
        "--data-root",
        "data",
        "--set",
        "training.batch_size=2",
        "--set",
        "training.update_freq=1",
        "--stop-after",
        "1",
    ]);
    place.ok(&train);
    let before = imports(&place.path().join("data/vqa2/.aoa-cache"));
    let config = fs::read_to_string(place.path().join("run/config.toml")).expect("it");
    assert!(config.contains("name = \"vqa2\""), "{config}");
    let resumed = place.ok(&["train", "--resume", "run"]);
    assert!(!resumed.stderr.contains("importing"), "{}", resumed.stderr);
    // Questions that changed since: another import, and the earlier one is as good as before.
    let file = training_questions(&place);
    let text = fs::read_to_string(&file).expect("questions");
    fs::write(&file, text.replacen('?', " now?", 1)).expect("written");
    let earlier = before[0].strip_prefix(place.path()).expect("within");
    let earlier = earlier.to_str().expect("a name");
    let words = ["--data-root DIR", "an earlier import of official files"];
    // The import is announced once, with what goes on with the earlier one.
    let outcome = place.run(&stats("vqa2", "data"));
    place.fails(5, &words, &["train", "--resume", "run"]);
    let go_on =
        format!("To resume or evaluate runs of the earlier import, pass `--data-root {earlier}`");
    assert!(outcome.stderr.contains(&go_on), "{}", outcome.stderr);
    let root = ["--data-root", earlier];
    for command in [
        &["train", "--resume", "run"][..],
        &["eval", "run", "--split", "validation"],
    ] {
        let again = place.ok(&[command, &root].concat());
        assert!(!again.stderr.contains("importing"), "{}", again.stderr);
        assert!(!again.stderr.contains("is not the one"), "{}", again.stderr);
    }
}

#[test]
fn a_root_that_no_data_set_reads_is_refused() {
    let place = with("vqa2", "vqa2");
    let words = ["`--data-root data` has no effect", "--dataset folder"];
    place.fails(2, &words, &["data", "stats", "--data-root", "data"]);
    place.fails(2, &words, &["train", "--dry-run", "--data-root", "data"]);
}
