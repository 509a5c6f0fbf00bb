//! Files of weights: `PyTorch` checkpoints and safetensors in, safetensors out.
//!
//! The crate knows tensors by name, shape and element type, and no model. What a file says is checked against its
//! length before anything is allocated, and a pickle is read as data: nothing in it is ever called. What is no tensor, or a
//! tensor of a form that is not read, does not keep the others from being read.
//!
//! ```
//! use weight_files::{Dtype, TensorBytes, WeightFile, write_safetensors};
//!
//! # let folder = tempfile::tempdir()?;
//! let path = folder.path().join("weights.safetensors");
//! let weight = TensorBytes::from_f32(vec![2, 1], &[0.5, -1.0]);
//! write_safetensors(&path, &[("linear.weight".to_owned(), weight)].into())?;
//!
//! let file = WeightFile::open(&path)?;
//! let (name, tensor) = file.tensors().next().expect("the tensor that was written");
//! assert_eq!((name, tensor.dtype, &tensor.shape[..]), ("linear.weight", Dtype::F32, &[2, 1][..]));
//! assert_eq!(file.floats("linear.weight")?, [0.5, -1.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod content;
mod error;
mod file;
mod floats;
mod pytorch;
mod safetensors;
mod source;
mod write;

pub use ::safetensors::Dtype;
pub use content::TensorInfo;
pub use error::{Fault, WeightFileError};
pub use file::{Format, WeightFile};
pub use file_kind::FileKind;
pub use pytorch::LONGEST_PICKLE;
pub use safetensors::LONGEST_HEADER;
pub use write::{TensorBytes, Unrepresentable, write_safetensors};
