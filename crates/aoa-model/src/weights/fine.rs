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

/// The tensors of a fine branch by `PyTorch` name, as many as the published model has.
///
/// The glimpses that the published model owns and never uses are those it uses once more, so that it takes the file
/// strictly.
pub fn export_fine_branch(branch: &FineBranch) -> BTreeMap<String, TensorBytes> {
    let mut export = Export::new();
    export.add(branch, pytorch_name);
    let used: Vec<String> = export.tensors().keys().cloned().collect();
    for part in [
        "qe_joint.b_net",
        "qe_joint.q_prj",
        "vs_joint.b_net",
        "vs_joint.q_prj",
    ] {
        let first = format!("{part}.0.");
        for name in used.iter().filter(|name| name.starts_with(&first)) {
            for unused in 1..branch.glimpses() {
                let second = name.replacen(&first, &format!("{part}.{unused}."), 1);
                export.add_second_name(second, name);
            }
        }
    }
    export.into_tensors()
}
