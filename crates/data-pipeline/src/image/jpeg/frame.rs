//! The frame header of a JPEG, and which coefficients its scans carry.

use crate::image::error::ImageError;
use crate::image::format::ImageFormat;
use crate::image::rgb::check_size;

/// Coefficients of a block.
const COEFFICIENTS: usize = 64;

/// Rows and columns of a block.
const BLOCK: usize = 8;

/// What the frame header states.
#[derive(Debug)]
pub(in crate::image) struct Frame {
    pub(in crate::image) width: usize,
    pub(in crate::image) height: usize,
    pub(super) progressive: bool,
    pub(super) components: Vec<Component>,
}

/// A colour plane.
#[derive(Debug)]
pub(super) struct Component {
    id: u8,
    /// Horizontal and vertical sampling factor.
    sampling: (usize, usize),
    /// For each coefficient, how many low bits no scan has carried yet; `None` before the first scan.
    missing_bits: [Option<u8>; COEFFICIENTS],
}

fn corrupt(length: usize, problem: &str) -> ImageError {
    ImageError::Corrupt {
        format: ImageFormat::Jpeg,
        bytes: length,
        problem: problem.to_owned(),
    }
}

fn unsupported(what: &str) -> ImageError {
    ImageError::unsupported(ImageFormat::Jpeg, what)
}

impl Frame {
    /// Reads the segment behind the start-of-frame marker `0xff, marker`, without its length. `length` is that of the whole
    /// file.
    ///
    /// # Errors
    /// When the coding is none that is read, or the header contradicts itself.
    pub(super) fn read(marker: u8, segment: &[u8], length: usize) -> Result<Self, ImageError> {
        let corrupt = |problem: &str| corrupt(length, problem);
        match marker {
            0xc0..=0xc2 => {}
            0xc3 => return Err(unsupported("lossless JPEG")),
            // Its decoder puts zeros where data are missing, and does not say so.
            0xc9 | 0xca => return Err(unsupported("JPEG with arithmetic coding")),
            0xcb => return Err(unsupported("lossless JPEG with arithmetic coding")),
            0xf7 => return Err(unsupported("JPEG-LS")),
            _ => return Err(unsupported("hierarchical JPEG")),
        }
        let [precision, h1, h0, w1, w0, count, rest @ ..] = segment else {
            return Err(corrupt("the frame header is too short"));
        };
        match precision {
            8 => {}
            12 => return Err(unsupported("12-bit JPEG")),
            other => return Err(unsupported(&format!("JPEG of {other} bits a sample"))),
        }
        let height = usize::from(u16::from_be_bytes([*h1, *h0]));
        let width = usize::from(u16::from_be_bytes([*w1, *w0]));
        if height == 0 {
            return Err(unsupported(
                "JPEG whose height follows behind its first scan (DNL)",
            ));
        }
        if width == 0 {
            return Err(corrupt("the width is 0"));
        }
        check_size((width, height))?;
        if !matches!(count, 1 | 3 | 4) {
            return Err(unsupported(&format!("JPEG of {count} colour planes")));
        }
        if rest.len() != usize::from(*count) * 3 {
            return Err(corrupt(
                "the frame header has another length than its planes need",
            ));
        }
        let components = rest.chunks_exact(3).map(|plane| {
            let sampling = (usize::from(plane[1] >> 4), usize::from(plane[1] & 15));
            let possible = |factor| (1..=4).contains(&factor);
            (possible(sampling.0) && possible(sampling.1)).then_some(Component {
                id: plane[0],
                sampling,
                missing_bits: [None; COEFFICIENTS],
            })
        });
        let components: Option<Vec<_>> = components.collect();
        let frame = Self {
            width,
            height,
            progressive: marker == 0xc2,
            components: components.ok_or_else(|| corrupt("a sampling factor is not 1 to 4"))?,
        };
        let least = frame.least_bytes();
        if length < least {
            return Err(ImageError::Truncated {
                format: ImageFormat::Jpeg,
                bytes: length,
                problem: format!("{width} x {height} pixels need at least {least} bytes"),
            });
        }
        Ok(frame)
    }

    /// Fewest bytes that the image data can take: in a sequential JPEG every block has two codes, in a progressive one a
    /// code for its mean, and a code has a bit at least. Bounds the memory that a few bytes can ask for.
    fn least_bytes(&self) -> usize {
        let most = |sampling: fn(&Component) -> usize| {
            self.components.iter().map(sampling).max().unwrap_or(1)
        };
        let (most_x, most_y) = (
            most(|plane| plane.sampling.0),
            most(|plane| plane.sampling.1),
        );
        let blocks = self.components.iter().map(|plane| {
            let columns = (self.width * plane.sampling.0).div_ceil(most_x * BLOCK);
            let rows = (self.height * plane.sampling.1).div_ceil(most_y * BLOCK);
            columns * rows
        });
        let bits = if self.progressive { 1 } else { 2 };
        blocks.sum::<usize>() * bits / 8
    }

    /// Takes note of a scan: the ids of its planes, then first and last coefficient and bit positions, as its header states.
    ///
    /// # Errors
    /// When the header contradicts the frame.
    pub(super) fn scan(&mut self, segment: &[u8]) -> Result<(), &'static str> {
        let planes = segment.first().map_or(0, |count| usize::from(*count));
        if segment.len() != 4 + planes * 2 || !(1..=4).contains(&planes) {
            return Err("a scan header has another length than its planes need");
        }
        let [first, last, bits] = segment[1 + planes * 2..] else {
            return Err("a scan header is too short");
        };
        let (band, low) = if self.progressive {
            (usize::from(first)..=usize::from(last), bits & 15)
        } else {
            (0..=COEFFICIENTS - 1, 0)
        };
        if *band.end() >= COEFFICIENTS || band.is_empty() {
            return Err("a scan header names coefficients that do not exist");
        }
        for plane in segment[1..=planes * 2].chunks_exact(2) {
            let component = self.components.iter_mut().find(|one| one.id == plane[0]);
            let component = component.ok_or("a scan names a colour plane that does not exist")?;
            for coefficient in &mut component.missing_bits[band.clone()] {
                *coefficient = Some(low);
            }
        }
        Ok(())
    }

    /// Whether the scans carry every bit of every coefficient.
    pub(super) fn complete(&self) -> bool {
        let mut planes = self.components.iter();
        planes.all(|plane| plane.missing_bits.iter().all(|bits| *bits == Some(0)))
    }
}
