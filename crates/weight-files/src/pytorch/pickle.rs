//! A machine for pickles that only builds values.
//!
//! It knows the instructions that `torch.save` uses. The memory it takes is proportional to the length of the pickle.

use std::collections::BTreeMap;

use super::tensor;
use super::value::{Function, Id, Value};
use crate::error::Fault;

/// The value of everything that tensors are not made of.
const OPAQUE: Id = 0;

/// Values of the longest pickle. A tensor takes about fifteen.
const MOST_VALUES: usize = 1 << 20;

/// A parsed pickle.
pub(super) struct Parsed<'a> {
    pub(super) values: Vec<Value<'a>>,
    /// The value that was pickled.
    pub(super) root: Id,
    /// Bytes that the pickle takes.
    pub(super) length: usize,
}

impl<'a> Parsed<'a> {
    /// The value that was pickled.
    pub(super) fn root(&self) -> &Value<'a> {
        &self.values[self.root as usize]
    }
}

/// Reads the pickle at the start of `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed<'_>, Fault> {
    let mut machine = Machine {
        bytes,
        at: 0,
        values: vec![Value::Opaque],
        stack: Vec::new(),
        marks: Vec::new(),
        memo: BTreeMap::new(),
        copied: 0,
    };
    let mut start = 0;
    let root = machine.run(&mut start).map_err(|fault| fault.at(start))?;
    Ok(Parsed {
        values: machine.values,
        root,
        length: machine.at,
    })
}

/// What is wrong, before its place is known.
pub(super) enum Broken {
    Pickle(&'static str),
    Other(Fault),
}

impl Broken {
    fn at(self, at: usize) -> Fault {
        match self {
            Self::Pickle(what) => Fault::Pickle { at, what },
            Self::Other(fault) => fault,
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack at open marks.
    marks: Vec<usize>,
    memo: BTreeMap<u32, Id>,
    /// Pairs that were copied from lists into dictionaries.
    copied: usize,
}

impl<'a> Machine<'a> {
    /// Runs to the end; `start` is where the latest instruction begins.
    fn run(&mut self, start: &mut usize) -> Result<Id, Broken> {
        loop {
            *start = self.at;
            if self.values.len() > MOST_VALUES {
                return Err(Broken::Pickle(
                    "it has more values than a file of weights needs",
                ));
            }
            match self.number::<1>()? as u8 {
                b'.' => return self.pop(),
                instruction => self.step(instruction)?,
            }
        }
    }

    fn step(&mut self, instruction: u8) -> Result<(), Broken> {
        match instruction {
            0x80 => _ = self.take(1)?, // protocol
            0x95 => _ = self.take(8)?, // length of a frame
            b'(' => self.marks.push(self.stack.len()),

            b'N' => self.stack.push(OPAQUE),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'K' => self.push_number::<1>()?,
            b'M' => self.push_number::<2>()?,
            b'J' => {
                let value = self.number::<4>()? as u32;
                self.push(Value::Int(i64::from(value.cast_signed())));
            }
            0x8a => self.long()?,
            b'G' => {
                self.take(8)?;
                self.stack.push(OPAQUE);
            }
            b'U' | 0x8c => self.text::<1>()?,
            b'X' | b'T' => self.text::<4>()?,
            b'C' => self.skip::<1>()?,
            b'B' => self.skip::<4>()?,

            b')' => self.push(Value::Tuple(Vec::new())),
            b']' => self.push(Value::List(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Tuple(items));
            }
            b'l' => {
                let items = self.pop_to_mark()?;
                self.push(Value::List(items));
            }
            b'd' => {
                let items = pairs(&self.pop_to_mark()?)?;
                self.push(Value::Dict(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.append(&items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[(key, value)])?;
            }
            b'u' => {
                let items = pairs(&self.pop_to_mark()?)?;
                self.set(&items)?;
            }

            b'q' => self.remember::<1>()?,
            b'r' => self.remember::<4>()?,
            0x94 => {
                let next = self.memo.len() as u32;
                self.memo.insert(next, self.top()?);
            }
            b'h' => self.recall::<1>()?,
            b'j' => self.recall::<4>()?,

            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.function(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(module), Value::Text(name)) =
                    (self.value(module), self.value(name))
                else {
                    return Err(Broken::Pickle(
                        "a function is named by something else than text",
                    ));
                };
                self.function(module, name)?;
            }
            b'Q' => {
                let id = self.pop()?;
                let storage = tensor::storage(&self.values, id)?;
                self.push(Value::Storage(storage));
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.call(function, arguments)?;
            }
            0x81 => {
                // A new object of a class.
                self.pop()?;
                self.pop()?;
                self.stack.push(OPAQUE);
            }
            // The state of an object. That of a dictionary is not among its items.
            b'b' => _ = self.pop()?,
            _ => return Err(Broken::Pickle("torch.save writes no such instruction")),
        }
        Ok(())
    }

    fn value(&self, id: Id) -> &Value<'a> {
        &self.values[id as usize]
    }

    fn push(&mut self, value: Value<'a>) {
        self.stack.push(self.values.len() as Id);
        self.values.push(value);
    }

    fn top(&self) -> Result<Id, Broken> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(id) if self.stack.len() > floor => Ok(*id),
            _ => Err(Broken::Pickle("it takes more values than there are")),
        }
    }

