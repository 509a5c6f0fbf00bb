//! Tab-separated values of bottom-up attention and of LXMERT: a line an image.

use file_kind::counted;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use file_kind::open_regular;

use super::regions::{AGAIN, Boxes, Regions, Sink};
use crate::error::{ImportError, Place};

/// Longest line, in bytes: one of 100 regions with 2,048 features has 1.1 MB.
const LONGEST_LINE: u64 = 64 << 20;

/// Where the columns stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Columns {
    all: usize,
    width: usize,
    height: usize,
    count: usize,
    boxes: usize,
    features: usize,
}

/// id, width, height, regions, boxes, features
pub(crate) const BUTD: Columns = Columns {
    all: 6,
    width: 1,
    height: 2,
    count: 3,
    boxes: 4,
    features: 5,
};

/// id, height, width, objects, their confidence, attributes, their confidence, regions, boxes, features
pub(crate) const LXMERT: Columns = Columns {
    all: 10,
    width: 2,
    height: 1,
    count: 7,
    boxes: 8,
    features: 9,
};

/// The layout of a file by its beginning: behind the size of the image stands the number of regions, or encoded numbers.
pub(crate) fn columns_of(start: &[u8]) -> Option<Columns> {
    let line = start.split(|byte| *byte == b'\n').next()?;
    let mut fields = line.split(|byte| *byte == b'\t');
    let first = fields.next()?;
    let number = |field: &[u8]| {
        let field = field.trim_ascii();
        !field.is_empty() && field.len() < 10 && field.iter().all(u8::is_ascii_digit)
    };
    let [second, third, fourth] = [fields.next()?, fields.next()?, fields.next()?];
    match first {
        b"image_id" => return Some(BUTD),
        b"img_id" => return Some(LXMERT),
        _ => {}
    }
    if !number(second) || !number(third) {
        return None;
    }
    Some(if number(fourth) { BUTD } else { LXMERT })
}

/// Reads a file.
pub(crate) fn read(
    path: &Path,
    columns: Columns,
    meter: &AtomicU64,
    sink: &mut Sink<'_>,
) -> Result<(), ImportError> {
    let failed = ImportError::io(path);
    let mut file = BufReader::with_capacity(1 << 20, open_regular(path).map_err(&failed)?);
    let mut line = Vec::new();
    let mut dim = None;
    for number in 1.. {
        line.clear();
        let mut rest = file.by_ref().take(LONGEST_LINE);
        let read = rest.read_until(b'\n', &mut line).map_err(&failed)?;
        if read == 0 {
            break;
        }
        meter.fetch_add(read as u64, Ordering::Relaxed);
        let wrong = |problem: String, cure: &str| {
            ImportError::content(path, Place::Line(number), problem, cure)
        };
        if line.last() != Some(&b'\n') && read as u64 == LONGEST_LINE {
            return Err(wrong("it has more than 64 MiB".to_owned(), AGAIN));
        }
        let ended = line.last() == Some(&b'\n');
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let header =
            number == 1 && (text.starts_with(b"image_id\t") || text.starts_with(b"img_id\t"));
        if text.trim_ascii().is_empty() || header {
            continue;
        }
        // Of later lines the number of features shows whether they are whole.
        if !ended && dim.is_none() {
            return Err(wrong(
                "the file ends within its first line".to_owned(),
                "download it again; if the line is whole, end it with a line feed",
            ));
        }
        let regions = parse(text, columns, number, dim)
            .map_err(|problem| wrong(problem, "the file is cut or of another layout: download it again, or name the layout with `--format`"))?;
        dim.get_or_insert(regions.dim);
        sink(path, regions)?;
    }
    Ok(())
}

/// Parses the regions of a line. `known` is the number of features of a region in earlier lines.
///
/// # Errors
/// Names the field that is wrong.
fn parse(
    line: &[u8],
    columns: Columns,
    number: usize,
    known: Option<usize>,
) -> Result<Regions, String> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b'\t').collect();
    if fields.len() != columns.all {
        return Err(format!(
            "it has {} columns instead of {}",
            fields.len(),
            columns.all
        ));
    }
    let text = |field: usize| {
        let text = std::str::from_utf8(fields[field]).map_err(|_| "it is not UTF-8".to_owned())?;
        Ok::<_, String>(text.trim().trim_matches('"'))
    };
    let size = |field: usize, what: &str| {
        let text = text(field)?;
        let number = text.parse::<f64>();
        number.map_err(|_| {
            format!(
                "the {what} of the image is `{}`, which is no number",
                short(text)
            )
        })
    };
    let image = text(0)?.to_owned();
    let size = [
        size(columns.width, "width")?,
        size(columns.height, "height")?,
    ];
    let count = text(columns.count)?;
    let count: usize = count
        .parse()
        .map_err(|_| format!("the number of regions is `{}`", short(count)))?;
    let boxes = floats(fields[columns.boxes], "boxes")?;
    let features = floats(fields[columns.features], "features")?;
    let rows = boxes.len() / 4;
    if boxes.len() != 4 * rows || rows < count {
        return Err(format!(
            "the boxes of {} have {} numbers instead of {}",
            counted(count, "region", "regions"),
            boxes.len(),
            4 * count
        ));
    }
    // Padding has no rows then, and says nothing of the number of features.
    if rows == 0 {
        return Ok(Regions {
            image,
            place: Place::Line(number),
            size: Some(size),
            count: 0,
            dim: known.unwrap_or(0),
            features: Vec::new(),
            boxes: Boxes::Pixels(Vec::new()),
        });
    }
    // Features may be padded although boxes are not.
    let fits =
        |dim: usize| dim > 0 && features.len().is_multiple_of(dim) && features.len() / dim >= count;
    let by_boxes = (features.len().is_multiple_of(rows)).then(|| features.len() / rows);
    let dim = known.filter(|dim| fits(*dim)).or(by_boxes).ok_or_else(|| {
        format!(
            "the features of {} have {} numbers, which do not divide evenly",
            counted(rows, "region", "regions"),
            features.len()
        )
    })?;
    Ok(Regions {
        image,
        place: Place::Line(number),
        size: Some(size),
        count,
        dim,
        features,
        boxes: Boxes::Pixels(boxes),
    })
}

/// The numbers of a field in base64. Some writers leave the `b'...'` of Python around it.
fn floats(field: &[u8], what: &str) -> Result<Vec<f32>, String> {
    let field = field.trim_ascii();
    let field = field
        .strip_prefix(b"b'")
        .and_then(|field| field.strip_suffix(b"'"))
        .unwrap_or(field);
    let bytes = STANDARD
        .decode(field)
        .map_err(|error| format!("the {what} are no base64: {error}"))?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(format!(
            "the {what} have {} bytes, not a multiple of 4",
            bytes.len()
        ));
    }
    Ok(numbers
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect())
}

/// The beginning of a text, for messages.
fn short(text: &str) -> String {
    text.chars().take(40).collect()
}
