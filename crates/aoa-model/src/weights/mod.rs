//! Weights from and for `PyTorch`: names, layouts, and a report of what was found.
//!
//! [`Import`] fills modules from a file, [`Export`] collects modules for one. Both walk a module and ask a function for
//! the `PyTorch` name of each parameter; layouts follow from what the parameter is. [`load_xvlm`] and [`export_xvlm`] do
//! this for X-VLM, [`load_fine_branch`] and [`export_fine_branch`] for the fine branch.

mod export;
mod fine;
mod import;
mod layout;
mod report;
mod vqa;
mod xvlm;

pub use export::Export;
pub use fine::{export_fine_branch, load_fine_branch};
pub use import::{Import, Names};
pub use report::{Interpolated, MisShaped, Report};
pub use vqa::{LoadError, NoSuchPart, PublishedPart, export_part, load_part};
pub use weight_files::{Dtype, TensorBytes, WeightFile, WeightFileError, write_safetensors};
pub use xvlm::{export_xvlm, load_xvlm, xvlm_vocabulary};
