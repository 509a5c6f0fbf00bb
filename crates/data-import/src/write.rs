//! The folder that is written: whole, or not at all.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, TryLockError};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{ImportError, Place};
use crate::layouts::{Split, repeated};
use crate::record::{IdKey, Record};

/// A folder beside the one that is written, until everything is in it.
///
/// Its name follows from the target's, so what a killed import left is found by the next one. A lock tells such a rest from
/// the folder of an import that still runs.
pub struct Staging {
    folder: PathBuf,
    target: PathBuf,
    lock: File,
    lock_path: PathBuf,
    published: bool,
    /// Folders that were made for it.
    parents: Made,
}

impl Staging {
    /// Begins a folder that is to be at `target`.
    ///
    /// # Errors
    /// When there is something at the target, another process writes it, or the file system refuses.
    pub fn begin(target: &Path) -> Result<Self, ImportError> {
        let target = std::path::absolute(target).map_err(ImportError::write(target))?;
        occupied(&target)?;
        let name = target.file_name().ok_or_else(|| {
            ImportError::choice(
                format!("`{}` is not a folder name", target.display()),
                "name a new folder after `--to`",
            )
        })?;
        let parent = target.parent().unwrap_or(Path::new("/")).to_owned();
        let parents = Made::folder(&parent)?;
        let name = name.to_string_lossy();
        let folder = parent.join(format!(".{name}.importing"));
        let lock_path = parent.join(format!(".{name}.importing.lock"));
        let lock = File::create(&lock_path).map_err(ImportError::write(&lock_path))?;
        match lock.try_lock() {
            Ok(()) if is_at(&lock, &lock_path)? => {}
            // The import that had the lock ended in between, and a third one may have begun.
            Ok(()) | Err(TryLockError::WouldBlock) => {
                return Err(ImportError::Busy { path: target });
            }
            Err(TryLockError::Error(source)) => {
                return Err(ImportError::Write {
                    path: lock_path,
                    source,
                });
            }
        }
        if folder.symlink_metadata().is_ok() {
            fs::remove_dir_all(&folder).map_err(ImportError::write(&folder))?;
        }
        fs::create_dir(&folder).map_err(ImportError::write(&folder))?;
        Ok(Self {
            folder,
            target,
            lock,
            lock_path,
            published: false,
            parents,
        })
    }

    /// The folder while it is written.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file and brings it to the disk.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> Result<(), ImportError> {
        let path = self.path(name);
        let failed = ImportError::write(&path);
        let mut file = File::create_new(&path).map_err(&failed)?;
        file.write_all(content).map_err(&failed)?;
        file.sync_all().map_err(&failed)
    }

    /// Gives the folder its name. Its files have to be on the disk.
    ///
    /// # Errors
    /// When there is something at the target by now, or the file system refuses.
    pub fn publish(mut self) -> Result<(), ImportError> {
        sync_folder(&self.folder)?;
        occupied(&self.target)?;
        // An empty folder may be there; not every system replaces one.
        if self.target.is_dir() {
            fs::remove_dir(&self.target).map_err(ImportError::write(&self.target))?;
        }
        fs::rename(&self.folder, &self.target).map_err(ImportError::write(&self.target))?;
        self.published = true;
        self.parents.keep();
        sync_folder(self.target.parent().unwrap_or(Path::new("/")))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed is removed by the next import, or is in nobody's way.
        if !self.published {
            let _ = fs::remove_dir_all(&self.folder);
        }
        let _ = fs::remove_file(&self.lock_path);
        let _ = self.lock.unlock();
    }
}

/// Folders that were made for something that is to be written. They go again if they are empty in the end, unless they are to stay.
pub(crate) struct Made(Vec<PathBuf>);

impl Made {
    /// Makes a folder with all that it lies in.
    pub(crate) fn folder(folder: &Path) -> Result<Self, ImportError> {
        let missing = folder.ancestors().take_while(|folder| {
            !folder.as_os_str().is_empty() && folder.symlink_metadata().is_err()
        });
        let made = Self(missing.map(Path::to_owned).collect());
        fs::create_dir_all(folder).map_err(ImportError::write(folder))?;
        Ok(made)
    }

