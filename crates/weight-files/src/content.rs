//! What is in a file of weights, whatever its format.

use std::collections::BTreeMap;

use crate::{Dtype, floats};

/// What wrappers put in front of every name: `torch.nn.DataParallel` and `torch.compile`.
const PREFIXES: [&str; 2] = ["module.", "_orig_mod."];

/// What is in a file of weights.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) tensors: BTreeMap<String, Stored>,
    /// What the tensors are that cannot be read, by name.
    pub(crate) unread: BTreeMap<String, String>,
    /// Names of all else.
    pub(crate) ignored: Vec<String>,
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

impl Content {
    /// Takes off [`PREFIXES`] where every name has one, in whichever order the wrappers stand.
    pub(crate) fn without_prefixes(mut self) -> Self {
        for prefix in PREFIXES.into_iter().chain(PREFIXES) {
            if self.all_begin(prefix) {
                self.tensors = stripped(self.tensors, prefix);
                self.unread = stripped(self.unread, prefix);
            }
        }
        self
    }

    fn all_begin(&self, prefix: &str) -> bool {
        let mut names = self.tensors.keys().chain(self.unread.keys()).peekable();
        names.peek().is_some() && names.all(|name| name.starts_with(prefix))
    }
}

fn stripped<T>(named: BTreeMap<String, T>, prefix: &str) -> BTreeMap<String, T> {
    let renamed = named.into_iter().map(|(mut name, value)| {
        name.drain(..prefix.len());
        (name, value)
    });
    renamed.collect()
}
