//! What MMF writes of an image: features, and a pickled dictionary about them. As two files, or as a value of an LMDB.

use std::path::{Path, PathBuf};

use file_kind::read_regular;

use super::lmdb::Lmdb;
use super::npy::{self, Content};
use super::regions::{AGAIN, Boxes, Regions, Sink};
use crate::array::Array;
use crate::error::{ImportError, Place};
use crate::pickle::{Id, Pickle, Refused};

/// Ending of the name of a dictionary's file.
const INFO: &str = "_info";

/// The key of an LMDB with the list of all other keys.
const KEYS: &[u8] = b"keys";

/// Reads the features of a file `NAME.npy`, whose dictionary is `NAME_info.npy`.
pub(crate) fn read_files(path: &Path, sink: &mut Sink<'_>) -> Result<(), ImportError> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let info = path.with_file_name(format!("{stem}{INFO}.npy"));
    let refused = |path: &Path, refused: Refused| {
        ImportError::content(path, Place::File, refused.problem, refused.cure)
    };
    let content = |path: &Path| {
        let bytes = read_regular(path).map_err(ImportError::io(path))?;
        npy::read(&bytes).map_err(|error| refused(path, error))
    };
    let Content::Numbers(features) = content(path)? else {
        return Err(ImportError::content(
            path,
            Place::File,
            "an object instead of an array of features",
            "features are NAME.npy, what is known about them NAME_info.npy",
        ));
    };
    let Content::Object(pickle) = content(&info)? else {
        return Err(ImportError::content(
            &info,
            Place::File,
            "an array instead of a dictionary about the features",
            AGAIN,
        ));
    };
    let dictionary = pickle.object(pickle.root()).unwrap_or(pickle.root());
    let found = regions(&stem, Place::File, Some(features), &pickle, dictionary)
        .map_err(|error| refused(&info, error))?;
    sink(path, found)
}

/// Whether a file is the dictionary of another one.
pub(crate) fn is_info(path: &Path) -> bool {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    stem.ends_with(INFO)
}

/// A dictionary whose features are not there, as an error.
pub(crate) fn orphan(files: &[PathBuf]) -> Option<ImportError> {
    let alone = files.iter().find(|path| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let features = stem.strip_suffix(INFO);
        features.is_some_and(|stem| !path.with_file_name(format!("{stem}.npy")).exists())
    })?;
    Some(ImportError::content(
        alone,
        Place::File,
        "the file of its features is missing",
        AGAIN,
    ))
}

/// Reads an LMDB.
pub(crate) fn read_lmdb(
    path: &Path,
    meter: &std::sync::atomic::AtomicU64,
    sink: &mut Sink<'_>,
) -> Result<(), ImportError> {
    let mut lmdb = Lmdb::open(path)?;
    let mut listed = None;
    let mut seen = std::collections::HashSet::new();
    lmdb.each(&mut |key, value| {
        meter.fetch_add(value.len() as u64, std::sync::atomic::Ordering::Relaxed);
        let name = String::from_utf8_lossy(key).into_owned();
        let refused = |refused: Refused| {
            ImportError::content(
                path,
                Place::Image(name.clone()),
                refused.problem,
                refused.cure,
            )
        };
        let pickle = Pickle::with_arrays(value).map_err(refused)?;
        if key == KEYS {
            let keys = pickle.list(pickle.root()).unwrap_or_default().iter();
            let keys = keys.filter_map(|key| pickle.raw(*key).map(<[u8]>::to_vec));
            listed = Some(keys.collect::<Vec<_>>());
            return Ok(());
        }
        seen.insert(key.to_vec());
        let place = Place::Image(name.clone());
        let found = regions(&name, place, None, &pickle, pickle.root()).map_err(refused)?;
        sink(path, found)
    })?;
    let missing = listed.unwrap_or_default();
    let missing = missing.iter().find(|key| !seen.contains(*key));
    missing.map_or(Ok(()), |key| {
        Err(ImportError::content(
            path,
            Place::Image(String::from_utf8_lossy(key).into_owned()),
            "the list of keys names it, and it is not there",
            AGAIN,
        ))
    })
}

/// The regions that a dictionary describes; its features where they are not given.
fn regions(
    image: &str,
    place: Place,
    features: Option<Array>,
    pickle: &Pickle,
    dictionary: Id,
) -> Result<Regions, Refused> {
    let refused = |problem: String| Refused {
        problem,
        cure: AGAIN,
    };
    let lacks = |key: &str| {
        refused(format!(
            "the dictionary about image `{image}` has no `{key}`"
        ))
    };
    let value = |key: &str| pickle.get(dictionary, key).ok_or_else(|| lacks(key));
    let array = |key: &str| {
        let array = pickle.array(value(key)?);
        array.ok_or_else(|| {
            refused(format!(
                "`{key}` of image `{image}` is not an array of numbers"
            ))
        })
    };
    let number = |key: &str| {
        let number = pickle.number(value(key)?);
        number.ok_or_else(|| refused(format!("`{key}` of image `{image}` is no number")))
    };
    let features = match features {
        Some(features) => features,
        None => array("features")?,
    };
    let boxes = array("bbox")?;
    let ([rows, dim], [box_rows, 4]) = (&features.shape[..], &boxes.shape[..]) else {
        return Err(refused(format!(
            "image `{image}` has features of the shape {:?} and boxes of the shape {:?}, not [regions, channels] and [regions, 4]",
            features.shape, boxes.shape
        )));
    };
    let count = match pickle.get(dictionary, "num_boxes") {
        Some(_) => number("num_boxes")?,
        None => *box_rows.min(rows) as f64,
    };
    if count < 0.0 || count.fract() != 0.0 {
        return Err(refused(format!(
            "`num_boxes` of image `{image}` is {count}"
        )));
    }
    Ok(Regions {
        image: image.to_owned(),
        place,
        size: Some([number("image_width")?, number("image_height")?]),
        count: count as usize,
        dim: *dim,
        features: features.floats(),
        boxes: Boxes::Pixels(boxes.floats()),
    })
}
