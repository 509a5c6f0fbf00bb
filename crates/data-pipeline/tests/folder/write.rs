//! A data set is written, and read back.

use std::sync::Arc;

use data_pipeline::{
    DataError, Encoder, Loader, LoaderConfig, Order, Preload, RegionShape, Regions, Shapes,
    ShapesConfig, Source, Split, folder,
};
use tempfile::TempDir;

use crate::support::{SPLITS, open};

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
