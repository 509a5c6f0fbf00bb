/// Mean of each channel (red, green, blue) that a pixel scaled to `0..=1` is shifted by: the statistics CLIP and X-VLM
/// were trained with.
pub const IMAGE_MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];

/// Standard deviation of each channel (red, green, blue), divided by after [`IMAGE_MEAN`] is taken off.
pub const IMAGE_STD: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

/// `(pixel / 255 - mean) / std` for each channel of `[.., 3]` bytes, in the same layout.
///
/// The formula a trainer applies on its device; images travel there as bytes.
pub fn normalise(pixels: &[u8]) -> Vec<f32> {
    pixels
        .iter()
        .zip((0..3).cycle())
        .map(|(&pixel, channel)| {
            (f32::from(pixel) / 255.0 - IMAGE_MEAN[channel]) / IMAGE_STD[channel]
        })
        .collect()
}
