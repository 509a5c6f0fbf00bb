//! Arrays of numbers, as `NumPy` lays them out: alone in a file, in an archive, or in a pickle.

use half::f16;

/// The type of an array's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A fraction of this many bytes: 2, 4 or 8.
    Float(usize),
    /// A whole number of this many bytes with a sign.
    Int(usize),
    /// A whole number of this many bytes without a sign.
    Unsigned(usize),
}

impl Kind {
    /// The kind that `NumPy` writes as `f4`, `i8` and such.
    pub(crate) fn of(code: &str) -> Option<Self> {
        let (letter, bytes) = code.split_at_checked(1)?;
        let bytes = bytes.parse().ok()?;
        match (letter, bytes) {
            ("f", 2 | 4 | 8) => Some(Self::Float(bytes)),
            ("i", 1 | 2 | 4 | 8) => Some(Self::Int(bytes)),
            ("u", 1 | 2 | 4 | 8) => Some(Self::Unsigned(bytes)),
            _ => None,
        }
    }

    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Float(bytes) | Self::Int(bytes) | Self::Unsigned(bytes) => bytes,
        }
    }
}

/// An array of numbers.
#[derive(Debug, Clone)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    kind: Kind,
    /// Whether the highest byte of a number comes first.
    big: bool,
    /// Whether the first index changes fastest.
    fortran: bool,
    bytes: Vec<u8>,
}

impl Array {
    /// Nothing if the bytes are not those of this many numbers.
    pub(crate) fn new(
        shape: Vec<usize>,
        kind: Kind,
        big: bool,
        fortran: bool,
        bytes: Vec<u8>,
    ) -> Option<Self> {
        let mut sides = shape.iter();
        let needed = sides.try_fold(kind.bytes(), |bytes, side| bytes.checked_mul(*side))?;
        (needed == bytes.len()).then_some(Self {
            shape,
            kind,
            big,
            fortran,
            bytes,
        })
    }

    fn number_at(&self, index: usize) -> f64 {
        let size = self.kind.bytes();
        let bytes = &self.bytes[index * size..][..size];
        let add = |bits: u64, byte: &u8| (bits << 8) | u64::from(*byte);
        let bits = if self.big {
            bytes.iter().fold(0, add)
        } else {
            bytes.iter().rev().fold(0, add)
        };
        match self.kind {
            Kind::Float(2) => f16::from_bits(bits as u16).to_f64(),
            Kind::Float(4) => f64::from(f32::from_bits(bits as u32)),
            Kind::Float(_) => f64::from_bits(bits),
            Kind::Unsigned(_) => bits as f64,
            Kind::Int(size) => {
                let unused = 64 - 8 * size as u32;
                ((bits << unused).cast_signed() >> unused) as f64
            }
        }
    }

    /// The one number of an array that has no other.
    pub(crate) fn number(&self) -> Option<f64> {
        (self.shape.iter().product::<usize>() == 1).then(|| self.number_at(0))
    }

    /// All numbers, the last index changing fastest.
    pub(crate) fn floats(&self) -> Vec<f32> {
        if self.kind == Kind::Float(4) && !self.big && !self.transposed() {
            let numbers = self.bytes.as_chunks::<4>().0.iter();
            return numbers.map(|bytes| f32::from_le_bytes(*bytes)).collect();
        }
        let count = self.bytes.len() / self.kind.bytes();
        let index = |place: usize| match self.shape[..] {
            [rows, columns] if self.transposed() => place % columns * rows + place / columns,
            _ => place,
        };
        (0..count)
            .map(|place| self.number_at(index(place)) as f32)
            .collect()
    }

    /// Whether the numbers of a table stand column after column.
    fn transposed(&self) -> bool {
        self.fortran && self.shape.len() == 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_whatever_their_type_and_order() {
        let array = |shape: &[usize], code: &str, big, fortran, bytes: &[u8]| {
            let kind = Kind::of(code).expect("a type of numbers");
            Array::new(shape.to_vec(), kind, big, fortran, bytes.to_vec())
        };
        let numbers = |code: &str, big, bytes: &[u8]| {
            let array = array(&[bytes.len() / 2], code, big, false, bytes).expect("an array");
            array.floats()
        };
        assert_eq!(numbers("i2", false, &[0xff, 0xff, 1, 0]), [-1.0, 1.0]);
        assert_eq!(numbers("u2", true, &[0xff, 0xff, 0, 1]), [65535.0, 1.0]);
        assert_eq!(numbers("f2", false, &[0, 0x3c, 0, 0xc0]), [1.0, -2.0]);
        let double = array(&[], "f8", true, false, &2.5_f64.to_be_bytes());
        assert_eq!(double.and_then(|array| array.number()), Some(2.5));
        let columns = array(&[2, 3], "u1", false, true, &[1, 4, 2, 5, 3, 6]).expect("a table");
        assert_eq!(columns.floats(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert!(array(&[usize::MAX, 2], "f4", false, false, &[]).is_none());
        assert!(array(&[2], "f4", false, false, &[0; 7]).is_none());
        assert!(Kind::of("O8").is_none() && Kind::of("f").is_none());
    }
}
