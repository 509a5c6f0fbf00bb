use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use crate::error::DataError;
use crate::inputs::{BOX_SIZE, RegionShape, Regions};

/// How far a box may reach beyond the image by rounding.
const ROUNDING: f32 = 1e-3;

/// Longest head of a file that is looked at alone, in bytes.
const LONGEST_HEAD: u64 = 1 << 20;

/// What the head of a safetensors file says of `regions`.
#[derive(Deserialize)]
struct Head {
    regions: TensorHead,
}

#[derive(Deserialize)]
struct TensorHead {
    shape: [usize; 2],
}

/// The size that a file says its features have. Only where it does not say so the whole file is read, for what is wrong.
pub(super) fn shape(path: &Path) -> Result<RegionShape, DataError> {
    match head(path) {
        Some(Head {
            regions: TensorHead {
                shape: [regions, dim],
            },
        }) => Ok(RegionShape { regions, dim }),
        None => read(path).map(|regions| regions.shape),
    }
}

fn head(path: &Path) -> Option<Head> {
    let mut file = File::open(path).ok()?;
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEAD {
        return None;
    }
    let mut text = Vec::new();
    file.take(length).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Reads `regions`, `[regions, dim]`, and `boxes`, `[regions, 6]`, from a safetensors file.
pub(super) fn read(path: &Path) -> Result<Regions, DataError> {
    let unexpected = |expected: &str, found: String| DataError::Content {
        path: path.to_owned(),
        expected: expected.to_owned(),
        found,
    };
    let bytes = fs::read(path).map_err(|source| DataError::Io {
        path: path.to_owned(),
        source,
    })?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| unexpected("a safetensors file", error.to_string()))?;
    let tensor = |name: &str| -> Result<([usize; 2], Vec<f32>), DataError> {
        let expected = format!("`{name}` with two dimensions of F32");
        let tensor = file
            .tensor(name)
            .map_err(|error| unexpected(&expected, error.to_string()))?;
        match (tensor.dtype(), tensor.shape()) {
            (Dtype::F32, &[rows, columns]) => {
                let numbers = tensor.data().as_chunks::<4>().0.iter();
                let numbers: Vec<_> = numbers.map(|bytes| f32::from_le_bytes(*bytes)).collect();
                match numbers.iter().find(|number| !number.is_finite()) {
                    Some(number) => Err(unexpected("finite numbers", number.to_string())),
                    None => Ok(([rows, columns], numbers)),
                }
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
        let expected = format!("`boxes` of {regions} x {BOX_SIZE}, as there are {regions} regions");
        let [rows, columns] = boxes_shape;
        return Err(unexpected(&expected, format!("{rows} x {columns}")));
    }
    match boxes
        .iter()
        .find(|edge| !(-ROUNDING..=1.0 + ROUNDING).contains(*edge))
    {
        Some(edge) => Err(unexpected(
            "boxes as parts of the image, 0 to 1",
            edge.to_string(),
        )),
        None => Ok(Regions {
            shape: RegionShape { regions, dim },
            features,
            boxes,
        }),
    }
}
