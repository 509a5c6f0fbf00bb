//! The EXIF orientation: where it stands, and what it says.

use serde::{Deserialize, Serialize};

use super::bytes::Numbers;
use super::warning::ImageWarning;

/// Whether pixels are turned as the file's orientation tag says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExifOrientation {
    /// Upright, as viewers show the image.
    #[default]
    Apply,
    /// As stored, whatever the tag says.
    Ignore,
}

/// What has to be done with stored pixels to see the image upright: the value of the EXIF tag, 1 to 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orientation(u8);

/// The orientation tag of a TIFF directory.
const TAG: usize = 0x0112;

/// Type numbers of 16-bit and 32-bit integers in a TIFF directory.
const SHORT: usize = 3;
const LONG: usize = 4;

impl Orientation {
    /// Stored as it is seen.
    pub const UPRIGHT: Self = Self(1);

    /// The tag's value.
    pub fn value(self) -> u8 {
        self.0
    }

    /// Whether rows become columns.
    pub fn swaps_sides(self) -> bool {
        self.0 >= 5
    }

    /// Reads the tag in the first directory of a TIFF structure, which EXIF data are. Upright where there is no tag.
    ///
    /// # Errors
    /// [`ImageWarning::UnreadableExif`] where the structure is damaged or the value is none of the eight. The value 0,
    /// which cameras write that do not know, is upright.
    pub(super) fn of_tiff(tiff: &[u8]) -> Result<Self, ImageWarning> {
        Self::find(tiff).ok_or(ImageWarning::UnreadableExif)
    }

    fn find(tiff: &[u8]) -> Option<Self> {
        let numbers = Numbers {
            bytes: tiff,
            big_endian: match tiff.get(..4)? {
                b"MM\0\x2a" => true,
                b"II\x2a\0" => false,
                _ => return None,
            },
        };
        let directory = numbers.long(4)?;
        let entries = numbers.short(directory)?;
        for entry in 0..entries {
            let at = directory.checked_add(2 + entry * 12)?;
            if numbers.short(at)? != TAG {
                continue;
            }
            let value = match numbers.short(at + 2)? {
                SHORT => numbers.short(at + 8)?,
                LONG => numbers.long(at + 8)?,
                _ => return None,
            };
            return match value {
                0 => Some(Self::UPRIGHT),
                1..=8 => Some(Self(value as u8)),
                _ => None,
            };
        }
        Some(Self::UPRIGHT)
    }
}
