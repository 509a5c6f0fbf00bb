//! The markers of a JPEG, from the first to the end-of-image marker.

use std::borrow::Cow;
use std::ops::Range;

use super::frame::Frame;
use crate::image::error::ImageError;
use crate::image::format::ImageFormat;
use crate::image::orientation::Orientation;
use crate::image::warning::ImageWarning;

const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;

/// Most scans of a file. Encoders write ten or so; each one goes over the whole image, however few bytes it has.
const MAX_SCANS: usize = 500;

/// Zeros at the end of a file without an end marker from which on they are taken for space that a copy never filled. They
/// would decode to some picture.
const ZEROS_OF_A_CUT: usize = 8;

/// What a walk along the markers finds.
#[derive(Debug)]
pub(in crate::image) struct Markers {
    pub(in crate::image) frame: Frame,
    pub(in crate::image) orientation: Orientation,
    pub(in crate::image) warnings: Vec<ImageWarning>,
    /// Bytes between segments that belong to nothing.
    stray: Vec<Range<usize>>,
    /// Bytes to write over oddities that the decoder would stumble at: place and value.
    patches: Vec<(usize, u8)>,
    /// Where the end-of-image marker belongs that is missing.
    end_missing_at: Option<usize>,
}

/// A place in the file, while walking.
struct Walk<'a> {
    bytes: &'a [u8],
    /// Length of the file, of which the bytes may be the beginning.
    length: usize,
    at: usize,
    frame: Option<Frame>,
    orientation: Option<Orientation>,
    warnings: Vec<ImageWarning>,
    stray: Vec<Range<usize>>,
    patches: Vec<(usize, u8)>,
    end_missing_at: Option<usize>,
    /// Where the Adobe marker has its code of the colour transform.
    colour_transforms: Vec<usize>,
    scans: usize,
}

impl Markers {
    /// Walks along all markers.
    ///
    /// # Errors
    /// When the file has no picture, a picture of a form that is not read, or lacks a part of it.
    pub(in crate::image) fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        let mut walk = Walk::new(bytes, bytes.len());
        while walk.step()? {}
        let found = walk.finish()?;
        if !found.frame.complete() {
            let problem = "scans are missing";
            return Err(ImageError::truncated(ImageFormat::Jpeg, bytes, problem));
        }
        Ok(found)
    }

    /// Walks up to the first scan of a file of `length` bytes that begins so: size and orientation, without a look at the
    /// image data. `None` where the bytes end before.
    ///
    /// # Errors
    /// As [`Markers::read`], as far as the bytes tell.
    pub(in crate::image) fn read_header(
        start: &[u8],
        length: usize,
    ) -> Result<Option<Self>, ImageError> {
        let mut walk = Walk::new(start, length);
        while walk.scans == 0 {
            match walk.step() {
                // With all bytes at hand the truth about their end comes to light.
                Err(ImageError::Truncated { .. }) => return Ok(None),
                step => step?,
            };
        }
        walk.finish().map(Some)
    }

    /// The bytes with known oddities mended, which a decoder reads without a warning if the image data are whole.
    pub(super) fn mended<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        if self.stray.is_empty() && self.patches.is_empty() && self.end_missing_at.is_none() {
            return Cow::Borrowed(bytes);
        }
        let mut mended = bytes.to_vec();
        for (at, value) in &self.patches {
            mended[*at] = *value;
        }
        if let Some(end) = self.end_missing_at {
            mended.truncate(end);
            mended.extend([0xff, END_OF_IMAGE]);
        }
        for stray in self.stray.iter().rev() {
            mended.drain(stray.clone());
        }
        Cow::Owned(mended)
    }
}

/// Whether an end-of-image marker is somewhere in the last bytes of a file.
pub(in crate::image) fn has_end_marker(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == [0xff, END_OF_IMAGE])
}

