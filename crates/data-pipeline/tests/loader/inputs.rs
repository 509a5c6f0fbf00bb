//! Region features, statistical words and entities on their way into a batch.

use std::sync::Arc;

use data_pipeline::{
    Batch, DataError, Encoder, Inputs, Loader, LoaderConfig, Preload, RegionShape, Source, UNKNOWN,
};

use crate::support::{Gauge, Numbers, batches, config};

const ALL: Inputs = Inputs {
    images: true,
    regions: Some(RegionShape {
        regions: 3,
        dim: 4,
        varying: false,
    }),
    statistical_words: Some(3),
    entities: Some(4),
};

fn numbers(inputs: Inputs) -> Numbers {
    let mut source = Numbers::new(50, 16);
    source.inputs = inputs;
    source
}

/// Every epoch's first batches.
fn deliver(source: Numbers, encoder: Encoder, config: LoaderConfig) -> Vec<Batch> {
    let loader = Loader::new(Arc::new(source), Arc::new(encoder), config).expect("a loader");
    batches(&loader, 1, 0)
}

fn encoder(source: &Numbers) -> Encoder {
    source.encoder().as_ref().clone()
}

#[test]
fn a_batch_holds_the_inputs_of_its_images_and_samples() {
    let source = numbers(ALL);
    let (stored, encoder) = (source.samples().to_vec(), encoder(&source));
    for batch in deliver(source, encoder.clone(), config()) {
        let whole = batch.slice(0..batch.len());
        assert_eq!(whole, batch);
        let last = batch.slice(batch.len() - 1..batch.len());
        assert_eq!((last.len(), last.unique_images()), (1, 1));
        for part in [whole, last] {
            let regions = part.regions.as_ref().expect("the data set has them");
            let words = part
                .statistical_words
                .as_ref()
                .expect("the data set has them");
            let entities = part.entities.as_ref().expect("the data set has them");
            assert_eq!(regions.features.len(), part.unique_images() * 3 * 4);
            assert_eq!(regions.boxes.len(), part.unique_images() * 3 * 6);
            assert_eq!((words.rows(), words.width), (part.unique_images(), 3));
            assert_eq!((entities.rows(), entities.width), (part.len(), 4));
            for (place, &number) in part.samples.iter().enumerate() {
                let (sample, row) = (&stored[number], part.image_of[place]);
                let described = Numbers::described(sample.image);
                assert_eq!(regions.features[row * 12..][..12], described.features);
                assert_eq!(regions.boxes[row * 18..][..18], described.boxes);
                let tokens = |of: usize| {
                    ["number".to_owned(), of.to_string()]
                        .map(|word| encoder.vocabulary.token(&word))
                };
                assert_eq!(words.row(row), tokens(sample.image % 2));
                assert_eq!(entities.row(place), tokens(number));
            }
        }
    }
}

#[test]
fn no_setting_changes_the_inputs() {
    let run = |preload, num_workers, chunk| {
        let source = numbers(ALL);
        let encoder = encoder(&source);
        let config = LoaderConfig {
            preload,
            num_workers,
            chunk,
            use_compression: preload != Preload::Nothing,
            ..config()
        };
        deliver(source, encoder, config)
    };
    let reference = run(Preload::Nothing, 0, 8);
    // A limit that some of the images fit into.
    for preload in [
        Preload::Nothing,
        Preload::ALL,
        Preload::UpTo { limit: 6000 },
    ] {
        assert_eq!(run(preload, 3, 3), reference);
    }
}

#[test]
fn preloaded_inputs_are_counted() {
    let resident = |inputs| {
        let source = numbers(inputs);
        let encoder = source.encoder();
        let config = LoaderConfig {
            preload: Preload::ALL,
            ..config()
        };
        let loader = Loader::new(Arc::new(source), encoder, config).expect("a loader");
        loader.resident_bytes()
    };
    // Of each image thirty numbers and two tokens, of four bytes each.
    assert_eq!(resident(ALL) - resident(Inputs::IMAGES), 16 * (30 + 2) * 4);
}