    /// They stay.
    pub(crate) fn keep(&mut self) {
        self.0.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for folder in &self.0 {
            // Only an empty folder goes.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Whether a path still leads to an open file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> Result<bool, ImportError> {
    use std::os::unix::fs::MetadataExt;

    let of = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let open = file.metadata().map_err(ImportError::write(path))?;
    Ok(fs::metadata(path).is_ok_and(|there| of(there) == of(open)))
}

/// Elsewhere an open file cannot be replaced.
#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> Result<bool, ImportError> {
    Ok(true)
}

/// Refuses a target that holds something.
fn occupied(target: &Path) -> Result<(), ImportError> {
    let Ok(there) = target.symlink_metadata() else {
        return Ok(());
    };
    let empty = there.is_dir()
        && fs::read_dir(target)
            .map_err(ImportError::write(target))?
            .next()
            .is_none();
    if empty {
        Ok(())
    } else {
        Err(ImportError::Occupied {
            path: target.to_owned(),
        })
    }
}

fn sync_folder(folder: &Path) -> Result<(), ImportError> {
    if cfg!(unix) {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(ImportError::write(folder))?;
    }
    Ok(())
}

/// Images that are used, by folder.
pub(crate) type Images = HashMap<String, Used>;

/// Images of a folder.
#[derive(Debug, Default)]
pub(crate) struct Used {
    /// The first that was named, by which the folder is found.
    pub(crate) first: String,
    pub(crate) names: HashSet<Box<str>>,
}

/// The questions of a split, while they are written.
pub(crate) struct Lines {
    split: Split,
    path: PathBuf,
    file: BufWriter<File>,
    text: String,
    /// Ids of the questions of each data set.
    ids: HashSet<(u8, IdKey)>,
    pub(crate) images: Images,
    pub(crate) questions: usize,
    answered: Option<bool>,
}

/// Longest line of questions that is read, in bytes.
const LONGEST_LINE: usize = 1 << 20;

impl Lines {
    pub(crate) fn create(path: PathBuf, split: Split) -> Result<Self, ImportError> {
        let file = File::create_new(&path).map_err(ImportError::write(&path))?;
        Ok(Self {
            split,
            path,
            file: BufWriter::with_capacity(1 << 20, file),
            text: String::new(),
            ids: HashSet::new(),
            images: Images::new(),
            questions: 0,
            answered: None,
        })
    }

    /// Adds a question of the data set with this number, of the file `from`.
    pub(crate) fn add(
        &mut self,
        record: &Record<'_>,
        data_set: u8,
        part: Option<&str>,
        from: &Path,
    ) -> Result<(), ImportError> {
        let place = || Place::Question(record.id.text.clone());
        if !self.ids.insert((data_set, record.id.text.as_str().into())) {
            return Err(repeated(from, &record.id.text));
        }
        if self.split != Split::Test && !record.answered {
            return Err(ImportError::content(
                from,
                place(),
                format!(
                    "the question has no answers, which the {} split needs",
                    self.split.name()
                ),
                "take the file that has the answers, or use it as the test split with `--test`",
            ));
        }
        if *self.answered.get_or_insert(record.answered) != record.answered {
            let (has, others) = if record.answered {
                ("has", "do not")
            } else {
                ("has no", "do")
            };
            return Err(ImportError::content(
                from,
                place(),
                format!("the question {has} answers, and questions before it {others}"),
                "import splits with and without answers into folders of their own",
            ));
        }
        if let Some(used) = self.images.get_mut(record.folder) {
            if !used.names.contains(record.image) {
                used.names.insert(record.image.into());
            }
        } else {
            let used = Used {
                first: record.image.to_owned(),
                names: HashSet::from([record.image.into()]),
            };
            self.images.insert(record.folder.to_owned(), used);
        }
        record.line(part, &mut self.text);
        if self.text.len() > LONGEST_LINE {
            let bytes = self.text.len();
            return Err(ImportError::content(
                from,
                place(),
                format!(
                    "question, answers and other fields take {bytes} bytes, and a line that is read has at most {LONGEST_LINE}"
                ),
                "shorten its texts, or leave fields out with `--leave-out`",
            ));
        }
        self.questions += 1;
        self.file
            .write_all(self.text.as_bytes())
            .map_err(ImportError::write(&self.path))
    }

    /// Brings everything to the disk. Which images are used.
    pub(crate) fn finish(self) -> Result<(usize, Images), ImportError> {
        let failed = ImportError::write(&self.path);
        let file = self
            .file
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        Ok((self.questions, self.images))
    }
}
