//! The fine branch of coarse-to-fine reasoning.

use std::collections::BTreeMap;

use weight_files::{TensorBytes, WeightFile, WeightFileError};

use super::{Export, Import, Names, Report};
use crate::cfr::{FineBranch, pytorch_name};

/// Gives a fine branch what a file has of it.
///
/// The published model has fusions with as many glimpses as the last one, of which it uses one; a file of it has these
/// as unexpected tensors.
///
/// # Errors
///
/// As [`Import::load`].
pub fn load_fine_branch(
    file: &WeightFile,
    branch: FineBranch,
) -> Result<(FineBranch, Report), WeightFileError> {
    let mut import = Import::new(file, Names::of(file));
    let branch = import.load(branch, pytorch_name)?;
    Ok((branch, import.finish()))
}

/// The tensors of a fine branch by `PyTorch` name.
pub fn export_fine_branch(branch: &FineBranch) -> BTreeMap<String, TensorBytes> {
    let mut export = Export::new();
    export.add(branch, pytorch_name);
    export.into_tensors()
}
