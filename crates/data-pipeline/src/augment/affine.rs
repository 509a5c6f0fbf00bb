use crate::image::RgbImage;

/// Where a pixel comes from: `[a, b, c, d, e, f]` takes column and row of the middle of a pixel to `a x + b y + c` and
/// `d x + e y + f`.
pub(super) type Affine = [f64; 6];

/// The level of all channels where nothing is.
const FILL: u8 = 128;

/// Turns an image of this size about its middle, counter-clockwise.
pub(super) fn rotation(degrees: f64, width: usize, height: usize) -> Affine {
    // Digits that differ between libraries of mathematics are cut off.
    let round = |number: f64| (number * 1e15).round_ties_even() / 1e15;
    let angle = -degrees.to_radians();
    let (sin, cos) = (round(angle.sin()), round(angle.cos()));
    let (x, y) = (width as f64 / 2.0, height as f64 / 2.0);
    let mut map = [cos, sin, 0.0, -sin, cos, 0.0];
    map[2] = map[0] * -x + map[1] * -y + x;
    map[5] = map[3] * -x + map[4] * -y + y;
    map
}

/// Takes each pixel from where the map says, between pixels from the four nearest ones (bilinear, cut to whole levels).
/// What comes from outside is gray.
pub(super) fn transform(image: &RgbImage, map: &Affine) -> RgbImage {
    let (width, height) = (image.width, image.height);
    let mut pixels = vec![FILL; image.pixels.len()];
    for (y, row) in pixels.chunks_exact_mut(width * 3).enumerate() {
        let from = From {
            image,
            map,
            y: y as f64 + 0.5,
        };
        let inside = |x: &usize| {
            let (x, y) = from.place(*x);
            (0.0..width as f64).contains(&x) && (0.0..height as f64).contains(&y)
        };
        // A straight line through a rectangle: what is inside is in one piece.
        let Some((first, last)) = (0..width).find(inside).zip((0..width).rfind(inside)) else {
            continue;
        };
        if let Some(shift) = from.shift() {
            from.shifted(shift, first..last + 1, row);
        } else {
            for x in first..=last {
                from.pixel(x, &mut row[x * 3..][..3]);
            }
        }
    }
    RgbImage { pixels, ..*image }
}

/// What a row of the result comes from.
struct From<'a> {
    image: &'a RgbImage,
    map: &'a Affine,
    /// Middle of the row.
    y: f64,
}

impl From<'_> {
    /// Where a pixel comes from.
    fn place(&self, x: usize) -> (f64, f64) {
        let [a, b, c, d, e, f] = *self.map;
        let (x, y) = (x as f64 + 0.5, self.y);
        (a * x + b * y + c, d * x + e * y + f)
    }

    /// By how much the row is shifted and where it comes from, where that is one row of the image.
    #[expect(
        clippy::float_cmp,
        reason = "a map that moves whole rows says so exactly, and any other is done pixel by pixel"
    )]
    fn shift(&self) -> Option<(f64, usize)> {
        let [a, b, c, d, e, f] = *self.map;
        let row = e * self.y + f - 0.5;
        let whole = a == 1.0 && d == 0.0 && row == row.floor();
        (whole && row >= 0.0).then_some((b * self.y + c, row as usize))
    }

    /// The pixels of a row that comes from one row.
    fn shifted(&self, (shift, from): (f64, usize), inside: std::ops::Range<usize>, row: &mut [u8]) {
        let width = self.image.width;
        let whole = shift.floor();
        let part = shift - whole;
        let whole = whole as isize;
        // Both neighbours of these pixels are there.
        let all = 0..(width - 1) as isize;
        let there = |x: &usize| all.contains(&(*x as isize + whole));
        let inner = (inside.clone().find(there)).zip(inside.clone().rfind(there));
        let inner = inner.map_or(inside.end..inside.end, |(first, last)| first..last + 1);
        for x in (inside.start..inner.start).chain(inner.end..inside.end) {
            self.pixel(x, &mut row[x * 3..][..3]);
        }
        if inner.is_empty() {
            return;
        }
        let source = &self.image.pixels[from * width * 3..][..width * 3];
        let first = (inner.start as isize + whole) as usize * 3;
        let bytes = inner.len() * 3;
        let (left, right) = (&source[first..][..bytes], &source[first + 3..][..bytes]);
        let out = &mut row[inner.start * 3..][..bytes];
        for ((out, left), right) in out.iter_mut().zip(left).zip(right) {
            *out = between(f64::from(*left), f64::from(*right), part) as i32 as u8;
        }
    }

    fn pixel(&self, x: usize, out: &mut [u8]) {
        let (width, height) = (self.image.width, self.image.height);
        let (x, y) = self.place(x);
        let (x, y) = (x - 0.5, y - 0.5);
        let (left, top) = (x.floor(), y.floor());
        let (right_part, lower_part) = (x - left, y - top);
        let clip = |at: f64, size: usize| (at.max(0.0) as usize).min(size - 1);
        let [left, right] = [clip(left, width), clip(left + 1.0, width)];
        // Both neighbours of a row at once: where there is one only, it is its own neighbour.
        let next = (right - left) * 3;
        let [upper, lower] = [clip(top, height), clip(top + 1.0, height)].map(|row| {
            let at = (row * width + left) * 3;
            &self.image.pixels[at..at + next + 3]
        });
        for (channel, out) in out.iter_mut().enumerate() {
            let [upper, lower] = [upper, lower].map(|row| {
                let [left, right] = [row[channel], row[next + channel]].map(f64::from);
                between(left, right, right_part)
            });
            *out = between(upper, lower, lower_part) as u8;
        }
    }
}

fn between(a: f64, b: f64, part: f64) -> f64 {
    a + (b - a) * part
}
