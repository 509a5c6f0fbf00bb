//! Folders whose images lie in shards.
//!
//! One file because every test damages, reads or streams the same small folder of shards.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use data_pipeline::folder::{Sharded, shard};
use data_pipeline::{
    AnswerNormalisation, Augmentation, Batch, Check, DataError, Depth, Encoder, Folder, HoldOut,
    Inputs, Loader, LoaderConfig, Order, Preload, Shapes, ShapesConfig, ShardLimit, Source, Split,
    check, fingerprint, folder,
};
use serde_json::Value;
use tempfile::TempDir;

const HOLD_OUT: HoldOut = HoldOut {
    fraction: 0.5,
    seed: 1,
};

const SPLITS: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

/// A folder with three questions about each of so many training images.
fn plain(images: usize) -> TempDir {
    let place = TempDir::new().expect("a folder");
    let config = ShapesConfig {
        seed: 5,
        images,
        questions_per_image: 3,
    };
    let splits = SPLITS.map(|split| (split, Shapes::new(config, split).expect("scenes")));
    let splits: Vec<_> = splits
        .iter()
        .map(|(split, source)| (*split, source as &dyn Source))
        .collect();
    folder::write(&place.path().join("plain"), &splits, images).expect("written");
    place
}

fn sharded(place: &TempDir, limit: ShardLimit) -> Vec<Sharded> {
    let to = place.path().join("sharded");
    fs::create_dir(&to).expect("a folder");
    shard(
        &place.path().join("plain"),
        &to,
        limit,
        2,
        &mut |_, _, _| {},
    )
    .expect("shards")
}

fn open(place: &TempDir, folder: &str, split: Split) -> Result<Folder, DataError> {
    let root = place.path().join(folder);
    let reading = Folder::reading_of(&root, AnswerNormalisation::Vqa);
    Folder::open_with(&root, split, HOLD_OUT, &reading)
}

#[test]
fn a_folder_in_shards_is_the_folder() {
    let place = plain(20);
    let written = sharded(&place, ShardLimit::Samples(10));
    // Three questions an image, so three images a shard.
    let train = &written[0];
    assert_eq!((train.split, train.shards), ("train", 7));
    assert_eq!((train.images, train.samples), (20, 60));
    for split in SPLITS {
        let whole = open(&place, "plain", split).expect("a folder");
        let shards = open(&place, "sharded", split).expect("shards");
        assert_eq!(whole.samples(), shards.samples());
        assert_eq!(fingerprint(&whole), fingerprint(&shards));
        for image in 0..whole.image_count() {
            let bytes = shards.encoded_image(image).expect("an image");
            assert_eq!(whole.encoded_image(image).expect("an image"), bytes);
            let name = shards.image_name(image);
            assert!(name.contains(&format!("{}-00000", split.name())), "{name}");
        }
    }
    let splits = SPLITS.map(|split| open(&place, "sharded", split).expect("shards"));
    let splits: Vec<_> = splits
        .iter()
        .map(|split| (split as &dyn Source, Depth::Whole))
        .collect();
    let asked = Check {
        splits: &splits,
        inputs: Inputs::IMAGES,
        image_size: 32,
        threads: 2,
    };
    let checked = check(asked, &mut |_, _| {}).expect("a check");
    let shards: usize = written.iter().map(|split| split.shards).sum();
    assert_eq!((checked.files, checked.faults.len()), (60 + shards, 0));
}

