//! Pickles of lists, dictionaries, texts and numbers. Nothing is called: an instruction that would call something, or name
//! it, is an error.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::sync::atomic::Ordering;

use crate::error::{ImportError, Place};
use crate::json::Input;

/// Largest pickle, in bytes.
const LARGEST: u64 = 1 << 30;

/// Index of a value.
pub(crate) type Id = u32;

enum Value {
    /// None, a boolean or bytes.
    Nothing,
    Int(i64),
    Float(f64),
    Text(Box<str>),
    List(Vec<Id>),
    /// Keys and values in turns.
    Dict(Vec<Id>),
}

/// Values of a pickle.
pub(crate) struct Pickle {
    values: Vec<Value>,
    root: Id,
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
        let mut machine = Machine {
            bytes: &bytes,
            ..Machine::default()
        };
        let outcome = if bytes.len() as u64 > LARGEST {
            Err(Broken::Wrong("it has more than 1 GiB"))
        } else {
            machine.run()
        };
        let at = machine.at;
        match outcome {
            Ok(root) => Ok(Self {
                values: machine.values,
                root,
            }),
            Err(Broken::Wrong(problem)) => Err(ImportError::content(
                input.path,
                Place::File,
                format!("no pickle of lists and dictionaries: {problem} (byte {at})"),
                "make or download the file again",
            )),
            Err(Broken::Calls(what)) => Err(ImportError::content(
                input.path,
                Place::File,
                format!(
                    "the pickle names `{what}`, which would run code (byte {at}); nothing was run"
                ),
                "only lists, dictionaries, texts and numbers are read: pickle those alone, and trust no other file of its origin",
            )),
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
        let Value::Dict(pairs) = &self.values[self.root as usize] else {
            return None;
        };
        let pair = |[name, number]: &[Id; 2]| match self.values[*number as usize] {
            Value::Int(number) => Some((self.text(*name)?, number)),
            _ => None,
        };
        pairs.as_chunks::<2>().0.iter().map(pair).collect()
    }

    /// The texts of the list that was pickled.
    pub(crate) fn texts(&self) -> Option<Vec<&str>> {
        let list = self.list(self.root)?;
        list.iter().map(|of| self.text(*of)).collect()
    }
}

enum Broken {
    Wrong(&'static str),
    Calls(String),
}

const SHORT: Broken = Broken::Wrong("it ends too early");
const STACK: Broken = Broken::Wrong("an instruction lacks what it works on");

#[derive(Default)]
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Result<Id, Broken> {
        loop {
            match self.take(1)?[0] {
                b'.' => return self.pop(),
                instruction => self.step(instruction)?,
            }
        }
    }

