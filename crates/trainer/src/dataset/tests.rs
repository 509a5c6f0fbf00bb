use config_schema::Streaming;
use data_pipeline::Order;

use super::*;

#[test]
fn images_are_varied_in_training_alone_and_never_beside_region_features() {
    let mut settings = Config {
        augmentation: config_schema::Augmentation {
            flip: 0.5,
            ..config_schema::Augmentation::default()
        },
        ..Config::default()
    };
    let shapes = |settings: &Config| {
        let [train, ..] = Dataset::splits(settings);
        let train = train.expect("shapes");
        let encoder = Encoder::build(train.as_ref(), 8, 16).expect("words");
        (train, encoder)
    };
    settings.dataset.shapes_train_images = 4;
    let (train, encoder) = shapes(&settings);
    let training = training_batches(&settings, &encoder, train.as_ref(), 0).augmentation;
    assert_eq!(training.map(|on| on.flip), Some(0.5));
    let evaluation = evaluation_batches(&settings, &encoder, train.as_ref(), 0).augmentation;
    assert_eq!(evaluation, None);
    assert_eq!(augmentation_warning(&settings, &encoder), None);

    settings.dataset.shapes_described = true;
    let (train, mut described) = shapes(&settings);
    assert_eq!(
        training_batches(&settings, &described, train.as_ref(), 0).augmentation,
        None
    );
    let warning = augmentation_warning(&settings, &described).expect("a warning");
    assert!(warning.contains("beside the images"), "{warning}");
    described.inputs.images = false;
    let warning = augmentation_warning(&settings, &described).expect("a warning");
    assert!(warning.contains("at no image"), "{warning}");
    settings.augmentation.flip = 0.0;
    assert_eq!(augmentation_warning(&settings, &described), None);
}

#[test]
fn the_key_decides_which_way_up_images_are() {
    let mut settings = Config::default();
    let default = exif_orientation(&settings);
    assert_eq!(default, data_pipeline::ExifOrientation::Apply);
    settings.dataset.exif_orientation = ExifOrientation::Ignore;
    let ignored = exif_orientation(&settings);
    assert_eq!(ignored, data_pipeline::ExifOrientation::Ignore);
}

#[test]
fn images_that_are_no_shards_are_streamed_on_demand_alone() {
    let config = ShapesConfig {
        seed: 1,
        images: 3,
        questions_per_image: 1,
    };
    let source = Shapes::new(config, Split::Train).expect("scenes");
    let encoder = Encoder::build(&source, 8, 16).expect("words");
    let mut settings = Config::default();
    settings.data_loading.image_group_size = 3;
    for (streaming, expected) in [
        (Streaming::Auto, false),
        (Streaming::Off, false),
        (Streaming::On, true),
    ] {
        settings.data_loading.streaming = streaming;
        let order = training_batches(&settings, &encoder, &source, 0).shuffle;
        let streamed = match order {
            Order::Streamed { buffer, group, .. } => {
                assert_eq!((buffer, group), (2000, 3));
                true
            }
            order => {
                assert!(matches!(order, Order::Grouped { group: 3, .. }));
                false
            }
        };
        assert_eq!(streamed, expected, "{streaming:?}");
        let words = order_in_words(&settings, &source);
        assert_eq!(words.contains("not in effect"), !expected, "{words}");
    }
}
