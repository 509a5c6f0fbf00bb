use crate::image::RgbImage;

/// Moves an image away from its smoothed form, or towards it: `smooth + factor x (image - smooth)`, cut off. The smoothed
/// level is the mean of a level and its eight neighbours, in which the level itself counts five times; the border stays.
pub(super) fn sharpen(image: &RgbImage, factor: f32) -> RgbImage {
    let row = image.width * 3;
    let mut pixels = image.pixels.clone();
    if image.width >= 3 && image.height >= 3 {
        for (rows, out) in image
            .pixels
            .windows(3 * row)
            .step_by(row)
            .zip(pixels[row..].chunks_exact_mut(row))
        {
            let (above, rest) = rows.split_at(row);
            let (here, below) = rest.split_at(row);
            sharpen_row([above, here, below], &mut out[3..row - 3], factor);
        }
    }
    RgbImage { pixels, ..*image }
}

/// One row between its neighbours, without its first and last pixel.
fn sharpen_row(rows: [&[u8]; 3], out: &mut [u8], factor: f32) {
    let inner = out.len();
    // Slices of one length, so that the compiler needs no check in the loop and can use vector instructions.
    let [above, here, below] =
        rows.map(|row| [&row[..inner], &row[3..][..inner], &row[6..][..inner]]);
    for i in 0..inner {
        // The largest sum is 13 x 255. Additions that are checked for overflow would keep the loop from vector instructions.
        let add = |a: u16, b: u16| a.wrapping_add(b);
        let sum = |row: &[&[u8]; 3]| row.iter().map(|column| u16::from(column[i])).fold(0, add);
        let level = u16::from(here[1][i]);
        let around = add(add(sum(&above), sum(&here)), sum(&below));
        let weighed = add(around, level << 2);
        // Rounded: a sum is never half-way between two multiples of 13.
        let smooth = add(weighed << 1, 13) / 26;
        let away = f32::from(level) - f32::from(smooth);
        let sharp = f32::from(smooth) + factor * away;
        out[i] = sharp.clamp(0.0, 255.0) as i32 as u8;
    }
}
