//! Pickles of lists, dictionaries, texts, numbers and, where they are asked for, arrays of `NumPy`'s. Nothing is called: an
//! instruction that would call something, or name it, is an error. What pickled arrays name stands for the array and is no code.

mod machine;
mod value;

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::sync::atomic::Ordering;

use crate::array::{Array, Kind};
use crate::error::{ImportError, Place};
use crate::json::Input;

use machine::{Broken, Machine};
pub(crate) use value::Id;
use value::{PickledArray, Value};

/// Largest pickle, in bytes.
const LARGEST: u64 = 1 << 30;

/// The cure of a pickle that is damaged or holds something else.
const AGAIN: &str = "make or download the file again";

/// Values of a pickle.
pub(crate) struct Pickle {
    values: Vec<Value>,
    root: Id,
    /// The pickle, where arrays are asked for: their numbers lie in it.
    bytes: Vec<u8>,
}

/// Why a pickle is not read.
pub(crate) struct Refused {
    pub(crate) problem: String,
    pub(crate) cure: &'static str,
}

impl Pickle {
    /// Reads a file that is one pickle.
    pub(crate) fn read(input: Input<'_>) -> Result<Self, ImportError> {
        let failed = ImportError::io(input.path);
        let file = fs::File::open(input.path).map_err(&failed)?;
        let mut bytes = Vec::new();
        file.take(LARGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(&failed)?;
        input.meter.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let pickle = if bytes.len() as u64 > LARGEST {
            Err(Refused {
                problem: "no pickle of lists and dictionaries: it has more than 1 GiB".to_owned(),
                cure: AGAIN,
            })
        } else {
            Self::parse(bytes, false)
        };
        let pickle = pickle.map_err(|Refused { problem, cure }| {
            ImportError::content(input.path, Place::File, problem, cure)
        });
        pickle.map(|pickle| Self {
            bytes: Vec::new(),
            ..pickle
        })
    }

    /// Reads a pickle that may have arrays.
    pub(crate) fn with_arrays(bytes: Vec<u8>) -> Result<Self, Refused> {
        Self::parse(bytes, true)
    }

    fn parse(bytes: Vec<u8>, arrays: bool) -> Result<Self, Refused> {
        let mut machine = Machine::new(&bytes, arrays);
        let outcome = machine.run();
        let (at, values) = (machine.at, machine.values);
        match outcome {
            Ok(root) => Ok(Self {
                values,
                root,
                bytes,
            }),
            Err(Broken::Wrong(problem)) => Err(Refused {
                problem: format!("no pickle of lists and dictionaries: {problem} (byte {at})"),
                cure: AGAIN,
            }),
            Err(Broken::Calls(what)) => Err(Refused {
                problem: format!(
                    "the pickle names `{what}`, which would run code (byte {at}); nothing was run"
                ),
                cure: if arrays {
                    "only lists, dictionaries, texts, numbers and arrays are read: pickle those alone, and trust no other file of \
                     its origin"
                } else {
                    "only lists, dictionaries, texts and numbers are read: pickle those alone, and trust no other file of its \
                     origin"
                },
            }),
        }
    }

    pub(crate) fn root(&self) -> Id {
        self.root
    }

    /// The elements of a list or tuple.
    pub(crate) fn list(&self, of: Id) -> Option<&[Id]> {
        match &self.values[of as usize] {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// The value that a dictionary has under a text.
    pub(crate) fn get(&self, of: Id, key: &str) -> Option<Id> {
        let Value::Dict(pairs) = &self.values[of as usize] else {
            return None;
        };
        // A later value replaces an earlier one.
        let mut pairs = pairs.as_chunks::<2>().0.iter().rev();
        let found = pairs.find(|[name, _]| self.text(*name) == Some(key))?;
        Some(found[1])
    }

    fn text(&self, of: Id) -> Option<&str> {
        match &self.values[of as usize] {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A text or a whole number, as text.
    pub(crate) fn id(&self, of: Id) -> Option<String> {
        match &self.values[of as usize] {
            Value::Text(text) => Some(text.to_string()),
            Value::Int(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// A list of numbers.
    pub(crate) fn numbers(&self, of: Id) -> Option<Vec<f64>> {
        let number = |of: &Id| match self.values[*of as usize] {
            Value::Int(number) => Some(number as f64),
            Value::Float(number) => Some(number),
            _ => None,
        };
        self.list(of)?.iter().map(number).collect()
    }

    /// The texts and whole numbers of the dictionary that was pickled.
    pub(crate) fn text_numbers(&self) -> Option<HashMap<&str, i64>> {
        let pair = |[name, number]: &[Id; 2]| Some((self.text(*name)?, self.whole(*number)?));
        self.pairs(self.root)?.iter().map(pair).collect()
    }

    /// Keys and values of a dictionary.
    pub(crate) fn pairs(&self, of: Id) -> Option<&[[Id; 2]]> {
        match &self.values[of as usize] {
            Value::Dict(pairs) => Some(pairs.as_chunks::<2>().0),
            _ => None,
        }
    }

    /// A whole number.
    pub(crate) fn whole(&self, of: Id) -> Option<i64> {
        match self.values[of as usize] {
            Value::Int(number) => Some(number),
            _ => None,
        }
    }

    /// A whole number, a fraction, or an array of one number.
    pub(crate) fn number(&self, of: Id) -> Option<f64> {
        match self.values[of as usize] {
            Value::Int(number) => Some(number as f64),
            Value::Float(number) => Some(number),
            Value::Array(_) => self.array(of)?.number(),
            _ => None,
        }
    }

    /// Bytes, or a text as bytes.
    pub(crate) fn raw(&self, of: Id) -> Option<&[u8]> {
        match &self.values[of as usize] {
            Value::Bytes(range) => self.bytes.get(range.clone()),
            Value::Text(text) => Some(text.as_bytes()),
            _ => None,
        }
    }

    /// The parts of an array's state.
    fn pickled_array(&self, of: Id) -> Option<(&PickledArray, Vec<usize>, &str)> {
        let Value::Array(Some(array)) = &self.values[of as usize] else {
            return None;
        };
        let Value::DataType { code, .. } = &self.values[array.data_type as usize] else {
            return None;
        };
        let side = |of: &Id| usize::try_from(self.whole(*of)?).ok();
        let shape: Option<Vec<_>> = self.list(array.shape)?.iter().map(side).collect();
        Some((array, shape?, code))
    }

    /// An array of numbers.
    pub(crate) fn array(&self, of: Id) -> Option<Array> {
        let (array, shape, code) = self.pickled_array(of)?;
        let Value::DataType { order, .. } = &self.values[array.data_type as usize] else {
            return None;
        };
        let big = order.is_some_and(|order| self.text(order) == Some(">"));
        let fortran = matches!(self.values[array.fortran as usize], Value::Bool(true));
        Array::new(
            shape,
            Kind::of(code)?,
            big,
            fortran,
            self.raw(array.data)?.to_vec(),
        )
    }

    /// The one object of an array that `np.save` made of it.
    pub(crate) fn object(&self, of: Id) -> Option<Id> {
        let (array, shape, code) = self.pickled_array(of)?;
        match self.list(array.data)? {
            [object] if shape.iter().product::<usize>() == 1 && code.starts_with('O') => {
                Some(*object)
            }
            _ => None,
        }
    }

    /// The texts of the list that was pickled.
    pub(crate) fn texts(&self) -> Option<Vec<&str>> {
        let list = self.list(self.root)?;
        list.iter().map(|of| self.text(*of)).collect()
    }
}

#[cfg(test)]
mod tests;
