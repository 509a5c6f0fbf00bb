//! Arrays in files of their own, `.npy`. The crate `npyz` reads them, too, but brings a parser of Python with its build of C.

use crate::array::{Array, Kind};
use crate::pickle::{Pickle, Refused};

/// The first bytes of a file.
pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";

/// What is in a file.
pub(crate) enum Content {
    Numbers(Array),
    /// A pickled object.
    Object(Pickle),
}

/// Parses an `.npy` file.
///
/// # Errors
/// Says what is wrong with the file, and the cure.
pub(crate) fn read(bytes: &[u8]) -> Result<Content, Refused> {
    let refused = |problem: String| Refused {
        problem,
        cure: super::regions::AGAIN,
    };
    let short = || refused("not a complete NumPy array: it ends within its header".to_owned());
    let rest = bytes
        .strip_prefix(MAGIC)
        .ok_or_else(|| refused("no array of NumPy".to_owned()))?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(short)?;
    let (length, rest) = match version[0] {
        1 => {
            let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(short)?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        2 | 3 => {
            let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
            (u32::from_le_bytes(*length) as usize, rest)
        }
        other => return Err(refused(format!("an array of NumPy in version {other}"))),
    };
    let (header, data) = rest.split_at_checked(length).ok_or_else(short)?;
    let header = String::from_utf8_lossy(header);
    let (Some(code), Some(shape)) = (text_of(&header, "descr"), shape_of(&header)) else {
        return Err(refused(format!(
            "an array of NumPy of another form: {}",
            header.trim()
        )));
    };
    let fortran = value_of(&header, "fortran_order").is_some_and(|value| value.starts_with("True"));
    if code
        .trim_start_matches(['|', '<', '>', '='])
        .starts_with('O')
    {
        return Pickle::with_arrays(data.to_vec()).map(Content::Object);
    }
    let (order, code) = code.split_at(usize::from(code.starts_with(['|', '<', '>', '='])));
    let kind =
        Kind::of(code).ok_or_else(|| refused(format!("an array of `{code}`, not of numbers")))?;
    let bytes = data.len();
    Array::new(shape.clone(), kind, order == ">", fortran, data.to_vec())
        .map(Content::Numbers)
        .ok_or_else(|| {
            refused(format!(
                "the array has {bytes} bytes, which are not those of its shape {shape:?}"
            ))
        })
}

/// What follows a key of the header.
fn value_of<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let quoted = [format!("'{key}'"), format!("\"{key}\"")];
    let (_, rest) = quoted
        .iter()
        .find_map(|key| header.split_once(key.as_str()))?;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

fn text_of<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let value = value_of(header, key)?;
    let quote = value
        .chars()
        .next()
        .filter(|quote| ['\'', '"'].contains(quote))?;
    value[1..].split(quote).next()
}

fn shape_of(header: &str) -> Option<Vec<usize>> {
    let value = value_of(header, "shape")?.strip_prefix('(')?;
    let sides = value.split(')').next()?.split(',').map(str::trim);
    sides
        .filter(|side| !side.is_empty())
        .map(|side| side.trim_end_matches('L').parse().ok())
        .collect()
}
