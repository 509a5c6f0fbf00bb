use std::fmt;

use file_kind::FileKind;

/// A form of image that is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ImageFormat {
    /// Baseline or progressive, 8 bits a sample.
    Jpeg,
    /// Any; of an animation the first frame.
    Png,
    /// Lossy or lossless; of an animation the first frame.
    WebP,
    /// The first frame.
    Gif,
    /// With or without run lengths.
    Bmp,
    /// The first page, 8 or 16 bits a sample.
    Tiff,
}

impl ImageFormat {
    /// The format that the first bytes say; a file name never counts.
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, FileKind> {
        match FileKind::of(bytes) {
            FileKind::Jpeg => Ok(Self::Jpeg),
            FileKind::Png => Ok(Self::Png),
            FileKind::WebP => Ok(Self::WebP),
            FileKind::Gif => Ok(Self::Gif),
            FileKind::Bmp => Ok(Self::Bmp),
            FileKind::Tiff => Ok(Self::Tiff),
            // Both bytes that every JPEG begins with, and nothing behind them.
            FileKind::Unknown if bytes == [0xff, 0xd8] => Ok(Self::Jpeg),
            other => Err(other),
        }
    }
}

impl fmt::Display for ImageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
        })
    }
}