#[test]
fn shards_are_tar_files_with_an_image_and_its_questions_in_a_record() {
    let place = plain(7);
    sharded(&place, ShardLimit::Samples(9));
    let root = place.path().join("sharded");
    let manifest = fs::read_to_string(root.join("shards.json")).expect("a manifest");
    let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    let shards = manifest["splits"]["train"].as_array().expect("shards");
    assert_eq!(shards.len(), 3);
    let mut questions = Vec::new();
    for shard in shards {
        let file = shard["file"].as_str().expect("a name");
        let bytes = fs::read(root.join(file)).expect("a shard");
        assert_eq!(shard["bytes"], bytes.len());
        let sum = format!("{:08x}", crc32fast::hash(&bytes));
        assert_eq!(shard["crc32"], *sum);
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut images = Vec::new();
        let mut records = BTreeMap::<String, Vec<String>>::new();
        for entry in archive.entries().expect("entries") {
            let mut entry = entry.expect("an entry");
            let name = entry.path().expect("a path").display().to_string();
            let (key, ending) = name.split_once('.').expect("an ending");
            let before = records.entry(key.to_owned()).or_default();
            before.push(ending.to_owned());
            let at = entry.raw_file_position();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("content");
            if ending == "json" {
                let record: Value = serde_json::from_slice(&content).expect("JSON");
                let about = record["questions"].as_array().expect("questions");
                assert!(about.iter().all(|line| line["image"] == record["image"]));
                questions.extend(about.clone());
            } else {
                let member = &shard["members"][images.len()];
                assert_eq!(member[1], at);
                assert_eq!(member[2], content.len());
                assert_eq!(member[3], crc32fast::hash(&content));
                images.push(content);
            }
        }
        assert_eq!(shard["images"], images.len());
        assert_eq!(shard["samples"], 3 * images.len());
        assert!(records.values().all(|endings| endings == &["png", "json"]));
    }
    let lines = fs::read_to_string(root.join("train.jsonl")).expect("questions");
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(questions, lines);
}

#[test]
fn a_shard_is_no_longer_than_asked_for() {
    let place = plain(30);
    let written = sharded(&place, ShardLimit::Bytes(60_000));
    assert!(written[0].shards > 3, "{written:?}");
    for entry in fs::read_dir(place.path().join("sharded")).expect("a folder") {
        let entry = entry.expect("an entry");
        if entry.file_name().to_string_lossy().ends_with(".tar") {
            assert!(entry.metadata().expect("its length").len() <= 60_000);
        }
    }
    let small = plain(3);
    // Each image has a shard to itself where none is as small as asked for.
    assert_eq!(sharded(&small, ShardLimit::Bytes(1))[0].shards, 3);
}

fn batches(source: &Arc<dyn Source>, config: LoaderConfig, epoch: u64, skip: usize) -> Vec<Batch> {
    let encoder = Encoder::build(source.as_ref(), 12, 16).expect("words");
    let loader = Loader::new(Arc::clone(source), Arc::new(encoder), config).expect("a loader");
    let epoch = loader.epoch(epoch, skip).expect("threads");
    epoch.collect::<Result<_, _>>().expect("whole images")
}

fn config(buffer: usize) -> LoaderConfig {
    LoaderConfig {
        effective_batch: 10,
        chunk: 10,
        num_workers: 0,
        prefetch_factor: 1,
        preload: Preload::Nothing,
        use_compression: false,
        shuffle: Order::Streamed {
            seed: 7,
            buffer,
            group: 1,
        },
        augmentation: None,
    }
}

fn order(batches: &[Batch]) -> Vec<usize> {
    batches
        .iter()
        .flat_map(|batch| batch.samples.clone())
        .collect()
}

/// The batches of an epoch, which are the same however they are read.
fn read_in_any_way(source: &Arc<dyn Source>, config: LoaderConfig) -> Vec<Batch> {
    let expected = batches(source, config, 1, 0);
    for (num_workers, prefetch_factor, chunk, preload) in [
        (1, 1, 3, Preload::Nothing),
        (3, 4, 7, Preload::Nothing),
        (2, 2, 10, Preload::UpTo { limit: 20_000 }),
        (2, 1, 4, Preload::ALL),
    ] {
        let settings = LoaderConfig {
            num_workers,
            prefetch_factor,
            chunk,
            preload,
            ..config
        };
        for skip in [0, 1, 7, 17] {
            assert!(
                batches(source, settings, 1, skip) == expected[skip..],
                "{settings:?}, {skip} skipped"
            );
        }
    }
    expected
}

