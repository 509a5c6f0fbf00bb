//! Files of images: read whole, or looked at where they begin and end.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::check::{Glance, Stamp};
use crate::error::DataError;
use crate::files;
use crate::image::{ExifOrientation, ImageHeader, ImageWarning, RgbImage};

/// Bytes of each end of a file that go into its [`Stamp`].
const END: u64 = 4096;

/// The encoded image.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    files::bytes(path, files::LARGEST_IMAGE)
}

/// Whether an image is there, and whole as far as its header and its end say so. Where the end is missing, decoding tells
/// whether pixels are missing, too.
pub(crate) fn glance(path: &Path) -> Result<Glance, DataError> {
    let failed = files::failed(path);
    let (mut file, length) = files::named(path)?;
    if length > files::LARGEST_IMAGE as u64 {
        return Err(DataError::TooLarge {
            path: path.to_owned(),
            limit: files::LARGEST_IMAGE,
        });
    }
    if length == 0 {
        return Err(DataError::Content {
            path: path.to_owned(),
            expected: "an image".to_owned(),
            found: "an empty file".to_owned(),
        });
    }
    let ends = ends(&mut file, length).map_err(&failed)?;
    let oddities = ImageHeader::of_file(path)?.warnings;
    if oddities.contains(&ImageWarning::NoEndMarker) {
        RgbImage::decode(&read(path)?, ExifOrientation::Ignore).map_err(|source| {
            DataError::Image {
                image: path.display().to_string(),
                source,
            }
        })?;
    }
    Ok(Glance {
        stamp: Stamp { length, ends },
        oddities,
    })
}

/// A checksum of the first and the last bytes.
fn ends(file: &mut File, length: u64) -> io::Result<u32> {
    let mut bytes = Vec::new();
    file.take(END).read_to_end(&mut bytes)?;
    file.seek(SeekFrom::Start(length.saturating_sub(END)))?;
    file.take(END).read_to_end(&mut bytes)?;
    Ok(crc32fast::hash(&bytes))
}
