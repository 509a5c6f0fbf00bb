//! A data set is written, and read back.

use std::fs;
use std::sync::Arc;

use data_pipeline::{
    AnswerNormalisation, DataError, Encoder, Folder, Loader, LoaderConfig, Order, Preload,
    RegionShape, Regions, Shapes, ShapesConfig, Source, Split, Subset, folder,
};
use tempfile::TempDir;

use crate::support::{HOLD_OUT, SPLITS, data_set, open};

fn shapes(split: Split) -> Shapes {
    let config = ShapesConfig {
        seed: 4,
        images: 12,
        questions_per_image: 3,
    };
    Shapes::new(config, split).expect("scenes")
}

/// What was written is read back: samples, images and every input.
fn same(written: &dyn Source, read: &dyn Source, images: usize) {
    assert_eq!(read.samples(), &written.samples()[..images * 3]);
    assert_eq!(read.image_count(), images);
    assert_eq!(read.inputs().regions, written.inputs().regions);
    for image in 0..images {
        let bytes = |source: &dyn Source| source.encoded_image(image).expect("an image");
        assert_eq!(bytes(read), bytes(written));
        assert_eq!(
            read.statistical_words(image),
            written.statistical_words(image)
        );
        let regions = |source: &dyn Source| -> Option<Regions> { source.regions(image).ok() };
        if written.inputs().regions.is_some() {
            assert!(regions(written).is_some());
            assert_eq!(regions(read), regions(written));
        }
    }
}

#[test]
fn a_written_data_set_is_read_back() {
    for described in [true, false] {
        let sources = SPLITS.map(|split| {
            let shapes = shapes(split);
            if described {
                shapes.described()
            } else {
                shapes
            }
        });
        let splits: Vec<(Split, &dyn Source)> = SPLITS
            .into_iter()
            .zip(&sources)
            .map(|(split, source)| (split, source as &dyn Source))
            .collect();
        let root = TempDir::new().expect("a folder");
        assert_eq!(
            folder::write(root.path(), &splits, 5).expect("written"),
            3 * 5 * 3
        );
        let refused = folder::write(root.path(), &splits, 1);
        assert!(
            matches!(&refused, Err(DataError::Occupied { path }) if path.exists()),
            "{refused:?}"
        );
        for (split, source) in splits {
            same(source, &open(&root, split), 5);
        }
    }
}

#[test]
fn a_written_data_set_is_loaded() {
    let sources = SPLITS.map(|split| shapes(split).described());
    let splits = [
        (Split::Train, &sources[0] as &dyn Source),
        (Split::Validation, &sources[1] as &dyn Source),
        (Split::Test, &sources[2] as &dyn Source),
    ];
    let root = TempDir::new().expect("a folder");
    folder::write(root.path(), &splits, usize::MAX).expect("written");
    let source = Arc::new(open(&root, Split::Train));
    let encoder = Encoder::build(source.as_ref(), 9, 16).expect("words and answers");
    let config = LoaderConfig {
        effective_batch: 36,
        chunk: 7,
        num_workers: 2,
        prefetch_factor: 2,
        preload: Preload::Nothing,
        use_compression: false,
        shuffle: Order::Sequential,
        augmentation: None,
    };
    let loader = Loader::new(source, Arc::new(encoder), config).expect("a loader");
    let mut epoch = loader.epoch(0, 0).expect("threads");
    let batch = epoch.next().expect("a batch").expect("whole files");
    assert_eq!((batch.len(), batch.unique_images()), (36, 12));
    let regions = batch.regions.expect("the data set has them");
    assert_eq!(
        regions.shape,
        RegionShape {
            regions: 3,
            dim: 12,
            varying: false,
        }
    );
    assert_eq!(
        regions.features[..36],
        sources[0].regions(0).expect("a scene").features
    );
    assert_eq!(
        batch
            .statistical_words
            .expect("the data set has them")
            .rows(),
        12
    );
    assert_eq!(batch.entities.expect("the data set has them").rows(), 36);
}

/// Answers of a question as a data set may give them.
const ANSWERS: [&str; 26] = [
    "\"cat\"",
    "[\"cat\"]",
    "[\"T-Ball\"]",
    "[\"\"]",
    "\" \"",
    "[\"\", \"\"]",
    "[\"\", \" \", \"\", \"\"]",
    "[\"?\"]",
    "[\"red\", \"dark red\"]",
    "[\"red\", \" red \"]",
    "[\"Two.\", \"2\"]",
    "{\"red\": 1.0, \"blue\": 0.3}",
    "{\"T-Ball\": 0.5}",
    "{\"red\": 0}",
    "{\"\": 1}",
    "{\"\": 1, \"red\": 0.1}",
    "[\"T-Ball\", \"T-Ball\"]",
    "[\"T-Ball\", \"T-Ball\", \"T-Ball\"]",
    "[\"yes\", \"yes\", \"\"]",
    "[\"yes\", \"\", \"\"]",
    "[\"yes\", \"yes\", \"no\", \"\", \"\"]",
    "[\"Two.\", \"2\", \"2\", \"two\", \"three\", \"3\", \"\", \"4\", \"4\", \"4\"]",
    "[\"no\", \"no\", \"no\", \"no\", \"no\", \"no\", \"yes\", \"yes\", \"yes\", \"yes\"]",
    "[\"T-Ball\", \"T-Ball\", \"T-Ball\", \"T-Ball\", \"T-Ball\", \"T-Ball\", \"T-Ball\", \"T-Ball\", \"T-Ball\", \"T-Ball\"]",
    "[\"a b\", \"a b\", \"a b\", \"b\", \"b\", \"b\", \"c\"]",
    "[\"红色。\", \"红色\", \"红色\"]",
];

