//! Operations that look at the level of a channel alone.

/// A level for each level.
type Table = [u8; 256];

fn count(pixels: &[u8]) -> [[usize; 256]; 3] {
    // Two sets of counters: neighbours often have one level, and a counter that was just written is slow to read.
    let mut counts = [[[0_u32; 256]; 3]; 2];
    for pair in pixels.chunks(6) {
        for (pixel, counts) in pair.chunks_exact(3).zip(&mut counts) {
            for (level, counts) in pixel.iter().zip(counts) {
                counts[usize::from(*level)] += 1;
            }
        }
    }
    let [even, odd] = counts;
    std::array::from_fn(|channel| {
        std::array::from_fn(|level| (even[channel][level] + odd[channel][level]) as usize)
    })
}

fn map(pixels: &mut [u8], tables: &[Table; 3]) {
    let [red, green, blue] = tables;
    let (whole, _) = pixels.as_chunks_mut::<3>();
    for [r, g, b] in whole {
        *r = red[usize::from(*r)];
        *g = green[usize::from(*g)];
        *b = blue[usize::from(*b)];
    }
}

fn unchanged() -> Table {
    std::array::from_fn(|level| level as u8)
}

/// Stretches each channel so that its darkest level becomes 0 and its lightest 255.
pub(super) fn auto_contrast(pixels: &mut [u8]) {
    let tables = count(pixels).map(|counts| {
        let there = |level: &usize| counts[*level] > 0;
        let (low, high) = ((0..256).find(there), (0..256).rfind(there));
        match low.zip(high) {
            Some((low, high)) if low < high => {
                let scale = 255.0 / (high - low) as f64;
                let offset = -(low as f64) * scale;
                std::array::from_fn(|level| (level as f64 * scale + offset).clamp(0.0, 255.0) as u8)
            }
            _ => unchanged(),
        }
    });
    map(pixels, &tables);
}

/// Spreads the levels of each channel so that each part of the scale has about as many pixels.
pub(super) fn equalize(pixels: &mut [u8]) {
    let tables = count(pixels).map(|counts| {
        let total: usize = counts.iter().sum();
        let lightest = counts.iter().rfind(|count| **count > 0);
        // A channel of one level has no step, as has one of few pixels.
        let step = (total - lightest.unwrap_or(&0)) / 255;
        if step == 0 {
            return unchanged();
        }
        let mut below = step / 2;
        counts.map(|count| {
            let level = (below / step).min(255) as u8;
            below += count;
            level
        })
    });
    map(pixels, &tables);
}

/// Multiplies levels by a factor, cut off at 255.
pub(super) fn brightness(pixels: &mut [u8], factor: f32) {
    let table: Table = std::array::from_fn(|level| (factor * level as f32) as u8);
    for level in pixels {
        *level = table[usize::from(*level)];
    }
}
