//! A file of weights.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Fault, WeightFileError};
use crate::source::Source;
use crate::{Dtype, floats, pytorch, safetensors};

/// What `torch.nn.DataParallel` puts in front of every name.
const PARALLEL: &str = "module.";

/// An open file of weights. Names, shapes and types are known; numbers are read when they are asked for.
#[derive(Debug)]
pub struct WeightFile {
    path: PathBuf,
    source: Source,
    format: Format,
    tensors: BTreeMap<String, Stored>,
    ignored: Vec<String>,
}

/// How a file stores its tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A zip archive with a pickle, which `torch.save` writes since `PyTorch` 1.6.
    PyTorch,
    /// A sequence of pickles, which `torch.save` wrote before.
    PyTorchLegacy,
    /// A JSON header in front of the numbers.
    Safetensors,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PyTorch => "PyTorch checkpoint",
            Self::PyTorchLegacy => "PyTorch checkpoint of the old form",
            Self::Safetensors => "safetensors",
        })
    }
}

/// Type and shape of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Type of the elements.
    pub dtype: Dtype,
    /// Length of each axis; a scalar has none.
    pub shape: Vec<usize>,
}

/// Where a tensor is in a file. The bytes it takes were checked against the length of the file.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) info: TensorInfo,
    /// Offset of the first element, in bytes.
    pub(crate) start: u64,
    /// Elements between neighbours along each axis, where they are not in row-major order.
    pub(crate) strides: Option<Vec<usize>>,
}

impl TensorInfo {
    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the elements are numbers that a model can learn, not integers as in counters and tables of positions.
    pub fn is_float(&self) -> bool {
        floats::is_float(self.dtype)
    }

    /// Length of the elements, in bytes.
    pub fn bytes(&self) -> usize {
        self.elements() * self.dtype.bitsize() / 8
    }
}

impl WeightFile {
    /// Opens a file and finds out what is in it. The content decides about the format, not the name.
    ///
    /// A checkpoint may be a state dict or a dictionary that has one as `model`, `state_dict`, `model_state_dict` or
    /// `model_state`. A `module.` in front of all names is taken off.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is of no known format, is broken, or asks for anything but tensors.
    pub fn open(path: &Path) -> Result<Self, WeightFileError> {
        let source = Source::open(path).map_err(Fault::from);
        let file = source.and_then(|source| Self::read(path.to_owned(), source));
        file.map_err(|fault| WeightFileError {
            path: path.to_owned(),
            fault,
        })
    }

    /// As [`open`](Self::open) for a file's bytes; `name` stands for the path in errors.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn from_bytes(name: impl Into<PathBuf>, bytes: Vec<u8>) -> Result<Self, WeightFileError> {
        let path = name.into();
        Self::read(path.clone(), Source::memory(bytes))
            .map_err(|fault| WeightFileError { path, fault })
    }

    fn read(path: PathBuf, source: Source) -> Result<Self, Fault> {
        let start = source.read(0, source.len().min(pytorch::MARK as u64), "the start")?;
        let (format, tensors, ignored) = if pytorch::is_archive(&start) {
            let (tensors, ignored) = pytorch::read_archive(&source)?;
            (Format::PyTorch, tensors, ignored)
        } else if pytorch::is_legacy(&start) {
            let (tensors, ignored) = pytorch::read_legacy(&source)?;
            (Format::PyTorchLegacy, tensors, ignored)
        } else if safetensors::recognise(&start) {
            (Format::Safetensors, safetensors::read(&source)?, Vec::new())
        } else {
            return Err(Fault::UnknownFormat);
        };
        Ok(Self {
            path,
            source,
            format,
            tensors: without_parallel(tensors),
            ignored,
        })
    }

    /// How the file stores its tensors.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The tensors by name, in the order of their names.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        self.tensors
            .iter()
            .map(|(name, tensor)| (name.as_str(), &tensor.info))
    }

    /// The tensor of that name.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name).map(|tensor| &tensor.info)
    }

    /// What is beside the tensors and was not read: optimizer state, epoch and the like.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// The numbers of a floating-point tensor, row by row. Half and double precision become single precision.
    ///
    /// # Errors
    ///
    /// When there is no such tensor, it holds integers, or the file cannot be read.
    pub fn floats(&self, name: &str) -> Result<Vec<f32>, WeightFileError> {
        self.read_floats(name).map_err(|fault| WeightFileError {
            path: self.path.clone(),
            fault,
        })
    }

    /// As [`floats`](Self::floats) for weights, which are finite.
    ///
    /// # Errors
    ///
    /// As [`floats`](Self::floats), and when a number is infinite or none at all in single precision.
    pub fn weights(&self, name: &str) -> Result<Vec<f32>, WeightFileError> {
        let values = self.floats(name)?;
        match values.iter().find(|value| !value.is_finite()) {
            None => Ok(values),
            Some(value) => Err(WeightFileError {
                path: self.path.clone(),
                fault: Fault::NotFinite {
                    name: name.to_owned(),
                    value: *value,
                },
            }),
        }
    }

    fn read_floats(&self, name: &str) -> Result<Vec<f32>, Fault> {
        let stored = self.tensors.get(name).ok_or_else(|| Fault::NoTensor {
            name: name.to_owned(),
        })?;
        let dtype = stored.info.dtype;
        floats::decode(&self.bytes(stored)?, dtype).ok_or_else(|| Fault::NotFloats {
            name: name.to_owned(),
            dtype,
        })
    }

    /// The bytes of a tensor in row-major order.
    fn bytes(&self, stored: &Stored) -> Result<Vec<u8>, Fault> {
        let count = stored.info.bytes();
        let Some(strides) = &stored.strides else {
            return self.source.read(stored.start, count as u64, "a tensor");
        };
        let size = stored.info.dtype.bitsize() / 8;
        let shape = &stored.info.shape;
        let reach: usize = shape
            .iter()
            .zip(strides)
            .map(|(n, step)| (n - 1) * step)
            .sum();
        let stretch = self
            .source
            .read(stored.start, ((reach + 1) * size) as u64, "a tensor")?;
        let mut bytes = Vec::with_capacity(count);
        for element in 0..stored.info.elements() {
            let mut rest = element;
            let mut at = 0;
            for (n, step) in shape.iter().zip(strides).rev() {
                at += rest % n * step;
                rest /= n;
            }
            bytes.extend_from_slice(&stretch[at * size..(at + 1) * size]);
        }
        Ok(bytes)
    }
}

/// Takes off [`PARALLEL`] where every name has it.
fn without_parallel(tensors: BTreeMap<String, Stored>) -> BTreeMap<String, Stored> {
    if tensors.keys().any(|name| !name.starts_with(PARALLEL)) {
        return tensors;
    }
    let renamed = tensors.into_iter().map(|(name, tensor)| {
        let name = name.strip_prefix(PARALLEL).unwrap_or(&name).to_owned();
        (name, tensor)
    });
    renamed.collect()
}
