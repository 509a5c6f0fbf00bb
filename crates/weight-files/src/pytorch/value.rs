//! Values of a pickle.

use crate::Dtype;

/// Index of a value. Values refer to each other by it, so that one that is used twice exists once.
pub(super) type Id = u32;

/// A value of a pickle.
#[derive(Debug)]
pub(super) enum Value<'a> {
    /// Anything that tensors are not made of.
    Opaque,
    Bool(bool),
    Int(i64),
    Text(&'a str),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// Keys and values in the order they were set; the last one of a key counts.
    Dict(Vec<(Id, Id)>),
    /// A function or class, which is compared and never called.
    Function(Function<'a>),
    Storage(Storage<'a>),
    Tensor(Box<View<'a>>),
}

/// Name of a Python function or class.
#[derive(Debug, Clone, Copy)]
pub(super) struct Function<'a> {
    pub(super) module: &'a str,
    pub(super) name: &'a str,
}

/// Numbers that tensors are views of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Storage<'a> {
    pub(super) key: &'a str,
    pub(super) dtype: Dtype,
    /// Number of elements.
    pub(super) elements: u64,
}

/// A tensor: some elements of a storage.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) storage: Storage<'a>,
    /// Elements in front of the first one.
    pub(super) offset: u64,
    pub(super) shape: Vec<usize>,
    /// Elements between neighbours along each axis.
    pub(super) strides: Vec<usize>,
}

impl Function<'_> {
    /// Whether a file of weights may name it. None is ever called; one that has no business there tells a file that was
    /// made to do harm, or one that holds more than weights.
    pub(super) fn is_harmless(self) -> bool {
        let package = self.module.split('.').next().unwrap_or_default();
        match package {
            "torch" | "collections" | "numpy" | "argparse" | "copyreg" | "copy_reg" | "_codecs" => {
                true
            }
            "builtins" | "__builtin__" => matches!(
                self.name,
                "set"
                    | "frozenset"
                    | "object"
                    | "bytearray"
                    | "complex"
                    | "slice"
                    | "dict"
                    | "list"
            ),
            _ => false,
        }
    }
}

impl Storage<'_> {
    /// Length in bytes, if it can be written in 64 bits.
    pub(super) fn bytes(&self) -> Option<u64> {
        self.elements.checked_mul(self.element())
    }

    /// Length of an element, in bytes.
    pub(super) fn element(&self) -> u64 {
        self.dtype.bitsize() as u64 / 8
    }
}