#[test]
fn an_encoder_may_leave_inputs_out() {
    let gauge = Gauge::default();
    let mut source = gauge.source(50, 16);
    source.inputs = ALL;
    let mut encoder = encoder(&source);
    encoder.inputs = Inputs {
        images: false,
        statistical_words: None,
        entities: None,
        ..ALL
    };
    let batches = deliver(source, encoder, config());
    assert_eq!(gauge.read(), 0, "no image is read");
    for batch in batches {
        assert!(batch.images.is_empty() && batch.unique_images() > 0);
        let regions = batch.regions.as_ref().expect("asked for");
        assert_eq!(regions.features.len(), batch.unique_images() * 12);
        assert_eq!((&batch.statistical_words, &batch.entities), (&None, &None));
        assert!(batch.slice(0..1).images.is_empty());
    }
}

#[test]
fn longer_rows_are_cut_and_unknown_words_stay() {
    let source = numbers(ALL);
    let mut encoder = encoder(&source);
    encoder.inputs.entities = Some(1);
    let batches = deliver(source, encoder, config());
    let entities = batches[0].entities.as_ref().expect("asked for");
    assert_eq!(entities.ids.len(), batches[0].len());

    let source = numbers(ALL);
    let encoder = source.encoder();
    let asked = encoder
        .ask(&Numbers::png(3), &["what?", "which?"])
        .expect("a whole PNG");
    assert_eq!(asked.regions, None);
    let words = asked.statistical_words.as_ref().expect("asked for");
    assert_eq!((words.rows(), words.row(0)), (1, &[UNKNOWN][..]));
    let entities = asked.entities.as_ref().expect("asked for");
    assert_eq!((entities.rows(), entities.row(1)), (2, &[UNKNOWN][..]));
    assert_eq!(asked.slice(1..2).len(), 1);
}

#[test]
fn what_a_split_lacks_is_named() {
    for (lacking, expected) in [
        (
            Inputs {
                images: false,
                ..ALL
            },
            "images",
        ),
        (
            Inputs {
                regions: None,
                ..ALL
            },
            "region features",
        ),
        (
            Inputs {
                statistical_words: None,
                ..ALL
            },
            "statistical words",
        ),
        (
            Inputs {
                entities: None,
                ..ALL
            },
            "entities",
        ),
    ] {
        let encoder = numbers(ALL).encoder();
        let refused = Loader::new(Arc::new(numbers(lacking)), encoder, config());
        let error = refused.err().expect("an input is missing");
        let message = format!("the split has no {expected}");
        assert_eq!(error.to_string(), message);
        assert!(error.hint().is_some());
    }
}

#[test]
fn regions_of_another_shape_are_refused() {
    let other = RegionShape {
        regions: 3,
        dim: 5,
        varying: false,
    };
    let (with, without) = (
        numbers(ALL),
        Inputs {
            regions: Some(other),
            ..ALL
        },
    );
    let refused = Loader::new(Arc::new(numbers(without)), with.encoder(), config());
    let expected = "`numbers/0.png`: expected 3 x 4 regions x features, found 3 x 5";
    assert_eq!(refused.err().expect("another shape").to_string(), expected);

    // One that says the right shape and then reads another.
    let encoder = numbers(without).encoder();
    let loader = Loader::new(Arc::new(numbers(without)), encoder, config()).expect("a loader");
    let mut epoch = loader.epoch(0, 0).expect("threads");
    let error = epoch.next().expect("a batch").expect_err("another shape");
    let DataError::InUse { source: error, .. } = error else {
        panic!("{error}");
    };
    assert!(matches!(*error, DataError::RegionShape { .. }), "{error}");
    assert!(
        error
            .to_string()
            .ends_with("expected 3 x 5 regions x features, found 3 x 4")
    );
}
