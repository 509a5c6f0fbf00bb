//! HDF5 of bottom-up attention: features of all images in one data set, and a pickle that says which row is which image's.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use hdf5_pure::{Dataset, Datatype, DatatypeByteOrder, File};

use super::container::FeatureFormat;
use super::regions::{AGAIN, Boxes, Regions, Sink};
use crate::array::{Array, Kind};
use crate::error::{ImportError, Place};
use crate::json::Input;
use crate::pickle::Pickle;

/// What a data set is named.
const FEATURES: &str = "image_features";
const BOXES: &str = "spatial_features";
const PLACES: &str = "pos_boxes";

/// How the names of pickles from image to row end.
const INDEX: &str = "imgid2idx.pkl";

/// Bytes of features that are read at a time.
const WINDOW: u64 = 16 << 20;

/// Reads a file; `indexes` are pickles that lie beside it or were named. Says which of the two layouts it has.
pub(crate) fn read(
    path: &Path,
    indexes: &[PathBuf],
    meter: &AtomicU64,
    sink: &mut Sink<'_>,
) -> Result<FeatureFormat, ImportError> {
    let wrong =
        |problem: String, cure: &str| ImportError::content(path, Place::File, problem, cure);
    let file = guarded(path, || File::open_streaming(path))?;
    let features = Rows::open(path, &file, FEATURES)?;
    let boxes = Rows::open(path, &file, BOXES)?;
    let fixed = features.shape.len() == 3;
    let images = if fixed {
        let [images, rows, _] = features.shape[..] else {
            unreachable!("it has three sides")
        };
        (0..images).map(|image| [image, rows]).collect::<Vec<_>>()
    } else {
        let places = Rows::open(path, &file, PLACES)?;
        let whole = places.read(0, places.shape[0])?;
        let [_, 2] = places.shape[..] else {
            return Err(wrong(
                format!(
                    "`{PLACES}` has the shape {:?}, not [images, 2]",
                    places.shape
                ),
                AGAIN,
            ));
        };
        let rows = features.shape[0];
        let mut images = Vec::new();
        for (image, [first, behind]) in whole.as_chunks::<2>().0.iter().enumerate() {
            if !(0.0 <= *first && first < behind && *behind <= rows as f32) {
                return Err(wrong(
                    format!(
                        "`{PLACES}` says that image {image} has the rows {first} to {behind} of {rows}"
                    ),
                    AGAIN,
                ));
            }
            images.push([*first as u64, (*behind - *first) as u64]);
        }
        images
    };
    let sides = if fixed { 3 } else { 2 };
    let dim = *features.shape.last().unwrap_or(&0);
    let boxes_fit = boxes.shape.len() == sides
        && boxes.shape.last() == Some(&6)
        && boxes.shape[..sides - 1] == features.shape[..sides - 1];
    if features.shape.len() != sides || !boxes_fit {
        return Err(wrong(
            format!(
                "`{FEATURES}` has the shape {:?} and `{BOXES}` {:?}, not [images, regions, channels] and [images, regions, 6], or \
                 [regions, channels] and [regions, 6]",
                features.shape, boxes.shape
            ),
            AGAIN,
        ));
    }
    let names = names(path, indexes, images.len())?;
    // A window of images is read at once where each has as many regions, else one image.
    let bytes_of_image = if fixed {
        features.shape[1] * dim * 4
    } else {
        u64::MAX
    };
    let window = (WINDOW / bytes_of_image.max(1)).max(1) as usize;
    for (chunk, names) in images.chunks(window).zip(names.chunks(window)) {
        let [first, rows] = chunk[0];
        let (start, count) = if fixed {
            (first, chunk.len() as u64)
        } else {
            (first, rows)
        };
        let (all_features, all_boxes) = (features.read(start, count)?, boxes.read(start, count)?);
        meter.fetch_add(
            4 * (all_features.len() + all_boxes.len()) as u64,
            Ordering::Relaxed,
        );
        let rows = rows as usize;
        let of_features = all_features.chunks(rows * dim.max(1) as usize);
        for ((name, features), boxes) in names
            .iter()
            .zip(of_features)
            .zip(all_boxes.chunks(rows * 6))
        {
            sink(
                path,
                Regions {
                    image: name.clone(),
                    place: Place::Image(name.clone()),
                    size: None,
                    count: rows,
                    dim: dim as usize,
                    features: features.to_vec(),
                    boxes: Boxes::Relative(boxes.to_vec()),
                },
            )?;
        }
    }
    Ok(if fixed {
        FeatureFormat::ButdHdf5
    } else {
        FeatureFormat::AdaptiveHdf5
    })
}

/// A data set of numbers, read in windows along its first side.
struct Rows<'a> {
    path: &'a Path,
    name: &'static str,
    data: Dataset,
    shape: Vec<u64>,
    kind: Kind,
    big: bool,
}

