//! A file of weights.

use std::fmt;
use std::path::{Path, PathBuf};

use file_kind::{FileKind, LONGEST_START};

use crate::content::{Content, Stored, TensorInfo};
use crate::error::{Fault, WeightFileError};
use crate::source::Source;
use crate::{floats, pytorch, safetensors};

/// An open file of weights. Names, shapes and types are known; numbers are read when they are asked for.
#[derive(Debug)]
pub struct WeightFile {
    path: PathBuf,
    source: Source,
    format: Format,
    content: Content,
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

impl WeightFile {
    /// Opens a file and finds out what is in it. The content decides about the format, not the name.
    ///
    /// A checkpoint may be a state dict or a dictionary that has one as `model`, `state_dict`, `model_state_dict` or
    /// `model_state`. What wrappers put in front of all names, such as `module.`, is taken off. Whatever else a checkpoint
    /// holds is ignored, and nothing is called to make it.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is of no known format, is broken, or has no state dict.
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
        let start = source.read(0, source.len().min(LONGEST_START as u64), "the start")?;
        let kind = FileKind::of(&start);
        let (format, content) = if kind == FileKind::Zip {
            (Format::PyTorch, pytorch::read_archive(&source)?)
        } else if pytorch::is_legacy(&start) {
            (Format::PyTorchLegacy, pytorch::read_legacy(&source)?)
        } else if safetensors::recognise(&start, kind) {
            (Format::Safetensors, safetensors::read(&source)?)
        } else {
            return Err(Fault::Foreign(kind));
        };
        Ok(Self {
            path,
            source,
            format,
            content: content.without_prefixes(),
        })
    }

    /// How the file stores its tensors.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The tensors by name, in the order of their names.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        self.content
            .tensors
            .iter()
            .map(|(name, tensor)| (name.as_str(), &tensor.info))
    }

    /// The tensor of that name.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.content.tensors.get(name).map(|tensor| &tensor.info)
    }

    /// The tensors that cannot be read by name, each with what it is: of a type such as float8, quantised, sparse. To ask
    /// for the numbers of one is an error.
    pub fn unread(&self) -> impl Iterator<Item = (&str, &str)> {
        let unread = self.content.unread.iter();
        unread.map(|(name, what)| (name.as_str(), what.as_str()))
    }

    /// Whether the file has a tensor of that name that cannot be read.
    pub fn is_unread(&self, name: &str) -> bool {
        self.content.unread.contains_key(name)
    }

    /// The names of all tensors, of those that cannot be read, too.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let unread = self.content.unread.keys();
        self.content
            .tensors
            .keys()
            .chain(unread)
            .map(String::as_str)
    }

    /// What is beside the tensors and was not read: optimizer state, epoch and the like.
    pub fn ignored(&self) -> &[String] {
        &self.content.ignored
    }

    /// The numbers of a floating-point tensor, row by row. Half and double precision become single precision.
    ///
    /// # Errors
    ///
    /// When there is no such tensor, it cannot be read or holds integers, or the file cannot be read.
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
        let missing = || {
            let name = name.to_owned();
            match self.content.unread.get(&name) {
                Some(what) => Fault::Unread {
                    name,
                    what: what.clone(),
                },
                None => Fault::NoTensor { name },
            }
        };
        let stored = self.content.tensors.get(name).ok_or_else(missing)?;
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
