use std::fmt;

use serde::{Serialize, Serializer};

/// Something odd about an image file that leaves no doubt about its pixels.
///
/// [`Display`](fmt::Display) completes a sentence about the file: "has no end marker".
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageWarning {
    /// The file ends without the marker that should be last. A full decode shows whether image data are missing, too.
    NoEndMarker,
    /// Bytes that belong to nothing were skipped.
    StrayBytes {
        /// How many, in all.
        count: usize,
        /// In front of what they lie.
        before: String,
    },
    /// Image data follow behind the last row.
    SurplusData,
    /// A chunk of image data has another checksum than it states; the checksum of all image data is right.
    WrongChecksum,
    /// The EXIF data are damaged: which way up the image is cannot be told, so it is taken as stored.
    UnreadableExif,
    /// The Adobe marker states a colour transform that there is none of; the usual one is taken.
    UnknownColourTransform {
        /// The transform stated.
        code: u8,
    },
}

impl fmt::Display for ImageWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEndMarker => f.write_str("has no end marker"),
            Self::StrayBytes { count, before } => {
                write!(f, "has {count} stray bytes before {before}")
            }
            Self::SurplusData => f.write_str("has more image data than rows"),
            Self::WrongChecksum => f.write_str(
                "has a wrong checksum of a part, although the checksum of all image data is right",
            ),
            Self::UnreadableExif => {
                f.write_str("has damaged EXIF data, so it is taken as it is stored")
            }
            Self::UnknownColourTransform { code } => {
                write!(
                    f,
                    "states the unknown Adobe colour transform {code}; YCbCr is taken"
                )
            }
        }
    }
}

/// As the words of [`Display`](fmt::Display).
impl Serialize for ImageWarning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl ImageWarning {
    /// What kind of oddity it is, without the details, to count it over a data set: "2 images have no end marker".
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NoEndMarker => "no end marker",
            Self::StrayBytes { .. } => "stray bytes",
            Self::SurplusData => "more image data than rows",
            Self::WrongChecksum => "a wrong checksum of a part",
            Self::UnreadableExif => "damaged EXIF data",
            Self::UnknownColourTransform { .. } => "an unknown colour transform",
        }
    }
}
