use file_kind::FileKind;

use super::format::ImageFormat;
use crate::check::printable;
use file_kind::counted;

/// What can be wrong with the bytes of an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The file is something else, or an image of a form that is not read.
    #[error("it is {kind}{beginning}; {cure}")]
    Foreign {
        /// What it is.
        kind: FileKind,
        /// How the file begins, where that helps, with a comma in front.
        beginning: String,
        /// What to do about it.
        cure: &'static str,
    },
    /// Image data are missing.
    #[error("the {format} is truncated ({}): {problem}; copy or download it again", counted(*bytes, "byte", "bytes"))]
    Truncated {
        /// The form of the image.
        format: ImageFormat,
        /// Length of the encoded image.
        bytes: usize,
        /// What is missing.
        problem: String,
    },
    /// A variant of the format that is not read, or not known to be read right.
    #[error("{what} is not read; save the image again as an ordinary {format}")]
    Unsupported {
        /// The form of the image.
        format: ImageFormat,
        /// The variant, with the name of the format.
        what: String,
    },
    /// The decoder gave up: the bytes are damaged.
    #[error("not a readable {format} ({}): {problem}", counted(*bytes, "byte", "bytes"))]
    Corrupt {
        /// The form of the image.
        format: ImageFormat,
        /// Length of the encoded image.
        bytes: usize,
        /// What the decoder says.
        problem: String,
    },
    /// The header promises more pixels than any sensible image has.
    #[error("{width} x {height} pixels are more than the limit of {limit}")]
    TooLarge {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Most pixels allowed.
        limit: usize,
    },
    /// An image cannot be made this size.
    #[error("cannot resize {from_width} x {from_height} pixels to {width} x {height}: {problem}")]
    Resize {
        /// Width in pixels.
        from_width: usize,
        /// Height in pixels.
        from_height: usize,
        /// Width asked for.
        width: usize,
        /// Height asked for.
        height: usize,
        /// What is wrong with it.
        problem: String,
    },
}

/// Bytes of a text that a message repeats.
const SHOWN: usize = 60;

impl ImageError {
    /// Bytes that are no image of a form that is read.
    pub(super) fn foreign(kind: FileKind, bytes: &[u8]) -> Self {
        let start = &bytes[..bytes.len().min(SHOWN)];
        let beginning = match kind {
            FileKind::Json | FileKind::Xml | FileKind::Text => {
                let text = String::from_utf8_lossy(start);
                format!(", which begins `{}`", printable(text.trim()))
            }
            FileKind::Unknown => format!(", which begins {:02x?}", &start[..start.len().min(8)]),
            _ => String::new(),
        };
        let cure = kind.cure().unwrap_or(match kind {
            _ if kind.is_image() => "convert it to PNG or JPEG",
            FileKind::Svg | FileKind::Pdf => "convert it to PNG or JPEG",
            FileKind::Video => "save a frame of it as PNG or JPEG",
            FileKind::NumPy => "save the array as a PNG image",
            _ => "PNG, JPEG, WebP, GIF, BMP and TIFF are read",
        });
        Self::Foreign {
            kind,
            beginning,
            cure,
        }
    }

    /// The error of a format for bytes whose data end too early.
    pub(super) fn truncated(format: ImageFormat, bytes: &[u8], problem: impl Into<String>) -> Self {
        Self::Truncated {
            format,
            bytes: bytes.len(),
            problem: problem.into(),
        }
    }

    /// The error of a format for damaged bytes, with what a decoder says.
    pub(super) fn corrupt(format: ImageFormat, bytes: &[u8], problem: impl Into<String>) -> Self {
        Self::Corrupt {
            format,
            bytes: bytes.len(),
            problem: problem.into().trim().to_owned(),
        }
    }

    /// A variant of a format that is not read.
    pub(super) fn unsupported(format: ImageFormat, what: impl Into<String>) -> Self {
        Self::Unsupported {
            format,
            what: what.into(),
        }
    }
}
