//! Files that cannot be used are found before they are needed, all of them, with the lines that need them.
//!
//! One file because all tests damage the data set that the helpers at its top write.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_pipeline::{
    Check, Checked, DataError, Depth, EasyVqa, ExifOrientation, Fault, Faults, Folder, HoldOut,
    Inputs, RegionShape, RgbImage, Shapes, ShapesConfig, Source, Split, Subset, check, folder,
};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, serialize};
use tempfile::TempDir;

const HOLD_OUT: HoldOut = HoldOut {
    fraction: 0.5,
    seed: 1,
};

/// A data set of six images a split, two questions each, with region features.
fn data_set() -> TempDir {
    let root = TempDir::new().expect("a folder");
    let shapes = [Split::Train, Split::Validation, Split::Test].map(|split| {
        let config = ShapesConfig {
            seed: 3,
            images: 6,
            questions_per_image: 2,
        };
        (
            split,
            Shapes::new(config, split).expect("scenes").described(),
        )
    });
    let splits = shapes
        .each_ref()
        .map(|(split, shapes)| (*split, shapes as &dyn Source));
    folder::write(root.path(), &splits, 6).expect("a data set");
    root
}

fn open(root: &Path, split: Split) -> Folder {
    Folder::open(root, split, HOLD_OUT).expect("its lines are right")
}

/// Checks all three splits.
fn look(root: &Path, depth: Depth, threads: usize) -> Checked {
    let splits = [Split::Train, Split::Validation, Split::Test].map(|split| open(root, split));
    let asked = splits.each_ref().map(|split| (split as &dyn Source, depth));
    let mut last = (0, 0);
    let checked = check(
        Check {
            splits: &asked,
            inputs: splits[0].inputs(),
            image_size: 16,
            threads,
        },
        &mut |done, of| last = (done, of),
    )
    .expect("threads");
    assert_eq!(
        last,
        (checked.files, checked.files),
        "every file is counted"
    );
    checked
}

fn faults(root: &Path, depth: Depth) -> Vec<Fault> {
    let faults = look(root, depth, 1).faults;
    assert_eq!(
        look(root, depth, 7).faults,
        faults,
        "whatever the number of threads"
    );
    faults
}

/// Spoils a file of a data set.
type Spoil = fn(&Path);

fn cut(path: &Path, bytes: usize) {
    let whole = fs::read(path).expect("a file");
    fs::write(path, &whole[..bytes]).expect("a file");
}

/// Changes a byte in the middle, where a glance does not look.
fn spoil_inside(path: &Path) {
    let mut bytes = fs::read(path).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs::write(path, bytes).expect("a file");
}

fn replaced_by_folder(path: &Path) {
    fs::remove_file(path).expect("a file");
    fs::create_dir(path).expect("a folder");
}

#[cfg(unix)]
fn replaced_by_pipe(path: &Path) {
    fs::remove_file(path).expect("a file");
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.is_ok_and(|status| status.success()));
}

#[cfg(unix)]
fn replaced_by_dead_link(path: &Path) {
    fs::remove_file(path).expect("a file");
    std::os::unix::fs::symlink("no/such/file", path).expect("a link");
}

fn features(path: &Path, dtype: Dtype, rows: usize, number: f32) {
    let width = if dtype == Dtype::F64 { 8 } else { 4 };
    let bytes = |numbers: usize| -> Vec<u8> {
        let mut bytes = number.to_le_bytes().repeat(numbers * width / 4);
        bytes.resize(numbers * width, 0);
        bytes
    };
    let (regions, boxes) = (bytes(rows * 12), bytes(rows * 6));
    let tensors = [
        (
            "regions",
            TensorView::new(dtype, vec![rows, 12], &regions).expect("a tensor"),
        ),
        (
            "boxes",
            TensorView::new(dtype, vec![rows, 6], &boxes).expect("a tensor"),
        ),
    ];
    fs::write(path, serialize(tensors, None).expect("tensors")).expect("a file");
}

