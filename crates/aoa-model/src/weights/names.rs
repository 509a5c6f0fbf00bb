//! Which tensor of a file a parameter comes from.

use std::collections::{BTreeMap, BTreeSet};

use weight_files::WeightFile;

/// Which tensor of a file each parameter of a model comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Name in the model to name in the file. Several parameters may come from one tensor.
    pub sources: BTreeMap<String, String>,
    /// Names in the model of parameters that such a file does not have and that stay as they are.
    pub fresh: BTreeSet<String>,
    /// Names in the file of tensors that follow from others: buffers, and second names of tied weights.
    pub implied: BTreeSet<String>,
}

impl Names {
    /// Each parameter comes from the tensor of its own name.
    pub fn of(file: &WeightFile) -> Self {
        let own = |name: &str| (name.to_owned(), name.to_owned());
        Self {
            sources: file.names().map(own).collect(),
            ..Self::default()
        }
    }
}
