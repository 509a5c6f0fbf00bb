use config_schema::Streaming;
use data_pipeline::Order;

use super::*;

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
    let mut settings = Config::default();
    settings.data_loading.image_group_size = 3;
    for (streaming, expected) in [
        (Streaming::Auto, false),
        (Streaming::Off, false),
        (Streaming::On, true),
    ] {
        settings.data_loading.streaming = streaming;
        let order = training_batches(&settings, &source, 0).shuffle;
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