/// However it is read, and wherever within a shard it is begun.
#[test]
fn a_stream_of_shards_is_a_matter_of_seed_epoch_buffer_and_shards() {
    let place = plain(60);
    sharded(&place, ShardLimit::Samples(12));
    let source: Arc<dyn Source> = Arc::new(open(&place, "sharded", Split::Train).expect("shards"));
    let expected = read_in_any_way(&source, config(40));
    let mut samples = order(&expected);
    samples.sort_unstable();
    assert_eq!(samples, (0..180).collect::<Vec<_>>());
    // Random views of the images change nothing else, and are a matter of seed, epoch and sample.
    let augmented = LoaderConfig {
        augmentation: Some(Augmentation {
            seed: 3,
            crop_scale: 0.5,
            flip: 0.5,
            operations: 2,
            magnitude: 7,
        }),
        ..config(40)
    };
    let varied = read_in_any_way(&source, augmented);
    assert_eq!(order(&varied), order(&expected));
    let pairs = varied.iter().zip(&expected);
    assert!(
        pairs
            .into_iter()
            .all(|(varied, plain)| varied.images != plain.images)
    );
    let expected = order(&expected);
    assert_ne!(order(&batches(&source, config(40), 2, 0)), expected);
    assert_ne!(order(&batches(&source, config(41), 1, 0)), expected);
    // The images are those of the folder, in whichever order.
    let whole: Arc<dyn Source> = Arc::new(open(&place, "plain", Split::Train).expect("a folder"));
    assert_ne!(order(&batches(&whole, config(40), 1, 0)), expected);
    let permutation = LoaderConfig {
        shuffle: Order::Permutation { seed: 7 },
        ..config(40)
    };
    assert!(batches(&source, permutation, 1, 0) == batches(&whole, permutation, 1, 0));
}

/// Spoils a folder of shards and says what an attempt to open or to read it says.
fn spoiled(spoil: impl Fn(&Path)) -> String {
    let place = plain(6);
    sharded(&place, ShardLimit::Samples(6));
    let root = place.path().join("sharded");
    spoil(&root);
    let read = open(&place, "sharded", Split::Train).and_then(|source| {
        let mut images = 0..source.image_count();
        images.try_for_each(|image| source.encoded_image(image).map(drop))
    });
    let error = read.map(|()| "nothing").expect_err("a fault");
    format!("{error}").replace(&root.display().to_string(), "DIR")
}

fn in_manifest(edit: impl Fn(&mut Value)) -> impl Fn(&Path) {
    move |root| {
        let path = root.join("shards.json");
        let text = fs::read_to_string(&path).expect("a manifest");
        let mut value = serde_json::from_str(&text).expect("JSON");
        edit(&mut value);
        fs::write(path, value.to_string()).expect("written");
    }
}

#[test]
fn damage_is_named() {
    let shard = "train-000001.tar";
    let text = spoiled(|root| {
        let mut bytes = fs::read(root.join(shard)).expect("a shard");
        bytes[512 + 100] ^= 1;
        fs::write(root.join(shard), bytes).expect("written");
    });
    assert!(
        text.starts_with("`DIR/train-000001.tar`: expected ") && text.contains("`train-2.png`"),
        "{text}"
    );
    let text = spoiled(|root| {
        let bytes = fs::read(root.join(shard)).expect("a shard");
        fs::write(root.join(shard), &bytes[..bytes.len() - 512]).expect("written");
    });
    assert!(
        text.starts_with("`DIR/train-000001.tar`: expected ") && text.contains("shards.json"),
        "{text}"
    );
    let text = spoiled(|root| fs::remove_file(root.join(shard)).expect("removed"));
    assert_eq!(
        text,
        "`DIR/train-000001.tar`: it is missing, and `shards.json` lists it"
    );
    let text = spoiled(|root| {
        let path = root.join("train.jsonl");
        let lines = fs::read_to_string(&path).expect("questions");
        fs::write(path, lines.replace("train-4.png", "other.png")).expect("written");
    });
    assert_eq!(
        text,
        "`DIR/shards.json`: expected the image `other.png`, which a question names, found none of this name"
    );
}

