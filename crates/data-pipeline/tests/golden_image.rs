//! The image path against reference numbers: decoding, resizing and normalising.

use std::fs;
use std::path::{Path, PathBuf};

use data_pipeline::{ExifOrientation, RgbImage, normalise};
use safetensors::SafeTensors;

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(file)
}

fn check(case: &str) {
    let bytes = fs::read(golden("image.safetensors")).expect("fixture");
    let tensors = SafeTensors::deserialize(&bytes).expect("fixture");
    let tensor = |kind: &str| tensors.tensor(&format!("{kind}.{case}")).expect("tensor");

    let encoded = fs::read(golden(&format!("image_{case}.png"))).expect("fixture");
    let decoded = RgbImage::decode(&encoded, ExifOrientation::Apply)
        .expect("a whole PNG")
        .image;
    let input = tensor("input");
    assert_eq!([decoded.height, decoded.width, 3], *input.shape(), "{case}");
    assert_eq!(decoded.pixels, input.data(), "{case}: decoded bytes");

    let expected = tensor("output_u8");
    let (height, width) = (expected.shape()[0], expected.shape()[1]);
    let resized = decoded.resize(width, height).expect("a possible size");
    assert_eq!([resized.height, resized.width, 3], *expected.shape());
    let off = count(resized.pixels.iter().zip(expected.data()), |(a, b)| a != b);
    let worst = resized.pixels.iter().zip(expected.data());
    let worst = worst.map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
    assert!(worst <= 1, "{case}: a level is off by {worst}");
    assert!(
        off * 100 <= resized.pixels.len(),
        "{case}: {off} levels off"
    );

    // [3, height, width] there, [height, width, 3] here.
    let output = tensor("output");
    let reference: Vec<f32> = output
        .data()
        .as_chunks()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    let plane = height * width;
    let differences: Vec<f32> = normalise(&resized.pixels)
        .iter()
        .enumerate()
        .map(|(i, value)| (value - reference[i % 3 * plane + i / 3]).abs())
        .collect();
    assert_eq!(differences.len(), reference.len());
    let worst = differences.iter().copied().fold(0.0, f32::max);
    assert!(worst <= 0.016, "{case}: off by {worst}");
    let off = count(differences.iter(), |difference| **difference > 1e-4);
    assert!(off * 100 <= differences.len(), "{case}: {off} values off");
}

fn count<T>(items: impl Iterator<Item = T>, predicate: impl Fn(&T) -> bool) -> usize {
    items.filter(predicate).count()
}

#[test]
fn golden_image_rgb_down() {
    check("rgb_down");
}

#[test]
fn golden_image_rgb_up() {
    check("rgb_up");
}

#[test]
fn golden_image_gray_down() {
    check("gray_down");
}

#[test]
fn golden_image_rgba_mixed() {
    check("rgba_mixed");
}

#[test]
fn golden_image_palette_down() {
    check("palette_down");
}
