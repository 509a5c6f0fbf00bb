//! The machine that reads a pickle.

use std::collections::HashMap;
use std::str::FromStr;

use super::value::{Id, Name, PickledArray, Value};

/// Why the machine stops early.
pub(super) enum Broken {
    Wrong(&'static str),
    Calls(String),
}

const SHORT: Broken = Broken::Wrong("it ends too early");
const STACK: Broken = Broken::Wrong("an instruction lacks what it works on");

/// Runs the instructions of a pickle. It has none that calls or imports.
#[derive(Default)]
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    /// Whether arrays may be in it.
    arrays: bool,
    pub(super) at: usize,
    pub(super) values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(bytes: &'a [u8], arrays: bool) -> Self {
        Self {
            bytes,
            arrays,
            ..Self::default()
        }
    }

    pub(super) fn run(&mut self) -> Result<Id, Broken> {
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
            b'N' => self.push(Value::Nothing)?,
            0x88 | 0x89 => self.push(Value::Bool(instruction == 0x88))?,
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
                    "00" | "01" => Value::Bool(line == "01"),
                    line => Value::Int(
                        line.parse()
                            .map_err(|_| Broken::Wrong("a number is none"))?,
                    ),
                };
                self.push(value)?;
            }
            b'F' => {
                let number = self.parsed()?;
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
            0x8e => self.skip::<8>()?,
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
                let place = self.parsed()?;
                let top = self.top()?;
                self.memo.insert(place, top);
            }
            b'h' => self.recall::<1>()?,
            b'j' => self.recall::<4>()?,
            b'g' => {
                let place = self.parsed()?;
                self.recalled(place)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.name(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let text = |id: Id| match &self.values[id as usize] {
                    Value::Text(text) => text.to_string(),
                    _ => "?".to_owned(),
                };
                let (module, name) = (text(module), text(name));
                self.name(&module, &name)?;
            }
            b'R' if self.arrays => self.make()?,
            b'b' if self.arrays => self.complete()?,
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

    fn parsed<T: FromStr>(&mut self) -> Result<T, Broken> {
        let line = self.line()?;
        line.parse().map_err(|_| Broken::Wrong("a number is none"))
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
        self.push(Value::Bytes(self.at - length..self.at))
    }

    /// What an array names; anything else would be called.
    fn name(&mut self, module: &str, name: &str) -> Result<(), Broken> {
        let name = match (module, name) {
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => {
                Name::Reconstruct
            }
            ("numpy", "ndarray") => Name::NdArray,
            ("numpy", "dtype") => Name::DataType,
            _ => return Err(Broken::Calls(format!("{module}.{name}"))),
        };
        if !self.arrays {
            return Err(Broken::Calls(format!("{module} (an array)")));
        }
        self.push(Value::Name(name))
    }

    /// An array or a type of numbers without its state, from what would be called and its arguments.
    fn make(&mut self) -> Result<(), Broken> {
        let (arguments, called) = (self.pop()?, self.pop()?);
        let value = |id: Id| &self.values[id as usize];
        let Value::List(arguments) = value(arguments) else {
            return Err(STACK);
        };
        let first = arguments.first().map(|first| value(*first));
        let made = match (value(called), first) {
            (Value::Name(Name::Reconstruct), Some(Value::Name(Name::NdArray))) => {
                Value::Array(None)
            }
            (Value::Name(Name::DataType), Some(Value::Text(code))) => Value::DataType {
                code: code.clone(),
                order: None,
            },
            _ => return Err(Broken::Calls("an object".to_owned())),
        };
        self.push(made)
    }

    /// Gives the array or type on top its state.
    fn complete(&mut self) -> Result<(), Broken> {
        let (state, target) = (self.pop()?, self.top()?);
        let Value::List(state) = &self.values[state as usize] else {
            return Err(Broken::Calls("an object".to_owned()));
        };
        let state = state.clone();
        match (&mut self.values[target as usize], &state[..]) {
            (Value::Array(array), &[_, shape, data_type, fortran, data]) => {
                *array = Some(Box::new(PickledArray {
                    shape,
                    data_type,
                    fortran,
                    data,
                }));
            }
            (Value::DataType { order, .. }, &[_, of_numbers, ..]) => *order = Some(of_numbers),
            _ => return Err(Broken::Calls("an object".to_owned())),
        }
        Ok(())
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