#[test]
fn a_whole_data_set_has_no_faults() {
    let root = data_set();
    for depth in [Depth::Glance, Depth::Whole] {
        let checked = look(root.path(), depth, 2);
        assert_eq!(checked.files, 36, "18 images and their features");
        assert!(checked.faults.is_empty() && checked.shared.is_empty());
    }
}

#[test]
fn every_fault_is_listed_with_its_lines() {
    let images: &[(Spoil, &str)] = &[
        (
            |path| fs::remove_file(path).expect("a file"),
            "it is missing",
        ),
        (replaced_by_folder, "it is not a regular file"),
        #[cfg(unix)]
        (replaced_by_pipe, "it is not a regular file"),
        #[cfg(unix)]
        (replaced_by_dead_link, "No such file"),
        (
            |path| fs::write(path, "").expect("a file"),
            "found an empty file",
        ),
        (|path| cut(path, 40), "PNG"),
        (
            |path| cut(path, fs::read(path).expect("a file").len() / 2),
            "PNG",
        ),
    ];
    let root = data_set();
    let image = |number: usize| root.path().join(format!("images/train-{number}.png"));
    for (number, &(spoil, cause)) in images.iter().enumerate() {
        let whole = data_set();
        let path = |root: &TempDir| root.path().join(format!("images/train-{}.png", number % 6));
        spoil(&path(&whole));
        let found = faults(whole.path(), Depth::Glance);
        assert_eq!(found, faults(whole.path(), Depth::Whole));
        let [fault] = found.as_slice() else {
            panic!("{cause}: {found:?}");
        };
        assert_eq!(Path::new(&fault.file), path(&whole));
        assert!(fault.cause.contains(cause), "{fault}");
        let [used] = fault.used_by.as_slice() else {
            panic!("{fault:?}");
        };
        let first = 2 * (number % 6);
        assert_eq!(used.numbers, [first + 1, first + 2]);
        assert_eq!(used.samples, [first, first + 1]);
        assert!(
            used.questions
                .as_ref()
                .is_some_and(|file| file.ends_with("train.jsonl")),
            "{used:?}"
        );
    }

    // All at once, in the order in which lines need them; a file of several splits once.
    for number in [4, 1] {
        fs::remove_file(image(number)).expect("a file");
    }
    let test = root.path().join("test.jsonl");
    let line =
        r#"{"image": "train-4.png", "question": "what?", "answers": ["red"], "entities": []}"#;
    let lines = fs::read_to_string(&test).expect("lines") + line + "\n";
    fs::write(&test, lines).expect("lines");
    let found = faults(root.path(), Depth::Glance);
    let files: Vec<_> = found
        .iter()
        .map(|fault| PathBuf::from(&fault.file))
        .collect();
    assert_eq!(files, [image(1), image(4)]);
    let numbers: Vec<_> = found[1]
        .used_by
        .iter()
        .map(|used| (used.split, &*used.numbers))
        .collect();
    assert_eq!(numbers, [(0, &[9, 10][..]), (2, &[13])]);
    let text = found[1].to_string();
    assert!(text.contains("train.jsonl`, lines 9 and 10; "), "{text}");
    assert!(text.contains("test.jsonl`, line 13"), "{text}");
}

#[test]
fn damage_inside_a_file_is_found_by_reading_all_of_it() {
    let root = data_set();
    let image = root.path().join("images/test-2.png");
    spoil_inside(&image);
    features(
        &root.path().join("features/train-0.png.safetensors"),
        Dtype::F32,
        3,
        f32::NAN,
    );
    let shape = open(root.path(), Split::Train)
        .inputs()
        .regions
        .expect("features");
    features(
        &root.path().join("features/train-1.png.safetensors"),
        Dtype::F32,
        shape.regions,
        f32::INFINITY,
    );
    let glanced = faults(root.path(), Depth::Glance);
    assert_eq!(
        glanced.len(),
        usize::from(shape.regions != 3),
        "{glanced:?}"
    );
    let found = faults(root.path(), Depth::Whole);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].cause.contains("finite"), "{}", found[0]);
    assert!(found[1].cause.contains("finite"), "{}", found[1]);
    assert_eq!(Path::new(&found[2].file), image);
}

