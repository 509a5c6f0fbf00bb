use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use region_features::{ENDING, Found, Store};

use super::{Layout, features_of_image};
use crate::check::{Fault, Faults};
use crate::error::DataError;
use crate::files;
use crate::inputs::{RegionShape, Regions};

/// Names of features by the number that they end in, found out where an image has none.
type Numbers = OnceLock<HashMap<String, Vec<String>>>;

/// Where the region features of a data set lie.
#[derive(Debug)]
pub(super) enum Features {
    /// Files of many images each; an image is looked for in one after the other.
    Stores(Vec<Store>, Numbers),
    /// A file an image.
    OneAnImage,
}

impl Features {
    /// Opens the files in the folder of features; nothing where the folder is empty.
    ///
    /// # Errors
    /// When a file is damaged, two have regions of different sizes, or none has a form that is read.
    pub(super) fn open(layout: &Layout) -> Result<Option<Self>, DataError> {
        let folder = layout.features();
        let (mut paths, mut each, mut other) = (Vec::new(), false, None);
        for entry in fs::read_dir(&folder).map_err(files::failed(&folder))? {
            let path = entry.map_err(files::failed(&folder))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // An import that has not ended has a hidden file.
            if name.starts_with('.') {
                continue;
            }
            let ends = |with| path.extension().is_some_and(|ending| ending == with);
            if ends(ENDING) {
                paths.push(path);
            } else if ends("safetensors") || path.is_dir() {
                each = true;
            } else {
                other = Some(path);
            }
        }
        match other {
            _ if !paths.is_empty() => {}
            _ if each => return Ok(Some(Self::OneAnImage)),
            None => return Ok(None),
            Some(found) => return Err(DataError::NoFeatures { folder, found }),
        }
        paths.sort();
        let stores: Vec<_> = paths
            .iter()
            .map(|path| Store::open(path))
            .collect::<Result<_, _>>()?;
        let dim = stores[0].summary().dim;
        match stores.iter().find(|store| store.summary().dim != dim) {
            Some(other) => Err(DataError::Content {
                path: other.path().to_owned(),
                expected: format!("regions of {dim} features, as in `{}`", paths[0].display()),
                found: format!("{} features", other.summary().dim),
            }),
            None => Ok(Some(Self::Stores(stores, Numbers::new()))),
        }
    }

    /// The size of all features of the stores, whichever of their images a split has: every split says the same.
    fn shape(stores: &[Store]) -> Option<RegionShape> {
        let all = || stores.iter().map(Store::summary);
        let (most, fewest) = (
            all().map(|all| all.most).max()?,
            all().map(|all| all.fewest).min()?,
        );
        Some(RegionShape {
            regions: most,
            dim: stores.first()?.summary().dim,
            varying: fewest < most,
        })
    }

