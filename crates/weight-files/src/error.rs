//! What can be wrong with a file of weights.

use std::io;
use std::path::PathBuf;

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
    /// It begins like no format that is read.
    #[error("it is neither a PyTorch checkpoint nor a safetensors file")]
    UnknownFormat,
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
    /// The pickle asks for a function or class that no file of weights needs.
    #[error(
        "the pickle wants to use {}, which is refused; save the state dict alone",
        function.escape_debug()
    )]
    Forbidden {
        /// Python name of the function or class.
        function: String,
    },
    /// The elements of a tensor have a type that is not read.
    #[error("tensors of {} are not read", storage.escape_debug())]
    Storage {
        /// Python name of the storage.
        storage: String,
    },
    /// There is no dictionary of tensors.
    #[error("it holds no state dict{}", only(keys))]
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

fn only(keys: &[String]) -> String {
    if keys.is_empty() {
        return String::new();
    }
    format!(", only: {}", keys.join(", ").escape_debug())
}