impl<'a> Walk<'a> {
    fn new(bytes: &'a [u8], length: usize) -> Self {
        Self {
            bytes,
            length,
            at: 2,
            frame: None,
            orientation: None,
            warnings: Vec::new(),
            stray: Vec::new(),
            patches: Vec::new(),
            end_missing_at: None,
            colour_transforms: Vec::new(),
            scans: 0,
        }
    }

    fn corrupt(&self, problem: impl Into<String>) -> ImageError {
        ImageError::corrupt(ImageFormat::Jpeg, self.bytes, problem)
    }

    fn truncated(&self, problem: &str) -> ImageError {
        ImageError::truncated(ImageFormat::Jpeg, self.bytes, problem)
    }

    /// Goes past a marker and its segment, and past the image data behind a scan header. Whether there is more.
    fn step(&mut self) -> Result<bool, ImageError> {
        let Some(marker) = self.next_marker() else {
            // All there is may be there: the frame and the decoder tell.
            if self.scans == 0 {
                return Err(self.truncated("it ends before the image data"));
            }
            if self.bytes.ends_with(&[0; ZEROS_OF_A_CUT]) {
                return Err(self.truncated("its end is filled with zeros"));
            }
            self.warnings.push(ImageWarning::NoEndMarker);
            // The half of a marker that may be last is left out.
            let data = self.bytes.iter().rposition(|byte| *byte != 0xff);
            self.end_missing_at = data.map(|at| at + 1);
            return Ok(false);
        };
        match marker {
            END_OF_IMAGE if self.scans == 0 => return Err(self.corrupt("it has no image data")),
            END_OF_IMAGE => return Ok(false),
            // Without a segment.
            0x01 | 0xd0..=0xd7 => return Ok(true),
            0xd8 => return Err(self.corrupt("a second picture begins inside of the first")),
            _ => {}
        }
        let segment = self.segment()?;
        let content = &self.bytes[segment.clone()];
        match marker {
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                if self.frame.is_some() {
                    return Err(self.corrupt("it has two frame headers"));
                }
                self.frame = Some(Frame::read(marker, content, self.length)?);
            }
            0xf7 => {
                Frame::read(marker, content, self.length)?;
            }
            START_OF_SCAN => self.scan(segment)?,
            0xe0 => self.jfif(&segment),
            0xe1 => self.exif(&segment),
            0xe2 => self.colour_profile(&segment),
            0xee => self.adobe(&segment),
            0xc4 | 0xcc | 0xdb..=0xdd | 0xe3..=0xef | 0xfe => {}
            0xde | 0xdf => {
                return Err(ImageError::unsupported(
                    ImageFormat::Jpeg,
                    "hierarchical JPEG",
                ));
            }
            other => {
                let problem = format!("unknown marker ff {other:02x} at byte {}", self.at);
                return Err(self.corrupt(problem));
            }
        }
        Ok(true)
    }

    /// Second byte of the next marker; bytes in front of it that belong to nothing are noted. `None` at the end.
    fn next_marker(&mut self) -> Option<u8> {
        let start = self.at;
        let mut at = start;
        loop {
            at += self
                .bytes
                .get(at..)?
                .iter()
                .position(|byte| *byte == 0xff)?;
            let stray_to = at;
            // A marker may have any number of fill bytes in front.
            at += self.bytes[at..].iter().position(|byte| *byte != 0xff)?;
            let marker = self.bytes[at];
            at += 1;
            if marker == 0 {
                continue;
            }
            if stray_to > start {
                self.warnings.push(ImageWarning::StrayBytes {
                    count: stray_to - start,
                    before: format!("the marker at byte {stray_to}"),
                });
                self.stray.push(start..stray_to);
            }
            self.at = at;
            return Some(marker);
        }
    }

    /// The content of the segment here; goes behind it.
    fn segment(&mut self) -> Result<Range<usize>, ImageError> {
        let length = self.bytes.get(self.at..self.at + 2);
        let length = length.ok_or_else(|| self.truncated("it ends inside of a segment"))?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        if length < 2 {
            return Err(self.corrupt(format!("a segment has the length {length}")));
        }
        let segment = self.at + 2..self.at + length;
        if segment.end > self.bytes.len() {
            return Err(self.truncated("it ends inside of a segment"));
        }
        self.at = segment.end;
        Ok(segment)
    }

    /// A scan header, and the image data behind it.
    fn scan(&mut self, header: Range<usize>) -> Result<(), ImageError> {
        let content = &self.bytes[header.clone()];
        let Some(frame) = &mut self.frame else {
            return Err(self.corrupt("image data come before the frame header"));
        };
        frame
            .scan(content)
            .map_err(|problem| ImageError::corrupt(ImageFormat::Jpeg, self.bytes, problem))?;
        if !frame.progressive {
            // Some encoders leave these at other values, which mean nothing here and which the decoder warns of.
            let fixed = [(3, 0), (2, 63), (1, 0)];
            let odd = fixed.map(|(from_end, value)| (header.end - from_end, value));
            self.patches
                .extend(odd.iter().filter(|(at, value)| self.bytes[*at] != *value));
        }
        self.scans += 1;
        if self.scans > MAX_SCANS {
            return Err(self.corrupt(format!("it has more than {MAX_SCANS} scans")));
        }
        // Image data end at a marker that is neither a stuffed byte nor a restart.
        loop {
            let rest = &self.bytes[self.at..];
            let Some(found) = rest.iter().position(|byte| *byte == 0xff) else {
                self.at = self.bytes.len();
                return Ok(());
            };
            match rest.get(found + 1) {
                Some(0 | 0xd0..=0xd7) => self.at += found + 2,
                Some(0xff) => self.at += found + 1,
                _ => {
                    self.at += found;
                    return Ok(());
                }
            }
        }
    }

    /// The decoder warns of a JFIF version that it does not know, which means nothing for the pixels.
    fn jfif(&mut self, segment: &Range<usize>) {
        if let [b'J', b'F', b'I', b'F', 0, major, ..] = self.bytes[segment.clone()]
            && major != 1
        {
            self.patches.push((segment.start + 5, 1));
        }
    }

    /// The decoder reads colour profiles, and warns of damaged ones, which mean nothing for the pixels: with another name
    /// it passes over them.
    fn colour_profile(&mut self, segment: &Range<usize>) {
        if self.bytes[segment.clone()].starts_with(b"ICC_PROFILE") {
            self.patches.push((segment.start, b'x'));
        }
    }

    fn exif(&mut self, segment: &Range<usize>) {
        let [b'E', b'x', b'i', b'f', _, _, tiff @ ..] = &self.bytes[segment.clone()] else {
            return;
        };
        if self.orientation.is_none() {
            let found = Orientation::of_tiff(tiff).unwrap_or_else(|warning| {
                self.warnings.push(warning);
                Orientation::UPRIGHT
            });
            self.orientation = Some(found);
        }
    }

    fn adobe(&mut self, segment: &Range<usize>) {
        let content = &self.bytes[segment.clone()];
        if content.starts_with(b"Adobe") && content.len() >= 12 {
            self.colour_transforms.push(segment.start + 11);
        }
    }

    /// A colour transform that there is none of is taken for the usual one, as the decoder would with a warning.
    fn mend_colour_transforms(&mut self, planes: usize) {
        let usual = match planes {
            3 => 1,
            4 => 2,
            _ => return,
        };
        for &at in &self.colour_transforms {
            let code = self.bytes[at];
            if code != 0 && code != usual {
                self.warnings
                    .push(ImageWarning::UnknownColourTransform { code });
                self.patches.push((at, usual));
            }
        }
    }

    fn finish(mut self) -> Result<Markers, ImageError> {
        let Some(frame) = self.frame.take() else {
            return Err(self.corrupt("it has no frame header"));
        };
        self.mend_colour_transforms(frame.components.len());
        Ok(Markers {
            frame,
            orientation: self.orientation.unwrap_or(Orientation::UPRIGHT),
            warnings: self.warnings,
            stray: self.stray,
            patches: self.patches,
            end_missing_at: self.end_missing_at,
        })
    }
}