/// Of whatever form and however damaged: all of it is found by a whole look, and a glance refuses nothing that decodes.
#[test]
fn what_decodes_is_no_fault_and_what_does_not_is_one() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images");
    let root = TempDir::new().expect("a folder");
    fs::create_dir(root.path().join("images")).expect("a folder");
    let (mut lines, mut broken) = (String::new(), Vec::new());
    for folder in ["jpeg", "png", "other", "more"] {
        for entry in fs::read_dir(cases.join(folder)).expect("images") {
            let path = entry.expect("an image").path();
            if path.is_dir() {
                continue;
            }
            let bytes = fs::read(&path).expect("a file");
            let file = path.file_name().expect("a name").to_string_lossy();
            let name = format!("{folder}-{file}");
            fs::write(root.path().join("images").join(&name), &bytes).expect("a file");
            let line = serde_json::json!({ "image": name, "question": "q?", "answers": ["red"] });
            lines.extend([line.to_string(), "\n".to_owned()]);
            if RgbImage::decode(&bytes, ExifOrientation::Apply).is_err() {
                broken.push(name);
            }
        }
    }
    fs::write(root.path().join("test.jsonl"), &lines).expect("lines");
    let test = open(root.path(), Split::Test);
    let found = |depth| -> Vec<String> {
        let asked = Check {
            splits: &[(&test, depth)],
            inputs: Inputs::IMAGES,
            image_size: 8,
            threads: 3,
        };
        let faults = check(asked, &mut |_, _| ()).expect("threads").faults;
        let names = faults.iter().map(|fault| fault.file.rsplit('/').next());
        names.map(|name| name.expect("a name").to_owned()).collect()
    };
    assert_eq!(found(Depth::Whole), broken);
    let glanced = found(Depth::Glance);
    assert!(!glanced.is_empty(), "much is known at a glance");
    let wrong: Vec<_> = glanced
        .iter()
        .filter(|name| !broken.contains(name))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn features_that_cannot_be_used_are_listed() {
    let root = data_set();
    let path = |number: usize| {
        root.path()
            .join(format!("features/train-{number}.png.safetensors"))
    };
    let shape = open(root.path(), Split::Train)
        .inputs()
        .regions
        .expect("features");
    // The first is the odd one: what most have is right.
    features(&path(0), Dtype::F32, shape.regions + 1, 0.5);
    features(&path(1), Dtype::F64, shape.regions, 0.5);
    cut(&path(2), 200);
    fs::remove_file(path(3)).expect("a file");
    let test = root.path().join("features/test-0.png.safetensors");
    fs::write(test, "{}").expect("a file");
    for depth in [Depth::Glance, Depth::Whole] {
        let found = faults(root.path(), depth);
        let causes: Vec<_> = found.iter().map(|fault| fault.cause.as_str()).collect();
        let expected = [
            format!(
                "expected {shape} regions x features, as most have, found {} x 12",
                shape.regions + 1
            ),
            "expected `regions` with two dimensions of F32".to_owned(),
            "expected a safetensors file".to_owned(),
            "it is missing".to_owned(),
            "it is JSON".to_owned(),
        ];
        assert_eq!(causes.len(), expected.len(), "{causes:?}");
        for (cause, expected) in causes.iter().zip(&expected) {
            assert!(
                cause.starts_with(expected.as_str()),
                "{cause:?} {expected:?}"
            );
        }
    }
    // What a model does not look at need not be there.
    let train = open(root.path(), Split::Train);
    let images = Check {
        splits: &[(&train, Depth::Whole)],
        inputs: Inputs::IMAGES,
        image_size: 16,
        threads: 2,
    };
    let checked = check(images, &mut |_, _| ()).expect("threads");
    assert!(checked.faults.is_empty() && checked.files == 6);
}

