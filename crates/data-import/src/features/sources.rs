//! Which files hold region features, by their content.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use file_kind::FileKind;

use super::container::FeatureFormat;
use super::tsv::{self, Columns};
use super::{lmdb, mmf, npy};
use crate::error::{ImportError, Place};

/// Bytes of a file that are looked at.
const HEAD: u64 = 4096;

/// How deep folders are searched.
const DEPTH: usize = 4;

/// Endings of the names of files with region features.
const ENDINGS: [&str; 8] = [
    "tsv",
    "npz",
    "npy",
    "hdf5",
    "h5",
    "mdb",
    "safetensors",
    "regions",
];

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tsv(Columns),
    Hdf5,
    Npz,
    Npy,
    Lmdb,
    Safetensors,
    Regions,
}

impl Kind {
    /// The container; of HDF5 the one that is named first.
    pub(crate) fn format(self) -> FeatureFormat {
        match self {
            Self::Tsv(tsv::LXMERT) => FeatureFormat::LxmertTsv,
            Self::Tsv(_) => FeatureFormat::ButdTsv,
            Self::Hdf5 => FeatureFormat::ButdHdf5,
            Self::Npz => FeatureFormat::Npz,
            Self::Npy => FeatureFormat::MmfNpy,
            Self::Lmdb => FeatureFormat::MmfLmdb,
            Self::Safetensors => FeatureFormat::Safetensors,
            Self::Regions => FeatureFormat::Regions,
        }
    }

    /// As what the file is read if that container is named; nothing if it cannot be it.
    fn read_as(self, format: FeatureFormat) -> Option<Self> {
        Some(match (self, format) {
            (Self::Tsv(_), FeatureFormat::ButdTsv) => Self::Tsv(tsv::BUTD),
            (Self::Tsv(_), FeatureFormat::LxmertTsv) => Self::Tsv(tsv::LXMERT),
            (Self::Hdf5, FeatureFormat::ButdHdf5 | FeatureFormat::AdaptiveHdf5)
            | (
                Self::Npz,
                FeatureFormat::Npz | FeatureFormat::NpzChannelsFirst | FeatureFormat::NpzBoxesFirst,
            )
            | (Self::Npy, FeatureFormat::MmfNpy)
            | (Self::Lmdb, FeatureFormat::MmfLmdb)
            | (Self::Safetensors, FeatureFormat::Safetensors)
            | (Self::Regions, FeatureFormat::Regions) => self,
            _ => return None,
        })
    }
}

/// Files of one kind, in the order of their names within a folder.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) kind: Kind,
    pub(crate) files: Vec<PathBuf>,
    /// Pickles from image to row.
    pub(crate) indexes: Vec<PathBuf>,
    /// Bytes of the files.
    pub(crate) bytes: u64,
}

impl Sources {
    /// Finds the files that `paths` name or, where they are folders, hold.
    pub(crate) fn find(
        paths: &[PathBuf],
        format: Option<FeatureFormat>,
    ) -> Result<Self, ImportError> {
        let mut search = Search {
            format,
            found: Vec::new(),
            indexes: Vec::new(),
        };
        for path in paths {
            let metadata = fs::metadata(path).map_err(ImportError::io(path))?;
            if metadata.is_dir() {
                search.folder(path, DEPTH)?;
            } else if is_pickle(path) {
                search.indexes.push(path.clone());
            } else {
                let kind = kind_of(path)?.ok_or_else(|| unknown(path))?;
                search.add(path.clone(), kind, true)?;
            }
        }
        let Search { found, indexes, .. } = search;
        let Some((_, first)) = found.first() else {
            return Err(ImportError::choice(
                match format {
                    Some(format) => {
                        format!("no file of region features in the layout {format} was found")
                    }
                    None => "no file of region features was found".to_owned(),
                },
                "name the files, or the folder that they lie in; docs/real-data.md lists the layouts",
            ));
        };
        let kind = *first;
        if let Some((other, _)) = found.iter().find(|(_, other)| *other != kind) {
            return Err(ImportError::choice(
                format!(
                    "files of two layouts were found: `{}` ({}) and `{}` ({})",
                    found[0].0.display(),
                    kind.format(),
                    other.display(),
                    found
                        .iter()
                        .find(|(path, _)| path == other)
                        .map_or(kind, |(_, kind)| *kind)
                        .format(),
                ),
                "name one of them with `--format`, or import them one after the other",
            ));
        }
        let files: Vec<_> = found.into_iter().map(|(path, _)| path).collect();
        let files = match kind {
            Kind::Npy => match mmf::orphan(&files) {
                Some(error) => return Err(error),
                None => files
                    .into_iter()
                    .filter(|path| !mmf::is_info(path))
                    .collect(),
            },
            _ => files,
        };
        let bytes = |path: &PathBuf| {
            let file = match kind {
                Kind::Lmdb => lmdb::file_of(path),
                _ => path.clone(),
            };
            fs::metadata(file).map_or(0, |metadata| metadata.len())
        };
        Ok(Self {
            kind,
            bytes: files.iter().map(bytes).sum(),
            files,
            indexes,
        })
    }
}

