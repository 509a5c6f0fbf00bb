//! Lines of questions, parsed side by side and taken in order.

use std::ops::ControlFlow;
use std::path::Path;

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use super::layout_of;
use super::place::{OPEN_OBJECT, Place, ends_reading};
use crate::error::{CUT, DataError, Errors};
use crate::files;

/// Bytes of lines that are parsed side by side: enough to share, and little beside what is kept of them.
const BLOCK: usize = 1 << 20;

/// Lines that are parsed one after the other.
const TOGETHER: usize = 128;

/// A line, and what was read of it.
pub(super) struct Parsed<T> {
    /// From 1.
    pub(super) number: usize,
    /// Empty where it could not be read.
    pub(super) text: String,
    /// Nothing where the line is blank.
    pub(super) read: Result<Option<T>, DataError>,
}

/// Parses the lines of a file, on as many threads as there are, and hands them to `take` one after the other in their order until
/// it breaks off. `parse` sees a line, and what it keeps of the few lines before, which are the same on any number of threads.
///
/// # Errors
/// When the file cannot be opened. All other errors are handed over.
pub(super) fn each_line<T: Send, K: Default>(
    path: &Path,
    parse: impl Fn(&Place, &str, &mut K) -> Result<T, DataError> + Sync,
    mut take: impl FnMut(Parsed<T>) -> ControlFlow<()>,
) -> Result<(), DataError> {
    let mut lines = files::lines(path)?;
    loop {
        let block = block(&mut lines);
        if block.is_empty() {
            return Ok(());
        }
        let parsed = |kept: &mut K, (number, line): (usize, Result<String, DataError>)| {
            let (text, read) = match line {
                Err(error) => (String::new(), Err(error)),
                Ok(text) if text.trim().is_empty() => (text, Ok(None)),
                Ok(text) => {
                    let read = parse(&Place { path, number }, &text, kept).map(Some);
                    (text, read)
                }
            };
            Parsed { number, text, read }
        };
        let few = |lines: Vec<_>| {
            let mut kept = K::default();
            let lines = lines.into_iter();
            lines
                .map(|line| parsed(&mut kept, line))
                .collect::<Vec<_>>()
        };
        let block = block.into_par_iter().chunks(TOGETHER);
        let mut parsed: Vec<_> = block.flat_map_iter(few).collect();
        tell_cut(&mut parsed, path);
        for line in parsed {
            if take(line).is_break() {
                return Ok(());
            }
        }
    }
}

/// Adds what is wrong with a line to the errors and says whether to go on. `first`: whether nothing was read before.
pub(super) fn go_on(
    taken: Result<(), DataError>,
    first: bool,
    errors: &mut Errors,
) -> ControlFlow<()> {
    let Err(mut error) = taken else {
        return ControlFlow::Continue(());
    };
    let ends = ends_reading(&error, first && errors.is_empty());
    if ends
        && let DataError::NotOneALine {
            path,
            found: OPEN_OBJECT,
            filter,
            ..
        } = &mut error
    {
        *filter = layout_of::filter(path);
    }
    errors.add(error);
    if ends {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

/// The next lines with their numbers, up to one behind which nothing more is read.
fn block(lines: &mut files::Lines) -> Vec<(usize, Result<String, DataError>)> {
    let mut block = Vec::new();
    let mut bytes = 0;
    while bytes < BLOCK
        && let Some(line) = lines.next()
    {
        let (line, ends) = match line {
            Ok((_, text)) => {
                bytes += text.len();
                (Ok(text), false)
            }
            Err(error) => {
                let ends = ends_reading(&error, false);
                (Err(error), ends)
            }
        };
        block.push((lines.number(), line));
        if ends {
            break;
        }
    }
    block
}

/// An object that does not end was cut off where nothing but blank lines follows, which a line alone does not know.
fn tell_cut<T>(parsed: &mut [Parsed<T>], path: &Path) {
    let mut filled = parsed.iter_mut().rev();
    let last = filled.find(|line| !matches!(line.read, Ok(None)));
    if let Some(Parsed {
        number,
        read: Err(DataError::NotOneALine { found, .. }),
        ..
    }) = last
        && *found == OPEN_OBJECT
        && is_last(path, *number)
    {
        *found = CUT;
    }
}

/// Whether nothing but blank lines follows the line with that number.
fn is_last(path: &Path, number: usize) -> bool {
    files::lines(path).is_ok_and(|lines| {
        let mut rest = lines.skip(number);
        rest.all(|line| line.is_ok_and(|(_, text)| text.trim().is_empty()))
    })
}