/// None can be read: there is no size to compare with.
#[test]
fn features_that_are_all_broken_are_named_when_the_split_is_opened() {
    let root = data_set();
    for number in 0..6 {
        let path = root
            .path()
            .join(format!("features/test-{number}.png.safetensors"));
        features(&path, Dtype::F64, 3, 0.5);
    }
    let error = Folder::open(root.path(), Split::Test, HOLD_OUT).expect_err("no features");
    let text = error.to_string();
    assert!(
        text.starts_with("6 of 6 files of the data set cannot be used\n"),
        "{text}"
    );
    assert!(
        text.contains("test-5.png.safetensors`: expected `regions`"),
        "{text}"
    );
}

#[test]
fn odd_names_are_names_like_any_other() {
    let root = data_set();
    let names = [
        "a b.png",
        "红色.png",
        "quote\"`'.png",
        "tab\tline\nend.png",
        "\u{1b}[31m.png",
        "x.png ",
    ];
    let mut lines = String::new();
    let source = root.path().join("images/train-0.png");
    let found = root.path().join("features/train-0.png.safetensors");
    for (number, name) in names.iter().enumerate() {
        if number % 2 == 0 {
            fs::copy(&source, root.path().join("images").join(name)).expect("an image");
        }
        let features = root
            .path()
            .join("features")
            .join(format!("{name}.safetensors"));
        fs::copy(&found, features).expect("features");
        let line = serde_json::json!({ "image": name, "question": "what?", "answers": ["red"] });
        lines.extend([line.to_string(), "\n".to_owned()]);
    }
    for split in ["train", "validation", "test"] {
        fs::write(root.path().join(format!("{split}.jsonl")), &lines).expect("lines");
    }
    fs::remove_file(root.path().join("statistical_words.json")).expect("words");
    let found = faults(root.path(), Depth::Whole);
    let files: Vec<_> = found
        .iter()
        .map(|fault| fault.file.rsplit('/').next().expect("a name"))
        .collect();
    assert_eq!(files, [names[1], names[3], names[5]]);
    for fault in &found {
        assert!(!fault.to_string().contains(char::is_control), "{fault}");
    }
}

#[test]
fn images_that_splits_share_are_counted_whatever_they_are_called() {
    let root = data_set();
    let image = |name: &str| root.path().join("images").join(name);
    let link = |from: &str, name: &str| fs::copy(image(from), image(name)).expect("an image");
    // Under another name, by a link, and one that only looks alike: equal length, equal ends.
    link("train-0.png", "test-0.png");
    #[cfg(unix)]
    {
        fs::remove_file(image("test-1.png")).expect("a file");
        std::os::unix::fs::symlink(image("train-1.png"), image("test-1.png")).expect("a link");
    }
    let large = |inside: u8| {
        let mut bytes = fs::read(image("train-2.png")).expect("an image");
        let end = bytes.split_off(bytes.len() - 12);
        let body = [b"tEXt".as_slice(), &vec![inside; 9000]].concat();
        let crc = crc32fast::hash(&body).to_be_bytes();
        [&bytes[..], &9000_u32.to_be_bytes(), &body, &crc, &end].concat()
    };
    let same_ends = |inside: u8| {
        let mut bytes = large(b'a');
        let middle = bytes.len() / 2;
        bytes[middle] = inside;
        bytes
    };
    let [first, second] = [b'a', b'b'].map(same_ends);
    fs::write(image("train-2.png"), first).expect("an image");
    fs::write(image("test-2.png"), second).expect("an image");
    // The same name in two splits.
    let validation = root.path().join("validation.jsonl");
    let line =
        r#"{"image": "train-3.png", "question": "what?", "answers": ["red"], "entities": []}"#;
    let lines = fs::read_to_string(&validation).expect("lines") + line + "\n" + line + "\n";
    fs::write(&validation, lines).expect("lines");

    let shared = look(root.path(), Depth::Glance, 3).shared;
    let found: Vec<_> = shared
        .iter()
        .map(|shared| (shared.splits, shared.images))
        .collect();
    assert_eq!(
        found,
        [([0, 1], 1), ([0, 2], if cfg!(unix) { 2 } else { 1 })]
    );
    assert!(shared[0].example.ends_with("train-3.png"), "{shared:?}");
}