/// Writes what a folder has and opens it again.
fn again(root: &TempDir, splits: &[Split]) -> TempDir {
    let opened: Vec<_> = splits.iter().map(|&split| open(root, split)).collect();
    let named = splits.iter().zip(&opened);
    let sources: Vec<_> = named
        .map(|(split, one)| (*split, one as &dyn Source))
        .collect();
    let to = TempDir::new().expect("a folder");
    folder::write(to.path(), &sources, usize::MAX).expect("written");
    to
}

#[test]
fn answers_of_every_kind_are_read_back_alone_and_together() {
    let line = |answers: &str| {
        format!(
            "{{\"image\": \"a.png\", \"question\": \"what?\", \"answers\": {answers}, \"entities\": []}}\n"
        )
    };
    let alone = ANSWERS.iter().map(|answers| line(answers));
    let all = ANSWERS.iter().map(|answers| line(answers)).collect();
    for lines in alone.chain([all]) {
        let root = data_set();
        for split in [Split::Validation, Split::Test] {
            let path = root.path().join(format!("{}.jsonl", split.name()));
            fs::write(path, &lines).expect("a file");
        }
        let to = again(&root, &SPLITS);
        for split in SPLITS {
            let (before, after) = (open(&root, split), open(&to, split));
            assert_eq!(after.samples(), before.samples(), "{lines}");
            assert!(before.has_answers() && after.has_answers(), "{lines}");
        }
    }
}

/// The questions of a challenge have no answers; those without a right answer have some, to which each answer is wrong.
#[test]
fn a_split_without_answers_stays_without_and_one_without_a_right_answer_is_scored() {
    for (answers, has) in [
        ("[]", false),
        ("{}", false),
        ("null", false),
        ("[\"\"]", true),
        ("\"\"", true),
        ("{\"\": 1}", true),
        ("{\"red\": 0}", true),
    ] {
        let root = data_set();
        let line =
            format!("{{\"image\": \"a.png\", \"question\": \"what?\", \"answers\": {answers}}}\n");
        fs::write(root.path().join("test.jsonl"), line.repeat(2)).expect("a file");
        let to = again(&root, &[Split::Test]);
        for test in [open(&root, Split::Test), open(&to, Split::Test)] {
            assert_eq!(
                (test.has_answers(), test.samples().len()),
                (has, 2),
                "{answers}"
            );
            assert!(
                test.samples()
                    .iter()
                    .all(|sample| sample.answers.is_empty())
            );
            // A part of a split is as its whole.
            let part = Subset::without(Arc::new(test), &[0]);
            assert_eq!(part.has_answers(), has, "{answers}");
        }
    }
}

/// A published split of which no answer is in the list of answers has answers all the same.
#[test]
fn an_imported_split_without_a_listed_answer_is_read_back() {
    let root = data_set();
    fs::write(root.path().join("folder.json"), "{\"version\": 1}").expect("a file");
    let line =
        "{\"image\": \"a.png\", \"question\": \"what?\", \"answers\": {}, \"entities\": []}\n";
    for split in [Split::Validation, Split::Test] {
        let path = root.path().join(format!("{}.jsonl", split.name()));
        fs::write(path, line).expect("a file");
    }
    let to = again(&root, &SPLITS);
    for split in SPLITS {
        let (before, after) = (open(&root, split), open(&to, split));
        assert_eq!(after.samples(), before.samples());
        assert!(before.has_answers() && after.has_answers(), "{split:?}");
    }
}

#[test]
fn votes_that_were_compared_as_written_keep_their_weights() {
    let root = data_set();
    let line = "{\"image\": \"a.png\", \"question\": \"what?\", \"answers\": [\"yes\", \"no\", \"no\", \"no\"]}\n";
    fs::write(root.path().join("test.jsonl"), line).expect("a file");
    let as_written = |root: &TempDir| {
        let reading = Folder::reading_of(root.path(), AnswerNormalisation::None);
        Folder::open_with(root.path(), Split::Test, HOLD_OUT, &reading).expect("questions")
    };
    let before = as_written(&root);
    let to = TempDir::new().expect("a folder");
    folder::write(to.path(), &[(Split::Test, &before as &dyn Source)], 1).expect("written");
    assert_eq!(as_written(&to).samples(), before.samples());
}
