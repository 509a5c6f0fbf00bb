//! Files that hold regions as they are kept: those of an import, and one safetensors file an image.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use file_kind::read_regular;
use region_features::{BOX_SIZE, Store};
use serde::Deserialize;

use super::regions::{AGAIN, Boxes, Regions, Sink};
use crate::error::{ImportError, Place};

/// Reads a file of an import.
pub(crate) fn read_store(
    path: &Path,
    meter: &AtomicU64,
    sink: &mut Sink<'_>,
) -> Result<(), ImportError> {
    let store = Store::open(path)?;
    for image in store.images() {
        let (name, block) = (store.name(image)?, store.read(image)?);
        let numbers = block.features.len() * store.summary().number.bytes();
        meter.fetch_add(numbers as u64, Ordering::Relaxed);
        sink(
            path,
            Regions {
                image: name.to_owned(),
                place: Place::Image(name.to_owned()),
                size: None,
                count: block.rows,
                dim: store.summary().dim,
                features: block.features,
                boxes: Boxes::Relative(block.boxes),
            },
        )?;
    }
    Ok(())
}

#[derive(Deserialize)]
struct Head {
    regions: Tensor,
    boxes: Tensor,
}

#[derive(Deserialize)]
struct Tensor {
    dtype: String,
    shape: [usize; 2],
    data_offsets: [usize; 2],
}

impl Tensor {
    fn numbers(&self, data: &[u8]) -> Option<Vec<f32>> {
        let [start, end] = self.data_offsets;
        let (numbers, rest) = data.get(start..end)?.as_chunks::<4>();
        let [rows, columns] = self.shape;
        let whole = rest.is_empty() && rows.checked_mul(columns) == Some(numbers.len());
        (self.dtype == "F32" && whole).then(|| {
            numbers
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect()
        })
    }
}

/// Reads the regions of one image: `regions`, `[regions, channels]`, and `boxes`, `[regions, 6]`.
pub(crate) fn read_safetensors(path: &Path, sink: &mut Sink<'_>) -> Result<(), ImportError> {
    let bytes = read_regular(path).map_err(ImportError::io(path))?;
    let parts = || {
        let (length, rest) = bytes.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (head, data) = rest.split_at_checked(length)?;
        let head: Head = serde_json::from_slice(head).ok()?;
        let (features, boxes) = (head.regions.numbers(data)?, head.boxes.numbers(data)?);
        let [count, dim] = head.regions.shape;
        (head.boxes.shape == [count, BOX_SIZE]).then_some((count, dim, features, boxes))
    };
    let (count, dim, features, boxes) = parts().ok_or_else(|| {
        ImportError::content(
            path,
            Place::File,
            "no safetensors file with `regions` [regions, channels] and `boxes` [regions, 6] of F32",
            AGAIN,
        )
    })?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    sink(
        path,
        Regions {
            image: name
                .strip_suffix(".safetensors")
                .unwrap_or(&name)
                .to_owned(),
            place: Place::File,
            size: None,
            count,
            dim,
            features,
            boxes: Boxes::Relative(boxes),
        },
    )
}