    fn pop(&mut self) -> Result<Id, Broken> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, Broken> {
        let mark = self.marks.pop().ok_or(Broken::Pickle("there is no mark"))?;
        Ok(self.stack.split_off(mark))
    }

    fn tuple(&mut self, items: usize) -> Result<(), Broken> {
        let mut tuple = Vec::with_capacity(items);
        for _ in 0..items {
            tuple.push(self.pop()?);
        }
        tuple.reverse();
        self.push(Value::Tuple(tuple));
        Ok(())
    }

    fn append(&mut self, items: &[Id]) -> Result<(), Broken> {
        let list = self.top()?;
        match &mut self.values[list as usize] {
            Value::List(list) => list.extend_from_slice(items),
            Value::Opaque => {}
            _ => {
                return Err(Broken::Pickle(
                    "items are added to something that is no list",
                ));
            }
        }
        Ok(())
    }

    fn set(&mut self, items: &[(Id, Id)]) -> Result<(), Broken> {
        let dict = self.top()?;
        match &mut self.values[dict as usize] {
            Value::Dict(dict) => dict.extend_from_slice(items),
            Value::Opaque => {}
            _ => {
                return Err(Broken::Pickle(
                    "items are set in something that is no dictionary",
                ));
            }
        }
        Ok(())
    }

