//! Bytes as an image: an error, or pixels of the size that the header states.

#![no_main]

use data_pipeline::{ExifOrientation, ImageHeader, RgbImage};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let header = ImageHeader::read(bytes);
    if let Ok(decoded) = RgbImage::decode(bytes, ExifOrientation::Apply) {
        let image = decoded.image;
        assert_eq!(image.pixels.len(), image.width * image.height * 3);
        let size = header.expect("what decodes has a header").size(ExifOrientation::Apply);
        assert_eq!(size, (image.width, image.height));
    }
});
