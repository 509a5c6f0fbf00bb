//! An archive of arrays an image: `x`, `bbox`, `num_bbox`, `image_h`, `image_w`.

use file_kind::counted;
use std::path::Path;

use file_kind::read_regular;

use super::archive::Archive;
use super::container::FeatureFormat;
use super::npy::{self, Content};
use super::regions::{AGAIN, Boxes, Regions, Sink};
use crate::array::Array;
use crate::error::{ImportError, Place};

/// Reads a file. `dim`: features of a region in the files before.
pub(crate) fn read(
    path: &Path,
    format: FeatureFormat,
    dim: &mut Option<usize>,
    sink: &mut Sink<'_>,
) -> Result<(), ImportError> {
    let bytes = read_regular(path).map_err(ImportError::io(path))?;
    let regions = regions(path, &bytes, format, *dim)
        .map_err(|(problem, cure)| ImportError::content(path, Place::File, problem, cure))?;
    dim.get_or_insert(regions.dim);
    sink(path, regions)
}

type Problem = (String, &'static str);

fn regions(
    path: &Path,
    bytes: &[u8],
    format: FeatureFormat,
    dim: Option<usize>,
) -> Result<Regions, Problem> {
    let archive = Archive::open(bytes).map_err(|problem| (problem.to_owned(), AGAIN))?;
    let array = |name: &str| numbers(&archive, name);
    let (x, boxes) = (array("x")?, array("bbox")?);
    let number = |name: &str| {
        let array = array(name)?;
        let one = array.number();
        one.ok_or_else(|| (format!("`{name}` is not one number"), AGAIN))
    };
    let count = number("num_bbox")?;
    let size = [number("image_w")?, number("image_h")?];
    if count < 0.0 || count.fract() != 0.0 {
        return Err((format!("`num_bbox` is {count}"), AGAIN));
    }
    let count = count as usize;
    let [first, second] = x.shape[..] else {
        return Err((
            format!("`x` has the shape {:?}, not two dimensions", x.shape),
            AGAIN,
        ));
    };
    let [rows, 4] = boxes.shape[..] else {
        return Err((
            format!("`bbox` has the shape {:?}, not [regions, 4]", boxes.shape),
            AGAIN,
        ));
    };
    let channels_first = match format {
        FeatureFormat::NpzChannelsFirst => true,
        FeatureFormat::NpzBoxesFirst => false,
        _ => order([first, second], count, rows, dim)?,
    };
    let (dim, rows) = if channels_first {
        (first, second)
    } else {
        (second, first)
    };
    let features = x.floats();
    let features = if channels_first {
        let by_row = (0..rows).flat_map(|row| (0..dim).map(move |channel| channel * rows + row));
        by_row.map(|index| features[index]).collect()
    } else {
        features
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(Regions {
        image: name.strip_suffix(".npz").unwrap_or(&name).to_owned(),
        place: Place::File,
        size: Some(size),
        count,
        dim,
        features,
        boxes: Boxes::Pixels(boxes.floats()),
    })
}

/// Whether the channels come first, by which side of `x` is the number of regions or of boxes.
fn order(
    sides: [usize; 2],
    count: usize,
    boxes: usize,
    dim: Option<usize>,
) -> Result<bool, Problem> {
    for rows in [boxes, count] {
        match sides.map(|side| side == rows) {
            [true, false] => return Ok(false),
            [false, true] => return Ok(true),
            _ => {}
        }
    }
    match dim.map(|dim| sides.map(|side| side == dim)) {
        Some([true, false]) => Ok(true),
        Some([false, true]) => Ok(false),
        _ => Err((
            format!(
                "`x` is {} x {}; either side may be that of its {}",
                sides[0],
                sides[1],
                counted(count, "region", "regions")
            ),
            "pass `--format npz-channels-first` or `--format npz-boxes-first`",
        )),
    }
}

fn numbers(archive: &Archive<'_>, name: &str) -> Result<Array, Problem> {
    let bytes = archive.read(&format!("{name}.npy"));
    let bytes = bytes.ok_or_else(|| {
        (
            format!("no archive of region features: it has no `{name}`"),
            "the layouts that are read are in docs/real-data.md",
        )
    })?;
    let bytes = bytes.map_err(|problem| (format!("`{name}`: {problem}"), AGAIN))?;
    match npy::read(&bytes) {
        Ok(Content::Numbers(array)) => Ok(array),
        Ok(Content::Object(_)) => Err((format!("`{name}` is not an array of numbers"), AGAIN)),
        Err(refused) => Err((format!("`{name}`: {}", refused.problem), refused.cure)),
    }
}