    fn remember<const N: usize>(&mut self) -> Result<(), Broken> {
        let key = self.number::<N>()? as u32;
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall<const N: usize>(&mut self) -> Result<(), Broken> {
        let key = self.number::<N>()? as u32;
        let id = self
            .memo
            .get(&key)
            .ok_or(Broken::Pickle("it recalls what was not stored"))?;
        self.stack.push(*id);
        Ok(())
    }

    fn function(&mut self, module: &'a str, name: &'a str) -> Result<(), Broken> {
        let function = Function { module, name };
        if !function.is_harmless() {
            return Err(Broken::Other(Fault::Forbidden {
                function: format!("{module}.{name}"),
            }));
        }
        self.push(Value::Function(function));
        Ok(())
    }

    /// Builds what a call would, for the calls that make dictionaries and tensors.
    fn call(&mut self, function: Id, arguments: Id) -> Result<(), Broken> {
        let Value::Function(function) = *self.value(function) else {
            self.stack.push(OPAQUE);
            return Ok(());
        };
        let Value::Tuple(arguments) = &self.values[arguments as usize] else {
            return Err(Broken::Pickle("the arguments of a call are no tuple"));
        };
        match (function.module, function.name) {
            ("collections", "OrderedDict") => {
                let items = match arguments.first() {
                    Some(list) => self.pairs_in(*list)?,
                    None => Vec::new(),
                };
                // One list may be named again and again.
                self.copied += items.len();
                if self.copied > self.bytes.len() {
                    return Err(Broken::Pickle("a list is copied too often"));
                }
                self.push(Value::Dict(items));
            }
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => {
                let view = tensor::view(&self.values, arguments)?;
                self.push(Value::Tensor(Box::new(view)));
            }
            ("torch._utils", "_rebuild_parameter") => {
                let tensor = *arguments
                    .first()
                    .ok_or(Broken::Pickle("a parameter has no tensor"))?;
                self.stack.push(tensor);
            }
            _ => self.stack.push(OPAQUE),
        }
        Ok(())
    }

    /// The items of a list of pairs.
    fn pairs_in(&self, list: Id) -> Result<Vec<(Id, Id)>, Broken> {
        let (Value::List(items) | Value::Tuple(items)) = self.value(list) else {
            return Err(Broken::Pickle(
                "a dictionary is made of something that is no list",
            ));
        };
        let pair = |id: &Id| match self.value(*id) {
            Value::Tuple(pair) | Value::List(pair) if pair.len() == 2 => Ok((pair[0], pair[1])),
            _ => Err(Broken::Pickle(
                "a dictionary is made of something that is no pair",
            )),
        };
        items.iter().map(pair).collect()
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Broken> {
        let rest = &self.bytes[self.at..];
        let taken = rest
            .get(..count)
            .ok_or(Broken::Pickle("it ends too early"))?;
        self.at += count;
        Ok(taken)
    }

    /// An unsigned little-endian number of `N` bytes, up to eight.
    fn number<const N: usize>(&mut self) -> Result<u64, Broken> {
        let mut bytes = [0; 8];
        bytes[..N].copy_from_slice(self.take(N)?);
        Ok(u64::from_le_bytes(bytes))
    }

    fn push_number<const N: usize>(&mut self) -> Result<(), Broken> {
        let value = self.number::<N>()? as i64;
        self.push(Value::Int(value));
        Ok(())
    }

    /// A signed number of as many bytes as it says. Sizes and offsets have up to eight.
    fn long(&mut self) -> Result<(), Broken> {
        let length = self.number::<1>()? as usize;
        let bytes = self.take(length)?;
        if length > 8 {
            self.stack.push(OPAQUE);
            return Ok(());
        }
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut number = [if negative { 0xff } else { 0 }; 8];
        number[..length].copy_from_slice(bytes);
        self.push(Value::Int(i64::from_le_bytes(number)));
        Ok(())
    }

    /// Text behind its length of `N` bytes. Python 2 put bytes into text, too.
    fn text<const N: usize>(&mut self) -> Result<(), Broken> {
        let length = self.number::<N>()? as usize;
        match str::from_utf8(self.take(length)?) {
            Ok(text) => self.push(Value::Text(text)),
            Err(_) => self.stack.push(OPAQUE),
        }
        Ok(())
    }

    /// Bytes behind their length of `N` bytes.
    fn skip<const N: usize>(&mut self) -> Result<(), Broken> {
        let length = self.number::<N>()? as usize;
        self.take(length)?;
        self.stack.push(OPAQUE);
        Ok(())
    }

    fn line(&mut self) -> Result<&'a str, Broken> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|byte| *byte == b'\n');
        let line = self.take(end.ok_or(Broken::Pickle("a name does not end"))?)?;
        self.take(1)?;
        str::from_utf8(line).map_err(|_| Broken::Pickle("a name is no text"))
    }
}

fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>, Broken> {
    let (pairs, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Broken::Pickle("a key has no value"));
    }
    Ok(pairs.iter().map(|pair| (pair[0], pair[1])).collect())
}
