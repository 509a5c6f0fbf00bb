//! What an error says about a file: cause, cure, and who uses it.

use std::io::ErrorKind;

use file_kind::FileKind;

use super::fault::{Fault, Use, printable};
use crate::error::DataError;
use crate::image::ImageError;
use crate::source::Source;

/// What to do about a shard that is not what its manifest says.
pub(crate) const SHARD_CURE: &str =
    "copy all files of the folder again, or write them again with `aoa data shard`";

impl Fault {
    pub(crate) fn of(file: String, error: &DataError, used_by: Vec<Use>) -> Self {
        Self {
            file,
            cause: cause(error),
            cure: cure(error),
            used_by,
        }
    }
}

impl Use {
    /// The given samples of a split.
    pub(crate) fn of(source: &dyn Source, split: usize, samples: Vec<usize>) -> Self {
        let (questions, unit) = source.questions();
        let numbers = samples.iter().map(|&sample| source.sample_number(sample));
        Self {
            split,
            questions,
            unit,
            numbers: numbers.collect(),
            samples,
        }
    }

    /// All samples of a split that are about an image.
    pub(crate) fn of_image(source: &dyn Source, image: usize) -> Self {
        let samples = source.samples().iter().enumerate();
        let about = samples.filter(|(_, sample)| sample.image == image);
        Self::of(source, 0, about.map(|(sample, _)| sample).collect())
    }
}

/// What is wrong, without the name of the file.
fn cause(error: &DataError) -> String {
    let text = match error {
        DataError::Missing { .. } => "it is missing".to_owned(),
        DataError::NotAFile { .. } => "it is not a regular file".to_owned(),
        DataError::TooLarge { limit, .. } => format!("it holds more than {limit} bytes"),
        DataError::Io { source, .. } => source.to_string(),
        DataError::Image { source, .. } => source.to_string(),
        DataError::Content {
            expected, found, ..
        } => format!("expected {expected}, found {found}"),
        DataError::Shards { problem, .. } => problem.clone(),
        DataError::ShardChecksum {
            expected, found, ..
        } => format!("its checksum is {found}, and `shards.json` says {expected}"),
        DataError::RegionShape {
            expected, found, ..
        } => {
            let as_most = if expected.varying {
                ""
            } else {
                ", as most have"
            };
            format!("expected {expected} regions x features{as_most}, found {found}")
        }
        DataError::Foreign { kind, .. } => format!("it is {kind}"),
        DataError::Panicked { message, .. } => format!("reading it panicked: {message}"),
        other => other.in_full(),
    };
    printable(&text).into_owned()
}

fn cure(error: &DataError) -> &'static str {
    match error {
        DataError::Foreign { kind, .. } => kind
            .cure()
            .unwrap_or("put the file that was meant in its place, or remove the lines"),
        DataError::Missing { .. } => {
            "put the file there, correct the name in these lines, or remove the lines"
        }
        DataError::Shards { .. } | DataError::ShardChecksum { .. } => SHARD_CURE,
        DataError::NotAFile { .. } => "put a file in its place, or remove the lines",
        DataError::Io { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
            "make the file readable for this user, or remove the lines"
        }
        DataError::Io { .. } => {
            "correct the name in these lines or the link that it leads to, or remove the lines"
        }
        DataError::Image {
            source: ImageError::Foreign { kind, cure, .. },
            ..
        } => match kind {
            _ if kind.cure().is_some() => cure,
            _ if kind.is_image() || matches!(kind, FileKind::Svg | FileKind::Pdf) => {
                "convert it to PNG or JPEG, or remove the lines"
            }
            FileKind::Video => "save a frame of it as PNG or JPEG, or remove the lines",
            FileKind::NumPy => "save the array as a PNG image, or remove the lines",
            _ => "put the image that was meant in its place, or remove the lines",
        },
        DataError::Image {
            source: ImageError::Unsupported { .. },
            ..
        } => "save it again as an ordinary image, or remove the lines",
        DataError::TooLarge { .. }
        | DataError::Image {
            source: ImageError::TooLarge { .. },
            ..
        } => "scale it down, or remove the lines",
        DataError::RegionShape { .. } => {
            "extract the features of all images with the same settings"
        }
        DataError::Panicked { .. } => "report this, with the file; replace it, or remove the lines",
        DataError::Features(_) | DataError::MissingRegions { .. } => {
            "import the features of these images with `aoa data import-features`, or remove the lines"
        }
        _ => "get or make the file again, or remove the lines",
    }
}