struct Search {
    format: Option<FeatureFormat>,
    found: Vec<(PathBuf, Kind)>,
    indexes: Vec<PathBuf>,
}

impl Search {
    /// Adds a file, unless another layout was asked for.
    fn add(&mut self, path: PathBuf, kind: Kind, named: bool) -> Result<(), ImportError> {
        let kind = match self.format {
            None => Some(kind),
            Some(format) => kind.read_as(format),
        };
        match kind {
            Some(kind) => self.found.push((path, kind)),
            None if named => {
                return Err(ImportError::content(
                    &path,
                    Place::File,
                    "it does not have the layout that `--format` names",
                    "leave `--format` out: layouts are recognised by their content",
                ));
            }
            None => {}
        }
        Ok(())
    }

    fn folder(&mut self, folder: &Path, depth: usize) -> Result<(), ImportError> {
        if folder.join("data.mdb").is_file() {
            return self.add(folder.to_owned(), Kind::Lmdb, false);
        }
        let failed = ImportError::io(folder);
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(&failed)? {
            paths.push(entry.map_err(&failed)?.path());
        }
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') || name == "lock.mdb" {
                continue;
            }
            if path.is_dir() {
                if depth > 1 {
                    self.folder(&path, depth - 1)?;
                }
            } else if is_pickle(&path) {
                self.indexes.push(path);
            } else if is_named_so(&name) {
                let kind = kind_of(&path)?.ok_or_else(|| unknown(&path))?;
                self.add(path, kind, false)?;
            }
        }
        Ok(())
    }
}

fn is_pickle(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "pkl")
}

/// Whether a file is named like one of features: `a.tsv`, `a.tsv.0`.
fn is_named_so(name: &str) -> bool {
    let name = name.to_lowercase();
    let numbered = name
        .rsplit_once('.')
        .filter(|(_, number)| number.parse::<u32>().is_ok());
    let name = numbered.map_or(name.as_str(), |(name, _)| name);
    name.rsplit_once('.')
        .is_some_and(|(_, ending)| ENDINGS.contains(&ending))
}

/// What a file is by its beginning.
fn kind_of(path: &Path) -> Result<Option<Kind>, ImportError> {
    let failed = ImportError::io(path);
    let file = file_kind::open_regular(path).map_err(&failed)?;
    let mut start = Vec::new();
    File::take(file, HEAD)
        .read_to_end(&mut start)
        .map_err(&failed)?;
    let kind = FileKind::of(&start);
    Ok(if start.starts_with(&region_features::MAGIC) {
        Some(Kind::Regions)
    } else if start.starts_with(npy::MAGIC) {
        Some(Kind::Npy)
    } else if lmdb::begins(&start) {
        Some(Kind::Lmdb)
    } else {
        match kind {
            FileKind::Hdf5 => Some(Kind::Hdf5),
            FileKind::Zip => Some(Kind::Npz),
            FileKind::Safetensors => Some(Kind::Safetensors),
            FileKind::Text | FileKind::Unknown => tsv::columns_of(&start).map(Kind::Tsv),
            _ => None,
        }
    })
}

/// A file that was named and is none of these.
fn unknown(path: &Path) -> ImportError {
    let mut start = Vec::new();
    let head = File::open(path).map(|file| file.take(HEAD).read_to_end(&mut start));
    let kind = head.map_or(FileKind::Unknown, |_| FileKind::of(&start));
    if kind.replaces_file() {
        return ImportError::Foreign {
            path: path.to_owned(),
            kind,
        };
    }
    ImportError::content(
        path,
        Place::File,
        format!("no region features: {kind}"),
        "docs/real-data.md lists the layouts; an archive must be unpacked",
    )
}