impl<'a> Rows<'a> {
    fn open(path: &'a Path, file: &File, name: &'static str) -> Result<Self, ImportError> {
        let data = file.dataset(name).map_err(|error| {
            ImportError::content(
                path,
                Place::File,
                format!("the HDF5 file has no data set `{name}`: {error}"),
                "the layouts that are read are in docs/real-data.md",
            )
        })?;
        if !filters_are_read(&data) {
            return Err(ImportError::content(
                path,
                Place::File,
                format!("`{name}` is compressed"),
                "unpack it with `h5repack -f NONE FILE NEW`",
            ));
        }
        let (shape, kind) = guarded(path, || Ok((data.shape()?, data.datatype()?)))?;
        let little = |order: &DatatypeByteOrder| *order != DatatypeByteOrder::BigEndian;
        let (kind, little) = match &kind {
            Datatype::FloatingPoint {
                size, byte_order, ..
            } => (Kind::of(&format!("f{size}")), little(byte_order)),
            Datatype::FixedPoint {
                size, byte_order, ..
            } => (Kind::of(&format!("i{size}")), little(byte_order)),
            _ => (None, true),
        };
        let (Some(kind), false) = (kind, shape.is_empty()) else {
            return Err(ImportError::content(
                path,
                Place::File,
                format!("`{name}` is not a table of numbers"),
                AGAIN,
            ));
        };
        // Before anything is made whose size the file decides.
        let length = fs::metadata(path).map_or(0, |file| file.len());
        let sides = shape.iter().map(|&side| u128::from(side));
        let bytes = sides.fold(kind.bytes() as u128, u128::saturating_mul);
        if bytes > u128::from(length) {
            return Err(ImportError::content(
                path,
                Place::File,
                format!("`{name}` has the shape {shape:?}, and the file has {length} bytes"),
                AGAIN,
            ));
        }
        Ok(Self {
            path,
            name,
            data,
            shape,
            kind,
            big: !little,
        })
    }

    fn read(&self, start: u64, count: u64) -> Result<Vec<f32>, ImportError> {
        let bytes = guarded(self.path, || self.data.read_raw_rows(start, count))?;
        let mut shape: Vec<usize> = self.shape.iter().map(|side| *side as usize).collect();
        shape[0] = count as usize;
        let array = Array::new(shape, self.kind, self.big, false, bytes);
        array.map(|array| array.floats()).ok_or_else(|| {
            ImportError::content(
                self.path,
                Place::File,
                format!("`{}` ends before row {}", self.name, start + count),
                AGAIN,
            )
        })
    }
}

/// Whether the data are packed by nothing but the order of bytes and checksums, `shuffle` and `fletcher32`.
fn filters_are_read(data: &Dataset) -> bool {
    data.filters().iter().all(|filter| [2, 3].contains(filter))
}

/// Calls a reader that does not expect every damage.
fn guarded<T>(
    path: &Path,
    read: impl FnOnce() -> Result<T, hdf5_pure::Error>,
) -> Result<T, ImportError> {
    let problem = match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => format!("the HDF5 file cannot be read: {error}"),
        Err(_) => "the HDF5 file is damaged: reading it failed".to_owned(),
    };
    Err(ImportError::content(path, Place::File, problem, AGAIN))
}

/// The name of the image of each row: rows have another order than ids.
fn names(path: &Path, indexes: &[PathBuf], rows: usize) -> Result<Vec<String>, ImportError> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!("{stem}_{INDEX}"));
    let index = if beside.exists() {
        beside
    } else {
        match indexes {
            [only] => only.clone(),
            _ => {
                return Err(ImportError::content(
                    path,
                    Place::File,
                    format!(
                        "there is no `{stem}_{INDEX}`, which says which row belongs to which image"
                    ),
                    "put the pickle beside the file, or name it with the file",
                ));
            }
        }
    };
    let meter = AtomicU64::new(0);
    let pickle = Pickle::read(Input {
        path: &index,
        meter: &meter,
    })?;
    let wrong = |problem: String| {
        ImportError::content(
            &index,
            Place::File,
            problem,
            "it must be of the same set as the HDF5 file",
        )
    };
    let pairs = pickle
        .pairs(pickle.root())
        .ok_or_else(|| wrong("no dictionary from image to row".to_owned()))?;
    let mut names = vec![None; rows];
    for [image, row] in pairs {
        let name = pickle.id(*image);
        let (Some(name), Some(row)) = (name, pickle.whole(*row)) else {
            return Err(wrong("an entry is not from an image to a row".to_owned()));
        };
        match usize::try_from(row).ok().and_then(|row| names.get_mut(row)) {
            Some(slot @ None) => *slot = Some(name),
            Some(Some(other)) => {
                return Err(wrong(format!(
                    "row {row} is image `{other}` and image `{name}`"
                )));
            }
            None => {
                return Err(wrong(format!(
                    "image `{name}` has row {row}, and the HDF5 file has {rows}"
                )));
            }
        }
    }
    let named = names
        .into_iter()
        .enumerate()
        .map(|(row, name)| name.ok_or(row));
    named
        .collect::<Result<_, _>>()
        .map_err(|row| wrong(format!("no image has row {row} of {rows}")))
}