#[test]
fn a_manifest_is_believed_in_nothing_that_cannot_be() {
    for (edit, expected) in [
        (
            (|value| value["version"] = 2.into()) as fn(&mut Value),
            "`DIR/shards.json`: expected version 1, found 2",
        ),
        (
            |value| value["splits"]["train"][0]["file"] = "../train-000000.tar".into(),
            "`DIR/shards.json`: expected the name of a TAR file in this folder, found `../train-000000.tar`",
        ),
        (
            |value| value["splits"]["train"][0]["images"] = 9.into(),
            "`DIR/shards.json`: expected 9 images in `train-000000.tar`, found 2 members",
        ),
        (
            |value| value["splits"]["train"][0]["members"][1][1] = 600.into(),
            "`DIR/shards.json`: expected image `train-1.png` behind byte ",
        ),
        (
            |value| value["splits"]["train"][0]["members"][1][2] = u64::MAX.into(),
            "`DIR/shards.json`: expected image `train-1.png` behind byte ",
        ),
        (
            |value| value["splits"]["train"][0]["members"][1][0] = "train-0.png".into(),
            "`DIR/shards.json`: expected each image of a split once, found `train-0.png` a second time",
        ),
        (
            |value| value["splits"] = Value::Object(serde_json::Map::new()),
            "`DIR/shards.json`: expected the image `train-0.png`, which a question names, found none of this name",
        ),
    ] {
        let text = spoiled(in_manifest(edit));
        assert!(text.starts_with(expected), "{text}");
    }
    let text = spoiled(|root| fs::write(root.join("shards.json"), "{").expect("written"));
    assert!(
        text.starts_with("`DIR/shards.json`: it cannot be read as the list of shards: EOF"),
        "{text}"
    );
}

#[test]
fn every_image_that_cannot_be_used_is_named_and_no_manifest_is_written() {
    let place = plain(6);
    let images = place.path().join("plain/images");
    fs::write(images.join("train-1.png"), b"no image").expect("written");
    fs::remove_file(images.join("train-4.png")).expect("removed");
    let to = place.path().join("sharded");
    fs::create_dir(&to).expect("a folder");
    let root = place.path().join("plain");
    let error = shard(&root, &to, ShardLimit::Bytes(1 << 20), 2, &mut |_, _, _| {});
    let text = error.expect_err("two faults").to_string();
    for part in [
        "2 of 18 files",
        "train-1.png",
        "train-4.png",
        "lines 4, 5 and 6",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!to.join("shards.json").exists());
    // Shards of shards would be the same.
    let place = plain(2);
    sharded(&place, ShardLimit::Bytes(1 << 20));
    let error = shard(
        &place.path().join("sharded"),
        &to,
        ShardLimit::Bytes(1 << 20),
        2,
        &mut |_, _, _| {},
    );
    let text = error.expect_err("shards").to_string();
    assert!(text.ends_with("found images in shards"), "{text}");
}

/// What a look at the training split of a spoiled folder of shards finds.
fn looked(depth: Depth, spoil: impl Fn(&Path)) -> Vec<String> {
    let place = plain(6);
    // Images and questions of one length, so that every shard has one.
    let images = place.path().join("plain/images");
    for number in 1..6 {
        let to = images.join(format!("train-{number}.png"));
        fs::copy(images.join("train-0.png"), to).expect("copied");
    }
    sharded(&place, ShardLimit::Samples(6));
    let root = place.path().join("sharded");
    spoil(&root);
    let source = match open(&place, "sharded", Split::Train) {
        Ok(source) => source,
        Err(error) => return vec![format!("{error}; {}", error.hint().unwrap_or_default())],
    };
    let asked = Check {
        splits: &[(&source, depth)],
        inputs: Inputs::IMAGES,
        image_size: 32,
        threads: 2,
    };
    let faults = check(asked, &mut |_, _| {}).expect("a check").faults;
    let text = faults
        .iter()
        .map(|fault| format!("{fault}; {}", fault.cure));
    text.map(|text| text.replace(&root.display().to_string(), "DIR"))
        .collect()
}