#[test]
fn a_split_without_samples_is_one_without_their_lines() {
    let root = data_set();
    let whole = Arc::new(open(root.path(), Split::Train));
    // The only question about an image that has two, and all about another.
    let subset = Subset::without(whole, &[0, 4, 5]);
    let file = root.path().join("train.jsonl");
    let lines = fs::read_to_string(&file).expect("lines");
    let kept = lines
        .lines()
        .enumerate()
        .filter(|(number, _)| ![0, 4, 5].contains(number));
    fs::write(
        &file,
        kept.flat_map(|(_, line)| [line, "\n"]).collect::<String>(),
    )
    .expect("lines");
    let edited = open(root.path(), Split::Train);

    assert_eq!(subset.samples(), edited.samples());
    assert_eq!((subset.image_count(), subset.samples().len()), (5, 9));
    for image in 0..5 {
        assert_eq!(subset.image_name(image), edited.image_name(image));
        assert_eq!(subset.regions_name(image), edited.regions_name(image));
        assert_eq!(
            subset.encoded_image(image).expect("an image"),
            edited.encoded_image(image).expect("an image")
        );
        assert_eq!(
            subset.regions(image).expect("features"),
            edited.regions(image).expect("features")
        );
        assert_eq!(
            subset.glance(image).expect("it is there"),
            edited.glance(image).expect("it is there")
        );
    }
    assert!(subset.encoded_image(5).is_err());
    // Messages name the lines of the file that was read.
    let place = format!("`{}`, line 7", file.display());
    assert_eq!(subset.sample_place(3), place);
}

/// A data set that is no files has its images decoded, and nothing to glance at.
#[test]
fn a_source_without_files_can_be_checked() {
    let config = ShapesConfig {
        seed: 1,
        images: 4,
        questions_per_image: 1,
    };
    let train = Shapes::new(config, Split::Train)
        .expect("scenes")
        .described();
    let regions = train.inputs().regions.expect("they are described");
    for (depth, expected, broken) in [
        (Depth::Whole, regions, 0),
        (
            Depth::Glance,
            RegionShape {
                regions: 1,
                dim: 1,
                varying: false,
            },
            0,
        ),
        (
            Depth::Whole,
            RegionShape {
                regions: 1,
                dim: 1,
                varying: false,
            },
            4,
        ),
    ] {
        let asked = Check {
            splits: &[(&train, depth)],
            inputs: Inputs {
                regions: Some(expected),
                ..Inputs::IMAGES
            },
            image_size: 8,
            threads: 2,
        };
        let checked = check(asked, &mut |_, _| ()).expect("threads");
        assert_eq!((checked.files, checked.faults.len()), (8, broken));
    }
}

#[test]
fn entries_of_easy_vqa_are_named_by_their_number() {
    let root = TempDir::new().expect("a folder");
    let folder = data_set();
    for part in ["train", "test"] {
        let images = root.path().join(part).join("images");
        fs::create_dir_all(&images).expect("a folder");
        for number in 0..3 {
            let from = folder.path().join(format!("images/{part}-{number}.png"));
            fs::copy(from, images.join(format!("{number}.png"))).expect("an image");
        }
        let questions =
            r#"[["what?","red",2],["what?","red",0],["what?","red",1],["so?","red",1]]"#;
        fs::write(root.path().join(part).join("questions.json"), questions).expect("questions");
    }
    fs::write(root.path().join("answers.txt"), "red\n").expect("answers");
    fs::remove_file(root.path().join("test/images/1.png")).expect("an image");
    let test = EasyVqa::open(root.path(), Split::Test, HOLD_OUT).expect("its questions are right");
    let train =
        EasyVqa::open(root.path(), Split::Train, HOLD_OUT).expect("its questions are right");
    let asked = Check {
        splits: &[(&train, Depth::Glance), (&test, Depth::Glance)],
        inputs: Inputs::IMAGES,
        image_size: 8,
        threads: 2,
    };
    let checked = check(asked, &mut |_, _| ()).expect("threads");
    let [fault] = checked.faults.as_slice() else {
        panic!("{:?}", checked.faults);
    };
    let place = format!(
        "`{}`, entries 2 and 3",
        root.path().join("test/questions.json").display()
    );
    assert_eq!(fault.places(), place);
    assert!(
        checked.shared.is_empty(),
        "equal numbers are not equal images"
    );
}

