//! Values of a pickle.

use std::fmt;

use crate::Dtype;

/// Index of a value. Values refer to each other by it, so that one that is used twice exists once.
pub(super) type Id = u32;

/// Length of the longest Python name that is shown, in characters.
const LONGEST_NAME: usize = 100;

/// What is wrong with a pickle, before its place is known.
pub(super) struct Broken(pub(super) &'static str);

/// A value of a pickle.
#[derive(Debug)]
pub(super) enum Value<'a> {
    /// Data that neither tensors nor dictionaries are made of: nothing, fractions, bytes, sets.
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
    /// What the function or class would make if it were called.
    Object(Function<'a>),
    Storage(Storage<'a>),
    Tensor(Box<View<'a>>),
    /// A tensor whose numbers are not read.
    Unread(Box<Unread<'a>>),
}

/// Name of a Python function or class.
#[derive(Debug, Clone, Copy)]
pub(super) struct Function<'a> {
    pub(super) module: &'a str,
    pub(super) name: &'a str,
}

impl fmt::Display for Function<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let full = [self.module, ".", self.name];
        let characters = full.iter().flat_map(|part| part.chars());
        let shown: String = characters.take(LONGEST_NAME).collect();
        f.write_str(&shown)
    }
}

/// Why the numbers of a tensor are not read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unread<'a> {
    /// Its elements have a type that is not read.
    Type(Function<'a>),
    /// Another form than a block of numbers with strides.
    Form(&'static str),
    /// `PyTorch` makes it with a function that is not known here.
    Made(Function<'a>),
    /// What it is made of is itself not read.
    Parts,
}

impl fmt::Display for Unread<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(dtype) => write!(f, "a tensor of {dtype}"),
            Self::Form(form) => f.write_str(form),
            Self::Made(function) => write!(f, "a tensor made by {function}"),
            Self::Parts => f.write_str("a tensor made of data that is not read"),
        }
    }
}

/// Numbers that tensors are views of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Storage<'a> {
    pub(super) key: &'a str,
    pub(super) element: &'static Element,
    /// Number of elements.
    pub(super) elements: u64,
}

/// A type of elements that a storage may have.
#[derive(Debug)]
pub(super) struct Element {
    /// Class of the storage in the Python module `torch`, or `torch.storage` for untyped bytes.
    pub(super) storage: &'static str,
    /// The type, where tensors of it are read.
    pub(super) dtype: Option<Dtype>,
    /// Length of an element, in bytes.
    pub(super) bytes: u64,
}

/// A tensor: some elements of a storage.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) storage: Storage<'a>,
    pub(super) dtype: Dtype,
    /// Elements in front of the first one.
    pub(super) offset: u64,
    pub(super) shape: Vec<usize>,
    /// Elements between neighbours along each axis.
    pub(super) strides: Vec<usize>,
}

impl Storage<'_> {
    /// Length in bytes, if it can be written in 64 bits.
    pub(super) fn bytes(&self) -> Option<u64> {
        self.elements.checked_mul(self.element.bytes)
    }
}