    #[expect(clippy::too_many_lines, reason = "an arm for each instruction")]
    fn step(&mut self, instruction: u8) -> Result<(), Broken> {
        match instruction {
            0x80 => _ = self.take(1)?, // protocol
            0x95 => _ = self.take(8)?, // length of a frame
            b'(' => self.marks.push(self.stack.len()),
            b'0' => _ = self.pop()?,
            b'N' | 0x88 | 0x89 => self.push(Value::Nothing)?,
            b'K' => self.integer::<1>()?,
            b'M' => self.integer::<2>()?,
            b'J' => {
                let number = self.number::<4>()? as u32;
                self.push(Value::Int(i64::from(number.cast_signed())))?;
            }
            0x8a => {
                let length = self.number::<1>()? as usize;
                let bytes = self.take(length)?;
                if length > 8 {
                    return Err(Broken::Wrong("a number has more than 64 bits"));
                }
                let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
                let mut all = [if negative { 0xff } else { 0 }; 8];
                all[..length].copy_from_slice(bytes);
                self.push(Value::Int(i64::from_le_bytes(all)))?;
            }
            b'I' | b'L' => {
                let line = self.line()?.trim_end_matches('L');
                let value = match line {
                    "00" | "01" => Value::Nothing,
                    line => Value::Int(
                        line.parse()
                            .map_err(|_| Broken::Wrong("a number is none"))?,
                    ),
                };
                self.push(value)?;
            }
            b'F' => {
                let number = self
                    .line()?
                    .parse()
                    .map_err(|_| Broken::Wrong("a number is none"))?;
                self.push(Value::Float(number))?;
            }
            b'G' => {
                let bytes = self.take(8)?;
                let number = bytes
                    .iter()
                    .fold(0, |bits, byte| (bits << 8) | u64::from(*byte));
                self.push(Value::Float(f64::from_bits(number)))?;
            }
            b'U' | 0x8c => self.text::<1>()?,
            b'X' | b'T' => self.text::<4>()?,
            0x8d => self.text::<8>()?,
            b'V' | b'S' => {
                let line = self.line()?;
                let quoted = line.len() > 1 && (line.starts_with('\'') || line.starts_with('"'));
                let line = if instruction == b'S' && quoted {
                    &line[1..line.len() - 1]
                } else {
                    line
                };
                if line.contains('\\') {
                    return Err(Broken::Wrong(
                        "a text of protocol 0 has escapes; pickle it with protocol 2",
                    ));
                }
                self.push(Value::Text(line.into()))?;
            }
            b'C' => self.skip::<1>()?,
            b'B' => self.skip::<4>()?,
            b']' | b')' => self.push(Value::List(Vec::new()))?,
            b'}' => self.push(Value::Dict(Vec::new()))?,
            b'l' | b't' => {
                let list = self.above_mark()?;
                self.push(Value::List(list))?;
            }
            0x85..=0x87 => {
                let count = usize::from(instruction - 0x84);
                let from = self.stack.len().checked_sub(count).ok_or(STACK)?;
                let list = self.stack.split_off(from);
                self.push(Value::List(list))?;
            }
            b'd' => {
                let pairs = self.above_mark()?;
                self.push(Value::Dict(pairs))?;
            }
            b'a' => {
                let value = self.pop()?;
                self.extend(vec![value])?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.extend(vec![key, value])?;
            }
            b'e' | b'u' => {
                let values = self.above_mark()?;
                self.extend(values)?;
            }
            b'q' => self.remember::<1>()?,
            b'r' => self.remember::<4>()?,
            0x94 => {
                let (next, top) = (self.memo.len() as u32, self.top()?);
                self.memo.insert(next, top);
            }
            b'p' => {
                let place = self
                    .line()?
                    .parse()
                    .map_err(|_| Broken::Wrong("a number is none"))?;
                let top = self.top()?;
                self.memo.insert(place, top);
            }
            b'h' => self.recall::<1>()?,
            b'j' => self.recall::<4>()?,
            b'g' => {
                let place = self
                    .line()?
                    .parse()
                    .map_err(|_| Broken::Wrong("a number is none"))?;
                self.recalled(place)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                return Err(Broken::Calls(format!("{module}.{name}")));
            }
            0x93 => {
                let name = |id: Option<&Id>| match id.map(|id| &self.values[*id as usize]) {
                    Some(Value::Text(text)) => text.to_string(),
                    _ => "?".to_owned(),
                };
                let mut names = self.stack.iter().rev();
                let (last, first) = (name(names.next()), name(names.next()));
                return Err(Broken::Calls(format!("{first}.{last}")));
            }
            b'R' | b'b' | b'i' | b'o' | 0x81 | 0x92 | b'P' | b'Q' | 0x82..=0x84 => {
                return Err(Broken::Calls("an object".to_owned()));
            }
            _ => {
                return Err(Broken::Wrong(
                    "it has an instruction that such a pickle does not need",
                ));
            }
        }
        Ok(())
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Broken> {
        let end = self.at.checked_add(count).ok_or(SHORT)?;
        let bytes = self.bytes.get(self.at..end).ok_or(SHORT)?;
        self.at = end;
        Ok(bytes)
    }

    fn number<const N: usize>(&mut self) -> Result<u64, Broken> {
        let bytes = self.take(N)?.iter().rev();
        Ok(bytes.fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    fn line(&mut self) -> Result<&'a str, Broken> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or(SHORT)?;
        self.at += end + 1;
        std::str::from_utf8(&rest[..end]).map_err(|_| Broken::Wrong("a text is not UTF-8"))
    }

    fn push(&mut self, value: Value) -> Result<(), Broken> {
        let id = u32::try_from(self.values.len())
            .map_err(|_| Broken::Wrong("it has too many values"))?;
        self.values.push(value);
        self.stack.push(id);
        Ok(())
    }

    fn integer<const N: usize>(&mut self) -> Result<(), Broken> {
        let number = self.number::<N>()?;
        self.push(Value::Int(number.cast_signed()))
    }

    fn text<const N: usize>(&mut self) -> Result<(), Broken> {
        let length = self.number::<N>()? as usize;
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| Broken::Wrong("a text is not UTF-8"))?;
        self.push(Value::Text(text.into()))
    }

    fn skip<const N: usize>(&mut self) -> Result<(), Broken> {
        let length = self.number::<N>()? as usize;
        self.take(length)?;
        self.push(Value::Nothing)
    }

    fn pop(&mut self) -> Result<Id, Broken> {
        if self.marks.last() == Some(&self.stack.len()) {
            return Err(STACK);
        }
        self.stack.pop().ok_or(STACK)
    }

    fn top(&self) -> Result<Id, Broken> {
        self.stack.last().copied().ok_or(STACK)
    }

    fn above_mark(&mut self) -> Result<Vec<Id>, Broken> {
        let mark = self.marks.pop().ok_or(STACK)?;
        if mark > self.stack.len() {
            return Err(STACK);
        }
        Ok(self.stack.split_off(mark))
    }

    /// Adds to the list or dictionary on top.
    fn extend(&mut self, added: Vec<Id>) -> Result<(), Broken> {
        let top = self.top()?;
        match &mut self.values[top as usize] {
            Value::List(list) => list.extend(added),
            Value::Dict(pairs) if added.len().is_multiple_of(2) => pairs.extend(added),
            _ => return Err(STACK),
        }
        Ok(())
    }

    fn remember<const N: usize>(&mut self) -> Result<(), Broken> {
        let place = self.number::<N>()? as u32;
        let top = self.top()?;
        self.memo.insert(place, top);
        Ok(())
    }

    fn recall<const N: usize>(&mut self) -> Result<(), Broken> {
        let place = self.number::<N>()? as u32;
        self.recalled(place)
    }

    fn recalled(&mut self, place: u32) -> Result<(), Broken> {
        let id = self.memo.get(&place).copied();
        self.stack
            .push(id.ok_or(Broken::Wrong("it refers to a value that is not there"))?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::AtomicU64;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Pickle, ImportError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.pkl");
        fs::write(&path, bytes).expect("a file");
        Pickle::read(Input {
            path: Path::new(&path),
            meter: &AtomicU64::new(0),
        })
    }

    #[test]
    fn values_are_read_and_shared_ones_found() {
        let pickle = read(b"\x80\x02]q\x00(}q\x01(X\x01\x00\x00\x00aq\x02K\x05uh\x01h\x02e.").ok();
        let pickle = pickle.expect("a pickle");
        let list = pickle.list(pickle.root()).expect("a list");
        for of in &list[..2] {
            assert_eq!(
                pickle.get(*of, "a").and_then(|of| pickle.id(of)),
                Some("5".to_owned())
            );
        }
        assert_eq!(pickle.text(list[2]), Some("a"));
    }

    #[test]
    fn a_pickle_that_would_call_something_is_refused_by_name() {
        let error = read(b"\x80\x02}q\x00(K\x01c__builtin__\nprint\nq\x01\x85Ru.")
            .err()
            .expect("an error");
        let message = error.to_string();
        assert!(message.contains("__builtin__.print"), "{message}");
        let error = read(b"\x80\x04\x8c\x02os\x8c\x06system\x93.")
            .err()
            .expect("an error");
        assert!(error.to_string().contains("os.system"), "{error}");
    }

    #[test]
    fn broken_and_hostile_pickles_are_errors() {
        let whole = b"\x80\x02]q\x00(K\x01K\x02e.";
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "{end}");
        }
        // Deep nesting, a text that says it is longer than the file, pops below a mark.
        let mut deep = b"\x80\x02".to_vec();
        deep.extend(std::iter::repeat_n(b"](", 100_000).flatten());
        assert!(read(&deep).is_err());
        assert!(read(b"\x80\x02X\xff\xff\xff\xffa.").is_err());
        assert!(read(b"\x80\x02K\x01(0.").is_err());
        assert!(read(b"\x80\x02]]a(e(ee.").is_err());
    }
}
