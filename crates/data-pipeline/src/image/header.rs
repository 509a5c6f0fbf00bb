use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::error::ImageError;
use super::format::ImageFormat;
use super::orientation::{ExifOrientation, Orientation};
use super::warning::ImageWarning;
use super::{bmp, gif, jpeg, png, tiff, webp};
use crate::error::DataError;
use crate::files;

/// Bytes of a file's beginning and of its end that are read first: most headers are shorter.
const PART: u64 = 16 << 10;

/// What a file says about its image, without a look at the pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageHeader {
    /// The form, told by the first bytes.
    pub format: ImageFormat,
    /// Width in pixels, as stored.
    pub width: usize,
    /// Height in pixels, as stored.
    pub height: usize,
    /// What makes it upright. Of a PNG read by [`ImageHeader::of_file`] a tag behind the pixels may be missed.
    pub orientation: Orientation,
    /// Oddities. A missing end marker may mean that image data are missing, too: decoding tells.
    pub warnings: Vec<ImageWarning>,
}

impl ImageHeader {
    /// Reads the header from all bytes of a file.
    ///
    /// # Errors
    /// [`ImageError`] when the file is no image that is read, has too many pixels, or is too short for what its header
    /// states. What is wrong with the pixels alone shows when they are decoded.
    pub fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        let format = ImageFormat::of(bytes).map_err(|kind| ImageError::foreign(kind, bytes))?;
        let plain = |(width, height), warnings| Self {
            format,
            width,
            height,
            orientation: Orientation::UPRIGHT,
            warnings,
        };
        Ok(match format {
            ImageFormat::Jpeg => Self::of_jpeg(jpeg::Markers::read(bytes)?),
            ImageFormat::Png => Self::of_png(png::Chunks::read(bytes)?.of_whole_file()),
            ImageFormat::WebP => {
                let chunks = webp::Chunks::read(bytes)?;
                Self {
                    format,
                    width: chunks.width,
                    height: chunks.height,
                    orientation: chunks.orientation,
                    warnings: chunks.warnings,
                }
            }
            ImageFormat::Gif => plain(gif::size(bytes)?, gif::end(bytes)),
            ImageFormat::Bmp => plain(bmp::size(bytes)?, Vec::new()),
            ImageFormat::Tiff => {
                let page = tiff::Page::read(bytes)?;
                Self {
                    orientation: page.orientation,
                    ..plain((page.width, page.height), page.warnings)
                }
            }
        })
    }

    /// Reads the header of a file. Of JPEG and PNG files it reads the beginning and the end, and the whole file only where
    /// these leave doubts.
    ///
    /// # Errors
    /// [`DataError::Io`] when the file cannot be read, [`DataError::NotAFile`] when it is none, [`DataError::Image`] as [`ImageHeader::read`].
    pub fn of_file(path: &Path) -> Result<Self, DataError> {
        let io = |source| DataError::Io {
            path: path.to_owned(),
            source,
        };
        let image = |source| DataError::Image {
            image: path.display().to_string(),
            source,
        };
        let mut file = files::open(path)?;
        let length = file.metadata().map_err(io)?.len();
        Self::of_section(&mut file, length)
            .map_err(io)?
            .map_err(image)
    }

    /// [`ImageHeader::of_file`] of a file or a part of one, `length` bytes long, that is read from its beginning.
    pub(crate) fn of_section(
        file: &mut (impl Read + Seek),
        length: u64,
    ) -> io::Result<Result<Self, ImageError>> {
        let mut bytes = Vec::new();
        file.by_ref().take(PART).read_to_end(&mut bytes)?;
        if length > 2 * PART {
            let mut end = Vec::new();
            file.seek(SeekFrom::End(-(PART as i64)))?;
            file.read_to_end(&mut end)?;
            match Self::of_parts(&bytes, &end, length) {
                Ok(None) => {}
                Ok(Some(header)) => return Ok(Ok(header)),
                Err(error) => return Ok(Err(error)),
            }
            file.seek(SeekFrom::Start(PART))?;
        }
        file.read_to_end(&mut bytes)?;
        Ok(Self::read(&bytes))
    }

    /// The header of a file by its beginning and its end; `None` where they are not enough.
    fn of_parts(start: &[u8], end: &[u8], length: u64) -> Result<Option<Self>, ImageError> {
        Ok(match ImageFormat::of(start) {
            Ok(ImageFormat::Jpeg) if jpeg::has_end_marker(end) => {
                jpeg::Markers::read_header(start, length as usize)?.map(Self::of_jpeg)
            }
            Ok(ImageFormat::Png) if png::has_end(end) => {
                Some(Self::of_png(png::Chunks::read(start)?))
            }
            Ok(_) => None,
            Err(kind) => return Err(ImageError::foreign(kind, start)),
        })
    }

    fn of_jpeg(markers: jpeg::Markers) -> Self {
        Self {
            format: ImageFormat::Jpeg,
            width: markers.frame.width,
            height: markers.frame.height,
            orientation: markers.orientation,
            warnings: markers.warnings,
        }
    }

    fn of_png(chunks: png::Chunks) -> Self {
        Self {
            format: ImageFormat::Png,
            width: chunks.width,
            height: chunks.height,
            orientation: chunks.orientation,
            warnings: chunks.warnings,
        }
    }

    /// Width and height in pixels after decoding with `orientation`.
    pub fn size(&self, orientation: ExifOrientation) -> (usize, usize) {
        if orientation == ExifOrientation::Apply && self.orientation.swaps_sides() {
            (self.height, self.width)
        } else {
            (self.width, self.height)
        }
    }
}
