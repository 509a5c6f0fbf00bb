//! Where images lie. They stay there: a line names its image by the name of a folder and the path in it, and the manifest
//! says where each of these folders is.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::ImportError;

/// How deep folders are searched for those of images.
const DEPTH: usize = 4;

/// Most entries of a folder that is searched for further folders: one with more holds images.
const MOST_ENTRIES: usize = 2000;

/// Folders below which images are looked for.
#[derive(Debug, Clone)]
pub(crate) struct Bases {
    /// Every folder below the bases that may hold folders of images, the bases first.
    folders: Vec<PathBuf>,
    /// Folders that are named for the images of one name.
    named: HashMap<String, PathBuf>,
}

impl Bases {
    /// Of the folders to look in, and those named for images of a certain name.
    pub(crate) fn new(
        sources: &[PathBuf],
        named: &[(Option<String>, PathBuf)],
    ) -> Result<Self, ImportError> {
        let general: Vec<&PathBuf> = named
            .iter()
            .filter_map(|(name, folder)| name.is_none().then_some(folder))
            .collect();
        for (_, folder) in named {
            if !fs::metadata(folder)
                .map_err(ImportError::io(folder))?
                .is_dir()
            {
                return Err(ImportError::choice(
                    format!("`{}` is not a folder of images", folder.display()),
                    "name a folder after `--images`",
                ));
            }
        }
        let roots: Vec<PathBuf> = if general.is_empty() {
            let folder = |path: &PathBuf| {
                if path.is_dir() {
                    path.clone()
                } else {
                    path.parent().unwrap_or(path).to_owned()
                }
            };
            sources.iter().map(folder).collect()
        } else {
            general.into_iter().cloned().collect()
        };
        let mut folders: Vec<PathBuf> = Vec::new();
        let mut level = roots;
        for _ in 0..DEPTH {
            let mut next = Vec::new();
            for folder in level {
                if folders.contains(&folder) {
                    continue;
                }
                next.extend(inside(&folder)?);
                folders.push(folder);
            }
            level = next;
        }
        let named = named
            .iter()
            .filter_map(|(name, folder)| Some((name.clone()?, folder.clone())));
        Ok(Self {
            folders,
            named: named.collect(),
        })
    }

    /// The folder of images with this name: the one named for it, or the first that has the image `example`, at one of the
    /// places `below`. `None` where there is none.
    pub(crate) fn locate(&self, name: &str, below: &[String], example: &str) -> Option<PathBuf> {
        if let Some(folder) = self.named.get(name) {
            let below = below.iter().map(|below| folder.join(below));
            let mut places = [folder.clone()].into_iter().chain(below);
            let found = places.find(|place| place.join(example).is_file());
            return Some(found.unwrap_or_else(|| folder.clone()));
        }
        for folder in &self.folders {
            let below = below.iter().map(|below| folder.join(below));
            let mut places = below.chain([folder.clone()]);
            if let Some(found) = places.find(|place| place.join(example).is_file()) {
                return Some(found);
            }
        }
        // The images are elsewhere or incomplete: a folder of the right name says where they belong.
        let mut places = self
            .folders
            .iter()
            .flat_map(|folder| below.iter().map(|below| folder.join(below)));
        places.find(|place| place.is_dir())
    }

    /// Where images would be looked for first.
    pub(crate) fn first(&self) -> Option<&Path> {
        self.folders.first().map(PathBuf::as_path)
    }

    /// Names of the files in the folder that lies at one of the places `below`.
    pub(crate) fn names(&self, below: &[String]) -> Result<HashSet<String>, ImportError> {
        let named = below
            .iter()
            .filter_map(|name| self.named.get(name).cloned());
        let searched = self
            .folders
            .iter()
            .flat_map(|folder| below.iter().map(|below| folder.join(below)));
        match named.chain(searched).find(|place| place.is_dir()) {
            Some(folder) => names(&folder),
            None => Ok(HashSet::new()),
        }
    }
}

/// Folders within one that does not hold images itself.
fn inside(folder: &Path) -> Result<Vec<PathBuf>, ImportError> {
    let failed = ImportError::io(folder);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(&failed)?.take(MOST_ENTRIES) {
        let entry = entry.map_err(&failed)?;
        let kind = entry.file_type().map_err(&failed)?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !hidden && (kind.is_dir() || (kind.is_symlink() && entry.path().is_dir())) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Names of the files in a folder.
fn names(folder: &Path) -> Result<HashSet<String>, ImportError> {
    let failed = ImportError::io(folder);
    let mut found = HashSet::new();
    for entry in fs::read_dir(folder).map_err(&failed)? {
        let name = entry.map_err(&failed)?.file_name();
        if let Ok(name) = name.into_string() {
            found.insert(name);
        }
    }
    Ok(found)
}

/// How many of the images are not there. Folders are listed, since that is faster than to look for each image.
pub(crate) fn missing(root: &Path, images: &HashSet<Box<str>>) -> Result<usize, ImportError> {
    let mut listed: HashMap<&str, HashSet<String>> = HashMap::new();
    let mut missing = 0;
    for image in images {
        let (folder, name) = image.rsplit_once('/').unwrap_or(("", image));
        let files = if let Some(files) = listed.get(folder) {
            files
        } else {
            let path = root.join(folder);
            let files = if path.is_dir() {
                names(&path)?
            } else {
                HashSet::new()
            };
            listed.entry(folder).or_insert(files)
        };
        missing += usize::from(!files.contains(name));
    }
    Ok(missing)
}