fn flip(root: &Path, at: usize) {
    let path = root.join("train-000001.tar");
    let mut bytes = fs::read(&path).expect("a shard");
    bytes[at] ^= 1;
    fs::write(path, bytes).expect("written");
}

#[test]
fn a_look_compares_shards_with_their_manifest() {
    assert_eq!(looked(Depth::Whole, |_| {}), Vec::<String>::new());
    let swap = |root: &Path| {
        let [one, other, spare] =
            ["train-000000.tar", "train-000001.tar", "spare"].map(|name| root.join(name));
        fs::rename(&one, &spare).expect("renamed");
        fs::rename(&other, &one).expect("renamed");
        fs::rename(&spare, &other).expect("renamed");
    };
    for depth in [Depth::Glance, Depth::Whole] {
        for (spoil, count, words) in [
            (
                Box::new(|root: &Path| flip(root, 20)) as Box<dyn Fn(&Path)>,
                1,
                "`DIR/train-000001.tar`: the TAR header at byte 0, of image `train-2.png`, is damaged",
            ),
            (
                Box::new(swap),
                2,
                "expected the member `000000000`, found `000000002.png`",
            ),
            (
                Box::new(|root: &Path| {
                    let path = root.join("train-000001.tar");
                    let bytes = fs::read(&path).expect("a shard");
                    fs::write(path, &bytes[..700]).expect("written");
                }),
                1,
                "found 700 bytes",
            ),
            (
                Box::new(|root: &Path| fs::remove_file(root.join("shards.json")).expect("removed")),
                1,
                "shards.json`: it is missing",
            ),
        ] {
            let found = looked(depth, spoil);
            assert_eq!(found.len(), count, "{found:?}");
            assert!(found[0].contains(words), "{found:?}");
            assert!(found[0].contains("aoa data shard"), "{found:?}");
            // Lines of a split are named once, however many images the shard has.
            assert!(found[0].matches("train.jsonl").count() <= 1, "{found:?}");
        }
    }
    // The end marker of an image, and what only reading all of it tells.
    let ends = |root: &Path| {
        let path = root.join("train-000001.tar");
        let mut bytes = fs::read(&path).expect("a shard");
        let end = bytes
            .windows(4)
            .position(|part| part == b"IEND")
            .expect("an end");
        bytes[end - 30..end + 4].fill(0);
        fs::write(path, bytes).expect("written");
    };
    let found = looked(Depth::Glance, ends);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("DIR/train-000001.tar: train-2.png"),
        "{found:?}"
    );
    let pixel = |root: &Path| flip(root, 512 + 100);
    assert_eq!(looked(Depth::Glance, pixel), Vec::<String>::new());
    let found = looked(Depth::Whole, pixel);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("train-2.png"), "{found:?}");
    // A byte behind the image, which no image has.
    let beside = |root: &Path| {
        let bytes = fs::read(root.join("train-000001.tar")).expect("a shard");
        let words = b"\"question\"";
        let at = bytes.windows(words.len()).position(|part| part == words);
        flip(root, at.expect("questions") + 3);
    };
    assert_eq!(looked(Depth::Glance, beside), Vec::<String>::new());
    let found = looked(Depth::Whole, beside);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("its checksum is"), "{found:?}");
}

#[test]
fn images_of_all_splits_are_decoded_before_a_shard_is_written() {
    let place = plain(6);
    let images = place.path().join("plain/images");
    for name in ["train-2.png", "test-1.png"] {
        let mut bytes = fs::read(images.join(name)).expect("an image");
        let data = bytes
            .windows(4)
            .position(|part| part == b"IDAT")
            .expect("data");
        bytes[data + 20] ^= 0xff;
        fs::write(images.join(name), bytes).expect("written");
    }
    let to = place.path().join("sharded");
    fs::create_dir(&to).expect("a folder");
    let root = place.path().join("plain");
    let error = shard(&root, &to, ShardLimit::Samples(6), 2, &mut |_, _, _| {});
    let text = error.expect_err("two faults").to_string();
    for part in ["2 of 18 files", "train-2.png", "test-1.png"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(fs::read_dir(&to).expect("a folder").count(), 0);
}
