//! Values of a pickle, which refer to one another by index.

use std::ops::Range;

/// Index of a value.
pub(crate) type Id = u32;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Reconstruct,
    NdArray,
    DataType,
}

/// An array: what its state says.
pub(super) struct PickledArray {
    pub(super) shape: Id,
    pub(super) data_type: Id,
    pub(super) fortran: Id,
    pub(super) data: Id,
}

pub(super) enum Value {
    /// None.
    Nothing,
    Bool(bool),
    /// Where the bytes lie in the pickle.
    Bytes(Range<usize>),
    /// What a pickled array names.
    Name(Name),
    /// The type of an array's numbers, such as `f4`, and their order, `<` or `>`.
    DataType {
        code: Box<str>,
        order: Option<Id>,
    },
    /// An array; nothing as long as it has no state.
    Array(Option<Box<PickledArray>>),
    Int(i64),
    Float(f64),
    Text(Box<str>),
    List(Vec<Id>),
    /// Keys and values in turns.
    Dict(Vec<Id>),
}
