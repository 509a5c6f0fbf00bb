//! Writing safetensors files.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Metadata, TensorInfo};

use crate::error::{Fault, WeightFileError};
use crate::{Dtype, floats};

/// Numbers of a safetensors file start at a multiple of this, in bytes.
const ALIGNMENT: usize = 8;

/// A tensor to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorBytes {
    /// Type of the elements.
    pub dtype: Dtype,
    /// Length of each axis; a scalar has none.
    pub shape: Vec<usize>,
    /// The elements in row-major order, little-endian.
    pub bytes: Vec<u8>,
}

impl TensorBytes {
    /// A tensor of single-precision numbers.
    pub fn from_f32(shape: Vec<usize>, values: &[f32]) -> Self {
        Self {
            dtype: Dtype::F32,
            shape,
            bytes: values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        }
    }

    /// The tensor with each of its floating-point numbers rounded to the nearest of another type. Integers stay as they are.
    ///
    /// # Errors
    ///
    /// When a finite number is too large for the type, or the type is no floating-point type of at most 32 bits.
    pub fn rounded(self, dtype: Dtype) -> Result<Self, Unrepresentable> {
        let Some(numbers) = floats::decode(&self.bytes, self.dtype) else {
            return Ok(self);
        };
        let mut bytes = Vec::with_capacity(numbers.len() * dtype.bitsize() / 8);
        for number in numbers {
            if !floats::encode(number, dtype, &mut bytes) {
                return Err(Unrepresentable { number, dtype });
            }
        }
        Ok(Self {
            dtype,
            shape: self.shape,
            bytes,
        })
    }

    /// A tensor of integers.
    pub fn from_i64(shape: Vec<usize>, values: &[i64]) -> Self {
        Self {
            dtype: Dtype::I64,
            shape,
            bytes: values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        }
    }
}

/// A number that a type does not hold.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{dtype} does not hold {number:e}")]
pub struct Unrepresentable {
    /// The number.
    pub number: f32,
    /// The type.
    pub dtype: Dtype,
}

/// Writes tensors to a safetensors file, which appears under its name only when all of it is on the disk. A file that is
/// there is replaced; a symbolic link stays, and what it points to is.
///
/// # Errors
///
/// When the file system refuses, there is something else than a regular file, or a tensor has another number of elements
/// than its shape says.
pub fn write_safetensors(
    path: &Path,
    tensors: &BTreeMap<String, TensorBytes>,
) -> Result<(), WeightFileError> {
    write(path, tensors).map_err(|fault| WeightFileError {
        path: path.to_owned(),
        fault,
    })
}

fn write(path: &Path, tensors: &BTreeMap<String, TensorBytes>) -> Result<(), Fault> {
    let path = destination(path)?;
    // Wide elements first, so that all of them are aligned.
    let mut order: Vec<_> = tensors.iter().collect();
    order.sort_by_key(|(_, tensor)| Reverse(tensor.dtype));

    let mut end = 0;
    let infos = order.iter().map(|(name, tensor)| {
        let start = end;
        end += tensor.bytes.len();
        let info = TensorInfo {
            dtype: tensor.dtype,
            shape: tensor.shape.clone(),
            data_offsets: (start, end),
        };
        ((*name).clone(), info)
    });
    let metadata = Metadata::new(None, infos.collect()).map_err(io::Error::other)?;
    let mut header = serde_json::to_vec(&metadata)?;
    header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');

    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    // A file made this way has the usual permissions, which a temporary one has not.
    let (file, staged) = tempfile::Builder::new()
        .prefix(".partial-")
        .make_in(folder.unwrap_or(Path::new(".")), |path| {
            File::create_new(path)
        })?
        .into_parts();
    let mut file = BufWriter::new(file);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    for (_, tensor) in order {
        file.write_all(&tensor.bytes)?;
    }
    file.into_inner()
        .map_err(io::IntoInnerError::into_error)?
        .sync_all()?;
    staged.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Where a file is to appear that is called `path`. A rename would put it in the place of whatever is there.
fn destination(path: &Path) -> Result<PathBuf, Fault> {
    match fs::metadata(path) {
        Ok(there) if there.is_file() => Ok(fs::canonicalize(path)?),
        Ok(_) => Err(Fault::NotAFile),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
            Ok(path.to_owned())
        }
        Err(error) => Err(error.into()),
    }
}
