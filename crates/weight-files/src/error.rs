//! What can be wrong with a file of weights.

use std::io;
use std::path::PathBuf;

use file_kind::FileKind;

use crate::Dtype;

/// A file of weights cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {} as a file of weights", path.display())]
pub struct WeightFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    #[source]
    pub fault: Fault,
}

/// What is wrong with a file of weights. Messages escape the control characters of what a file calls its parts.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The system cannot read or write it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What is there, as a device or a folder, cannot be replaced by a file.
    #[error("it is not a regular file")]
    NotAFile,
    /// It is a file of another kind.
    #[error("{}", foreign(*.0))]
    Foreign(FileKind),
    /// It ends too early, or points behind its end.
    #[error("{what} lies outside the file, which has {file} bytes")]
    Outside {
        /// What is not there.
        what: &'static str,
        /// Length of the file, in bytes.
        file: u64,
    },
    /// A part is longer than any real file needs.
    #[error("{what} has {bytes} bytes; up to {limit} are read")]
    TooLong {
        /// The part.
        what: &'static str,
        /// Its length, in bytes.
        bytes: u64,
        /// What is read at most, in bytes.
        limit: u64,
    },
    /// The archive around a checkpoint is broken.
    #[error("the zip archive is broken: {what}")]
    Archive {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The archive has no such entry.
    #[error("the zip archive has no entry {}", entry.escape_debug())]
    NoEntry {
        /// Name of the entry.
        entry: String,
    },
    /// An entry of the archive is compressed or encrypted, which `PyTorch` does not do.
    #[error(
        "the zip archive's entry {} is compressed or encrypted, which PyTorch does not do",
        entry.escape_debug()
    )]
    Packed {
        /// Name of the entry.
        entry: String,
    },
    /// The numbers are stored most significant byte first.
    #[error(
        "its numbers are big-endian, which is not read; save it again on a little-endian machine"
    )]
    BigEndian,
    /// The pickle is broken, or is not what `torch.save` writes.
    #[error("the pickle is broken at byte {at}: {what}")]
    Pickle {
        /// Bytes in front of the instruction.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// The tensor that is asked for is stored in a form that is not read.
    #[error(
        "tensor {} is {}, which is not read; make it an ordinary float32 tensor in PyTorch and save it again",
        name.escape_debug(), what.escape_debug()
    )]
    Unread {
        /// Name of the tensor.
        name: String,
        /// What it is.
        what: String,
    },
    /// The file is a pickled object, such as a whole model.
    #[error(
        "it holds an object of {}, which would have to be called to be read; save its `state_dict()` instead",
        class.escape_debug()
    )]
    WholeObject {
        /// Python name of its class.
        class: String,
    },
    /// There is no dictionary of tensors.
    #[error(
        "it holds no state dict{}; save a dictionary from names to tensors, such as `model.state_dict()`",
        only(keys)
    )]
    NoStateDict {
        /// What it holds instead, at most ten.
        keys: Vec<String>,
    },
    /// A tensor does not fit what the file stores of it.
    #[error("tensor {}: {what}", name.escape_debug())]
    Tensor {
        /// Name of the tensor.
        name: String,
        /// What does not fit.
        what: &'static str,
    },
    /// The header of a safetensors file cannot be understood.
    #[error("the safetensors header is broken")]
    Header(#[from] serde_json::Error),
    /// A safetensors file is shorter or longer than its header says.
    #[error("its header describes {described} bytes of tensors, but {stored} follow")]
    Length {
        /// Bytes that the header describes.
        described: u64,
        /// Bytes behind the header.
        stored: u64,
    },
    /// There is no such tensor.
    #[error("it has no tensor {}", name.escape_debug())]
    NoTensor {
        /// The name that was asked for.
        name: String,
    },
    /// The tensor holds no floating-point numbers.
    #[error("tensor {} holds {dtype}, not floating-point numbers", name.escape_debug())]
    NotFloats {
        /// Name of the tensor.
        name: String,
        /// What it holds.
        dtype: Dtype,
    },
    /// The tensor holds a number that no weight can be.
    #[error("tensor {} holds {value} where a finite number should be", name.escape_debug())]
    NotFinite {
        /// Name of the tensor.
        name: String,
        /// The first such number.
        value: f32,
    },
}

impl WeightFileError {
    /// What to do about it, where the message does not say.
    pub fn hint(&self) -> Option<&'static str> {
        match self.fault {
            Fault::Outside { .. }
            | Fault::Archive { .. }
            | Fault::NoEntry { .. }
            | Fault::Pickle { .. }
            | Fault::Tensor { .. }
            | Fault::Header(_)
            | Fault::Length { .. } => {
                Some("download or copy the file again, and compare its length with the original's")
            }
            _ => None,
        }
    }
}

/// What a file is instead, and what to do about it.
fn foreign(kind: FileKind) -> String {
    const NEITHER: &str = "neither a PyTorch checkpoint nor a safetensors file";
    let is = match kind {
        FileKind::Unknown => NEITHER.to_owned(),
        FileKind::TorchTar => kind.to_string(),
        kind => format!("{kind}, {NEITHER}"),
    };
    let own = match kind {
        FileKind::Pickle => Some(
            "save the state dict with `torch.save` in the program that made it; a pickle can run anything when Python loads it",
        ),
        FileKind::NumPy | FileKind::Hdf5 | FileKind::Gguf => {
            Some("convert it to safetensors in Python")
        }
        _ => None,
    };
    match kind.cure().or(own) {
        Some(cure) => format!("it is {is}; {cure}"),
        None => format!("it is {is}"),
    }
}

fn only(keys: &[String]) -> String {
    if keys.is_empty() {
        return String::new();
    }
    format!(", only: {}", keys.join(", ").escape_debug())
}