/// What stands among images and is none says what becomes of it: something to do, and not only what is read.
#[test]
fn what_is_no_image_has_a_cure() {
    for (content, cause, cure) in [
        (
            &b"%PDF-1.7\n"[..],
            "a PDF document",
            "convert it to PNG or JPEG, or remove the lines",
        ),
        (
            b"\0\0\0\x18ftypisom\0\0\0\0isommp42",
            "a video",
            "a frame of it as PNG or JPEG, or remove the lines",
        ),
        (
            b"\x93NUMPY\x01\0",
            "a NumPy array",
            "as a PNG image, or remove the lines",
        ),
        (
            b"a note about it\n",
            "a text file",
            "in its place, or remove the lines",
        ),
        (
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>",
            "an SVG drawing",
            "convert it to PNG or JPEG, or remove the lines",
        ),
        (
            b"\x07\x01\x02\x03garbage\0\0",
            "a file of unknown form",
            "in its place, or remove the lines",
        ),
    ] {
        let root = TempDir::new().expect("a folder");
        fs::create_dir(root.path().join("images")).expect("a folder");
        fs::write(root.path().join("images/a.png"), content).expect("a file");
        let line = "{\"image\": \"a.png\", \"question\": \"q\", \"answers\": [\"x\"]}\n";
        fs::write(root.path().join("train.jsonl"), line).expect("a file");
        fs::write(root.path().join("validation.jsonl"), line).expect("a file");
        let hold_out = HoldOut {
            fraction: 0.0,
            seed: 1,
        };
        let folder = Folder::open(root.path(), Split::Train, hold_out).expect("questions");
        for depth in [Depth::Glance, Depth::Whole] {
            let asked = Check {
                splits: &[(&folder, depth)],
                inputs: folder.inputs(),
                image_size: 8,
                threads: 1,
            };
            let faults = check(asked, &mut |_, _| {}).expect("threads").faults;
            assert_eq!(faults.len(), 1, "{cause}");
            assert!(faults[0].cause.contains(cause), "{faults:?}");
            assert!(faults[0].cure.ends_with(cure), "{faults:?}");
        }
    }
}

#[test]
fn text_of_a_file_that_is_no_image_is_shown_as_it_is() {
    let decoded = RgbImage::decode(
        b"{\"error\": \"it's\n\x1b[2Jgone\"}",
        ExifOrientation::Apply,
    );
    let said = decoded.expect_err("JSON").to_string();
    assert!(
        said.contains("`{\"error\": \"it's\\n\\u{1b}[2Jgone\"}`"),
        "{said}"
    );
}

/// The part that may be left out can be raised only to all, and then nothing is left.
#[test]
fn where_all_samples_are_bad_no_limit_is_to_be_raised() {
    let hint = |bad, limit| {
        let error = DataError::TooManyBad {
            split: "train",
            bad,
            samples: 4,
            limit,
            faults: Faults(Vec::new()),
        };
        error.hint().expect("a cure")
    };
    for limit in [0.01, 1.0] {
        let all = hint(4, limit);
        assert!(
            !all.contains("raise") && all.contains("no sample would be left"),
            "{all}"
        );
    }
    assert!(hint(3, 0.5).contains("raise it"));
}
