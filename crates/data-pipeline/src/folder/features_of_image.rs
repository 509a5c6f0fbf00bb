//! The region features of one image in a safetensors file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use file_kind::FileKind;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use crate::error::DataError;
use crate::files;
use crate::inputs::{BOX_SIZE, RegionShape, Regions};

/// How far a box may reach beyond the image by rounding.
const ROUNDING: f32 = 1e-3;

/// Longest head of a file that is looked at alone, in bytes.
const LONGEST_HEAD: u64 = 1 << 20;

/// That all numbers are finite and boxes lie within the image; `unexpected` makes an error of what was expected and found.
pub(super) fn check(
    features: &[f32],
    boxes: &[f32],
    unexpected: impl Fn(&str, String) -> DataError,
) -> Result<(), DataError> {
    let mut numbers = features.iter().chain(boxes);
    if let Some(number) = numbers.find(|number| !number.is_finite()) {
        return Err(unexpected("finite numbers", number.to_string()));
    }
    let inverted = |at: &[f32; BOX_SIZE]| at[2] < at[0] - ROUNDING || at[3] < at[1] - ROUNDING;
    if let Some([left, top, right, bottom, ..]) =
        boxes.as_chunks().0.iter().find(|edges| inverted(edges))
    {
        return Err(unexpected(
            "boxes whose right and bottom edges lie behind the left and top ones",
            format!("left {left}, top {top}, right {right}, bottom {bottom}"),
        ));
    }
    let inside = |edge: &&f32| !(-ROUNDING..=1.0 + ROUNDING).contains(*edge);
    match boxes.iter().find(inside) {
        Some(edge) => Err(unexpected(
            "boxes as fractions of the image, 0 to 1",
            edge.to_string(),
        )),
        None => Ok(()),
    }
}

/// What the head of a safetensors file says of the two tensors.
#[derive(Deserialize)]
struct Head {
    regions: TensorHead,
    boxes: TensorHead,
}

#[derive(Deserialize)]
struct TensorHead {
    dtype: Dtype,
    shape: [usize; 2],
    data_offsets: [u64; 2],
}

impl TensorHead {
    /// Whether it lies within `bytes` of data, and has as many as its shape says.
    fn fits(&self, bytes: u64) -> bool {
        let [start, end] = self.data_offsets;
        let [rows, columns] = self.shape.map(|side| side as u64);
        let needed = rows
            .checked_mul(columns)
            .and_then(|numbers| numbers.checked_mul(size_of::<f32>() as u64));
        self.dtype == Dtype::F32
            && end <= bytes
            && end
                .checked_sub(start)
                .is_some_and(|there| Some(there) == needed)
    }
}

/// The size that a file says its features have. Where its head does not agree with what it should be or with the length of
/// the file, all of it is read, for what is wrong.
pub(super) fn glance(path: &Path) -> Result<RegionShape, DataError> {
    let (file, length) = files::named(path)?;
    match head(file, length).map(|head| head.regions.shape) {
        Some([regions, dim]) => Ok(RegionShape {
            regions,
            dim,
            varying: false,
        }),
        None => read(path).map(|regions| regions.shape),
    }
}

/// The head of a file of `length` bytes, if it is as it should be.
fn head(mut file: File, length: u64) -> Option<Head> {
    let mut count = [0; 8];
    file.read_exact(&mut count).ok()?;
    let count = u64::from_le_bytes(count);
    if count > LONGEST_HEAD {
        return None;
    }
    let mut text = Vec::new();
    file.take(count).read_to_end(&mut text).ok()?;
    let head: Head = serde_json::from_slice(&text).ok()?;
    let bytes = length.checked_sub(8 + count)?;
    let ends = head.regions.data_offsets[1].max(head.boxes.data_offsets[1]);
    let [regions, dim] = head.regions.shape;
    let whole = regions > 0
        && dim > 0
        && head.boxes.shape == [regions, BOX_SIZE]
        && head.regions.fits(bytes)
        && head.boxes.fits(bytes)
        && ends == bytes;
    whole.then_some(head)
}

/// Reads `regions`, `[regions, dim]`, and `boxes`, `[regions, 6]`, from a safetensors file.
pub(super) fn read(path: &Path) -> Result<Regions, DataError> {
    let unexpected = |expected: &str, found: String| DataError::Content {
        path: path.to_owned(),
        expected: expected.to_owned(),
        found,
    };
    let bytes = files::bytes(path, files::LARGEST_FEATURES)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| match FileKind::of(&bytes) {
        FileKind::Safetensors | FileKind::Unknown => {
            unexpected("a safetensors file", error.to_string())
        }
        kind => DataError::Foreign {
            path: path.to_owned(),
            kind,
        },
    })?;
    let tensor = |name: &str| -> Result<([usize; 2], Vec<f32>), DataError> {
        let expected = format!("`{name}` with two dimensions of F32");
        let tensor = file
            .tensor(name)
            .map_err(|error| unexpected(&expected, error.to_string()))?;
        match (tensor.dtype(), tensor.shape()) {
            (Dtype::F32, &[rows, columns]) => {
                let numbers = tensor.data().as_chunks::<4>().0.iter();
                Ok((
                    [rows, columns],
                    numbers.map(|bytes| f32::from_le_bytes(*bytes)).collect(),
                ))
            }
            (dtype, shape) => Err(unexpected(&expected, format!("{shape:?} of {dtype:?}"))),
        }
    };
    let ([regions, dim], features) = tensor("regions")?;
    let (boxes_shape, boxes) = tensor("boxes")?;
    if regions == 0 || dim == 0 {
        return Err(unexpected(
            "at least one region and feature",
            format!("{regions} x {dim}"),
        ));
    }
    if boxes_shape != [regions, BOX_SIZE] {
        let expected = format!("`boxes` of {regions} x {BOX_SIZE}, one row a region");
        let [rows, columns] = boxes_shape;
        return Err(unexpected(&expected, format!("{rows} x {columns}")));
    }
    check(&features, &boxes, unexpected)?;
    Ok(Regions::of_image(regions, dim, features, boxes))
}
