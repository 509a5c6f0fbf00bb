//! Samples alone, for tests of what is made of them.

use data_pipeline::{DataError, Sample, Source};

/// A split that has questions and nothing else.
pub(crate) struct Questions(pub(crate) Vec<Sample>);

impl Source for Questions {
    fn samples(&self) -> &[Sample] {
        &self.0
    }

    fn image_count(&self) -> usize {
        0
    }

    fn encoded_image(&self, image: usize) -> Result<Vec<u8>, DataError> {
        Err(DataError::NoSuchImage { image, images: 0 })
    }

    fn image_name(&self, image: usize) -> String {
        image.to_string()
    }
}
