//! A machine for pickles that only builds values.
//!
//! It knows the instructions of the protocols 0 to 5. It calls nothing: what a call would make is an inert value with the
//! name of the function, except for dictionaries and tensors, whose contents it keeps. The memory it takes is proportional
//! to the length of the pickle.
//!
//! One file because only all instructions side by side show that none of them calls anything.

use std::collections::BTreeMap;

use super::tensor;
use super::value::{Broken, Function, Id, Value};
use crate::error::Fault;

/// The longest pickle that is read, in bytes: room for the arrays that programs put beside twenty thousand tensors. Parsing
/// one that is made to do harm takes less than a hundred times as much memory.
pub const LONGEST_PICKLE: u64 = 64 << 20;

/// The value of all data that neither tensors nor dictionaries are made of.
const OPAQUE: Id = 0;

/// Values of the longest pickle, and entries of the stack and the memo. A tensor takes about fifteen.
const MOST_VALUES: usize = 4 << 20;

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
    let root = machine
        .run(&mut start)
        .map_err(|Broken(what)| Fault::Pickle { at: start, what })?;
    Ok(Parsed {
        values: machine.values,
        root,
        length: machine.at,
    })
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
            let held = [
                self.values.len(),
                self.stack.len(),
                self.marks.len(),
                self.memo.len(),
            ];
            if held.into_iter().any(|held| held > MOST_VALUES) {
                return Err(Broken("it has more values than a file of weights needs"));
            }
            match self.number::<1>()? as u8 {
                b'.' => return self.pop(),
                instruction => self.step(instruction)?,
            }
        }
    }

    #[expect(
        clippy::too_many_lines,
        clippy::match_same_arms,
        reason = "an arm for each kind of instruction, in the order of their protocols"
    )]
    fn step(&mut self, instruction: u8) -> Result<(), Broken> {
        match instruction {
            0x80 => _ = self.take(1)?, // protocol
            0x95 => _ = self.take(8)?, // length of a frame
            b'(' => self.marks.push(self.stack.len()),

            b'0' if self.marks.last() == Some(&self.stack.len()) => _ = self.marks.pop(),
            b'0' => _ = self.pop()?,
            b'1' => _ = self.pop_to_mark()?,
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }

            b'N' => self.stack.push(OPAQUE),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'K' => self.push_number::<1>()?,
            b'M' => self.push_number::<2>()?,
            b'J' => {
                let value = self.number::<4>()? as u32;
                self.push(Value::Int(i64::from(value.cast_signed())));
            }
            0x8a => self.long::<1>()?,
            0x8b => self.long::<4>()?,
            b'I' | b'L' => self.number_in_digits()?,
            b'F' => {
                self.line()?;
                self.stack.push(OPAQUE);
            }
            b'G' => {
                self.take(8)?;
                self.stack.push(OPAQUE);
            }
            b'S' | b'V' => self.quoted(instruction)?,
            b'U' | 0x8c => self.text::<1>()?,
            b'X' | b'T' => self.text::<4>()?,
            0x8d => self.text::<8>()?,
            b'C' => self.skip::<1>()?,
            b'B' => self.skip::<4>()?,
            0x8e | 0x96 => self.skip::<8>()?,
            0x8f => self.stack.push(OPAQUE), // an empty set
            0x90 => {
                self.pop_to_mark()?;
                self.top()?;
            }
            0x91 => {
                self.pop_to_mark()?;
                self.stack.push(OPAQUE);
            }

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
            b'p' => {
                let key = self.digits()?;
                let top = self.top()?;
                self.memo.insert(key, top);
            }
            0x94 => {
                let next = self.memo.len() as u32;
                self.memo.insert(next, self.top()?);
            }
            b'h' => {
                let key = self.number::<1>()? as u32;
                self.recall(key)?;
            }
            b'j' => {
                let key = self.number::<4>()? as u32;
                self.recall(key)?;
            }
            b'g' => {
                let key = self.digits()?;
                self.recall(key)?;
            }

            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Value::Function(Function { module, name }));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(module), Value::Text(name)) =
                    (self.value(module), self.value(name))
                else {
                    return Err(Broken("a function is named by a value that is not text"));
                };
                self.push(Value::Function(Function { module, name }));
            }
            0x82 => self.extension::<1>()?,
            0x83 => self.extension::<2>()?,
            0x84 => self.extension::<4>()?,
            b'P' => {
                self.line()?;
                self.stack.push(OPAQUE);
            }
            b'Q' => {
                let id = self.pop()?;
                let value = tensor::persistent(&self.values, id)?;
                self.push(value);
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.call(function, arguments)?;
            }
            // New objects of a class.
            0x81 => {
                let (_, class) = (self.pop()?, self.pop()?);
                self.object(class);
            }
            0x92 => {
                let (_, _, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.object(class);
            }
            b'o' => {
                let items = self.pop_to_mark()?;
                let class = items.first().ok_or(Broken("an object has no class"))?;
                self.object(*class);
            }
            b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                self.pop_to_mark()?;
                self.push(Value::Object(Function { module, name }));
            }
            // The state of an object. That of a dictionary is not among its items.
            b'b' => {
                self.pop()?;
                self.top()?;
            }
            _ => return Err(Broken("no protocol up to 5 has such an instruction")),
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
            _ => Err(Broken("it takes more values than there are")),
        }
    }

    fn pop(&mut self) -> Result<Id, Broken> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, Broken> {
        let mark = self.marks.pop().ok_or(Broken("there is no mark"))?;
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
            Value::Opaque | Value::Object(_) => {}
            _ => {
                return Err(Broken("items are added to a value that is not a list"));
            }
        }
        Ok(())
    }

    fn set(&mut self, items: &[(Id, Id)]) -> Result<(), Broken> {
        let dict = self.top()?;
        match &mut self.values[dict as usize] {
            Value::Dict(dict) => dict.extend_from_slice(items),
            // An object with items is a dictionary with something added.
            object @ Value::Object(_) => *object = Value::Dict(items.to_vec()),
            Value::Opaque => {}
            _ => {
                return Err(Broken("items are set in a value that is not a dictionary"));
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

    fn recall(&mut self, key: u32) -> Result<(), Broken> {
        let id = self
            .memo
            .get(&key)
            .ok_or(Broken("it recalls what was not stored"))?;
        self.stack.push(*id);
        Ok(())
    }

    /// A function by its number in a registry of the program that wrote the pickle.
    fn extension<const N: usize>(&mut self) -> Result<(), Broken> {
        self.number::<N>()?;
        self.stack.push(OPAQUE);
        Ok(())
    }

    /// What a class would make.
    fn object(&mut self, class: Id) {
        match *self.value(class) {
            Value::Function(class) => self.push(Value::Object(class)),
            _ => self.stack.push(OPAQUE),
        }
    }

    /// Builds what a call would, for the calls that make dictionaries and tensors.
    fn call(&mut self, called: Id, arguments: Id) -> Result<(), Broken> {
        let Value::Tuple(arguments) = &self.values[arguments as usize] else {
            return Err(Broken("the arguments of a call are no tuple"));
        };
        let Value::Function(function) = *self.value(called) else {
            self.stack.push(OPAQUE);
            return Ok(());
        };
        let inner = match (function.module, function.name) {
            // A tensor with something added: a function, its class, the arguments of the function.
            ("torch._tensor", "_rebuild_from_type_v2") => match &arguments[..] {
                [inner, _, arguments, ..] => Some((self.value(*inner), self.value(*arguments))),
                _ => return Err(Broken("a tensor has too few fields")),
            },
            _ => None,
        };
        let (function, arguments) = match inner {
            Some((Value::Function(function), Value::Tuple(arguments))) => (*function, arguments),
            _ => (function, arguments),
        };
        match (function.module, function.name) {
            ("collections", "OrderedDict") => {
                let items = match arguments.first() {
                    Some(list) => self.pairs_in(*list),
                    None => Some(Vec::new()),
                };
                let Some(items) = items else {
                    self.object(called);
                    return Ok(());
                };
                // One list may be named again and again.
                self.copied += items.len();
                if self.copied > self.bytes.len() {
                    return Err(Broken("a list is copied too often"));
                }
                self.push(Value::Dict(items));
            }
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                let tensor = *arguments
                    .first()
                    .ok_or(Broken("a parameter has no tensor"))?;
                self.stack.push(tensor);
            }
            _ => match tensor::made(&self.values, function, arguments)? {
                Some(value) => self.push(value),
                None => self.object(called),
            },
        }
        Ok(())
    }

    /// The items of a list of pairs; `None` where it is none.
    fn pairs_in(&self, list: Id) -> Option<Vec<(Id, Id)>> {
        let (Value::List(items) | Value::Tuple(items)) = self.value(list) else {
            return None;
        };
        let pair = |id: &Id| match self.value(*id) {
            Value::Tuple(pair) | Value::List(pair) if pair.len() == 2 => Some((pair[0], pair[1])),
            _ => None,
        };
        items.iter().map(pair).collect()
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Broken> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..count).ok_or(Broken("it ends too early"))?;
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
    fn long<const N: usize>(&mut self) -> Result<(), Broken> {
        let length = self.number::<N>()? as usize;
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

    /// A number in decimal digits, or one of the truth values that are written like numbers.
    fn number_in_digits(&mut self) -> Result<(), Broken> {
        let line = self.line()?;
        match line.strip_suffix('L').unwrap_or(line) {
            "01" => self.push(Value::Bool(true)),
            "00" => self.push(Value::Bool(false)),
            digits => match digits.parse() {
                Ok(number) => self.push(Value::Int(number)),
                Err(_) => self.stack.push(OPAQUE),
            },
        }
        Ok(())
    }

    /// The key of a value to remember, in decimal digits.
    fn digits(&mut self) -> Result<u32, Broken> {
        let line = self.line()?;
        line.parse()
            .map_err(|_| Broken("a place in the memo is no number"))
    }

    /// Text in a line, in quotes for `S`. Text with escapes names nothing that is needed.
    fn quoted(&mut self, instruction: u8) -> Result<(), Broken> {
        let line = self.line()?;
        let text = match instruction {
            b'S' => line.get(1..line.len().saturating_sub(1)),
            _ => Some(line),
        };
        match text.filter(|text| !text.contains('\\')) {
            Some(text) => self.push(Value::Text(text)),
            None => self.stack.push(OPAQUE),
        }
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
        let line = self.take(end.ok_or(Broken("a name does not end"))?)?;
        self.take(1)?;
        str::from_utf8(line).map_err(|_| Broken("a name is no text"))
    }
}

fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>, Broken> {
    let (pairs, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Broken("a key has no value"));
    }
    Ok(pairs.iter().map(|pair| (pair[0], pair[1])).collect())
}