    /// The store and place of an image.
    fn find<'a>(stores: &'a [Store], image: &str) -> Option<(usize, &'a Store, Found)> {
        let mut stores = stores.iter().enumerate();
        stores.find_map(|(number, store)| Some((number, store, store.find(image)?)))
    }

    /// The size of the features of a split's images.
    ///
    /// # Errors
    /// When no features can be read from a file an image, with all that is wrong; when two images have the same ones.
    pub(super) fn of_images(
        &self,
        layout: &Layout,
        images: &[String],
    ) -> Result<Option<RegionShape>, DataError> {
        let Self::Stores(stores, _) = self else {
            return most_common(layout, images);
        };
        let place = |image: &String| {
            let (number, _, found) = Self::find(stores, image)?;
            Some((number, found))
        };
        let places: Vec<_> = images.par_iter().map(place).collect();
        let mut users = HashMap::new();
        for (image, place) in images.iter().zip(&places) {
            let Some((number, found)) = *place else {
                continue;
            };
            if let Some(other) = users.insert((number, found), image) {
                return Err(DataError::SharedRegions {
                    images: [other.clone(), image.clone()],
                    name: stores[number].name(found)?.to_owned(),
                    file: stores[number].path().to_owned(),
                });
            }
        }
        // Images without features are named one by one where files are looked at.
        Ok(Self::shape(stores))
    }

    /// The regions of an image.
    pub(super) fn read(&self, layout: &Layout, image: &str) -> Result<Regions, DataError> {
        let Self::Stores(stores, _) = self else {
            return features_of_image::read(&layout.features_of(image));
        };
        let (_, store, found) =
            Self::find(stores, image).ok_or_else(|| self.missing(layout, image))?;
        let block = store.read(found)?;
        let dim = store.summary().dim;
        let place = || format!("image `{image}`");
        let content = |expected: &str, found: String| DataError::Content {
            path: store.path().to_owned(),
            expected: format!("{}: {expected}", place()),
            found,
        };
        features_of_image::check(&block.features, &block.boxes, content)?;
        Ok(Regions::of_image(
            block.rows,
            dim,
            block.features,
            block.boxes,
        ))
    }

    /// The size of the regions of an image, from the index alone.
    pub(super) fn glance(&self, layout: &Layout, image: &str) -> Result<RegionShape, DataError> {
        let Self::Stores(stores, _) = self else {
            return features_of_image::glance(&layout.features_of(image));
        };
        let (_, store, found) =
            Self::find(stores, image).ok_or_else(|| self.missing(layout, image))?;
        Ok(RegionShape {
            regions: store.rows(found)?,
            dim: store.summary().dim,
            varying: false,
        })
    }

    /// That no file has an image, with the names of those that have its number behind another beginning.
    fn missing(&self, layout: &Layout, image: &str) -> DataError {
        let alike = match (self, number_of(image)) {
            (Self::Stores(stores, numbers), Some(number)) => {
                let numbers = numbers.get_or_init(|| by_number(stores));
                numbers.get(&number).cloned().unwrap_or_default()
            }
            _ => Vec::new(),
        };
        DataError::MissingRegions {
            image: image.to_owned(),
            folder: layout.features(),
            alike,
        }
    }

    /// The file that holds the features of an image; none where no store has it.
    pub(super) fn file(&self, layout: &Layout, image: &str) -> Option<PathBuf> {
        let Self::Stores(stores, _) = self else {
            return Some(layout.features_of(image));
        };
        Self::find(stores, image).map(|(_, store, _)| store.path().to_owned())
    }

    /// What to call the features of an image.
    pub(super) fn name(&self, layout: &Layout, image: &str) -> String {
        let Self::Stores(stores, _) = self else {
            return layout.features_of(image).display().to_string();
        };
        match Self::find(stores, image) {
            Some((_, store, _)) => format!("{}, image `{image}`", store.path().display()),
            None => format!("{}, image `{image}`", layout.features().display()),
        }
    }
}

/// The names of all features that end in a number.
fn by_number(stores: &[Store]) -> HashMap<String, Vec<String>> {
    let mut names: HashMap<String, Vec<String>> = HashMap::new();
    for store in stores {
        for name in store.images().filter_map(|found| store.name(found).ok()) {
            if let Some(number) = number_of(name) {
                names.entry(number).or_default().push(name.to_owned());
            }
        }
    }
    names
}

/// The number that a name ends in, without zeros in front: `9` of `val2014/COCO_val2014_000000000009.jpg`.
fn number_of(name: &str) -> Option<String> {
    let file = name.rsplit('/').next().unwrap_or(name);
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let before = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = stem[before.len()..].trim_start_matches('0');
    match (number, stem.len() > before.len()) {
        ("", true) => Some("0".to_owned()),
        ("", false) => None,
        _ => Some(number.to_owned()),
    }
}

/// The size that most features have: what the others differ from.
///
/// # Errors
/// When no features can be read, with all that is wrong.
fn most_common(layout: &Layout, images: &[String]) -> Result<Option<RegionShape>, DataError> {
    let shape = |image: &String| features_of_image::glance(&layout.features_of(image));
    let shapes: Vec<_> = images.par_iter().map(shape).collect();
    let mut counts: Vec<(RegionShape, usize)> = Vec::new();
    for shape in shapes.iter().flatten() {
        match counts.iter_mut().find(|(known, _)| known == shape) {
            Some((_, count)) => *count += 1,
            None => counts.push((*shape, 1)),
        }
    }
    // The first of those that most have.
    if let Some((shape, _)) = counts.iter().rev().max_by_key(|(_, count)| *count) {
        return Ok(Some(*shape));
    }
    let files = shapes.len();
    let errors = images
        .iter()
        .zip(shapes)
        .filter_map(|(image, shape)| Some((layout.features_of(image), shape.err()?)));
    let faults: Vec<_> = errors
        .map(|(path, error)| Fault::of(path.display().to_string(), &error, Vec::new()))
        .collect();
    if faults.is_empty() {
        return Ok(None);
    }
    Err(DataError::BadFiles {
        faults: Faults(faults),
        files,
        begun: false,
    })
}
