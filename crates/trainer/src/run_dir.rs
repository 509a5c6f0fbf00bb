//! The folder that a run writes to.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use config_schema::Config;
use data_pipeline::{AnswerList, Encoder, Pieces, Split, Vocabulary, WordPiece, WordPieceForm};
use file_kind::read_regular;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::dataset::{Dataset, Fingerprints, exif_orientation};
use crate::durable;
use crate::error::TrainError;
use crate::run_files::{
    ANSWERS, CONFIG, DATA, INPUTS, LOCK, METRICS, MODEL, SEAL, START_WEIGHTS, SUMMARY, VOCABULARY,
    WORD_PIECES,
};
use crate::standing::{ODD_LOCK, Standing, clear, is_leftover, mark, remove};

/// A run directory. While it is open for writing no other process can write to it.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    lock: File,
}

/// Checksum of each file by its name.
type Seal = BTreeMap<String, u32>;

/// The files of a run that must be as they were when it began: a checkpoint means nothing without them.
pub(crate) struct Sealed<'a> {
    run_dir: &'a Path,
    seal: Seal,
}

/// What a checkpoint needs beside it to be used.
#[derive(Debug, Clone)]
pub struct Blueprint<C> {
    /// How texts and images become numbers.
    pub encoder: Arc<Encoder>,
    /// The model's configuration.
    pub model: C,
}

impl RunDir {
    /// Refuses a folder that holds a run, or files that a run would overwrite.
    ///
    /// # Errors
    ///
    /// When it does, or cannot be read.
    pub fn require_vacant(path: &Path) -> Result<(), TrainError> {
        match Standing::of(path)? {
            Standing::Vacant | Standing::Stepless => Ok(()),
            Standing::Run => Err(TrainError::RunExists {
                path: path.to_owned(),
            }),
            Standing::Foreign(files) => Err(TrainError::Occupied {
                path: path.to_owned(),
                files,
            }),
        }
    }

    /// Creates a run directory, or takes over one whose run ended before its first step: of that one, the configuration alone is
    /// left. It holds a run when its [blueprint](Self::write_blueprint) is written.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written, is in use, holds a run already, or files that a run would overwrite.
    pub fn create(path: &Path) -> Result<Self, TrainError> {
        Self::require_vacant(path)?;
        let failed = |source| TrainError::Write {
            path: path.to_owned(),
            source,
        };
        fs::create_dir_all(path).map_err(failed)?;
        let mut run_dir = Self::open(path)?;
        // Another process may have been quicker.
        Self::require_vacant(path)?;
        mark(&mut run_dir.lock).map_err(failed)?;
        clear(path)?;
        Ok(run_dir)
    }

    /// Removes a run directory whose run ended before it told of its start. Any other folder stays as it is.
    ///
    /// # Errors
    ///
    /// When the folder is in use, or the file system refuses.
    pub fn discard_unbegun(path: &Path) -> Result<(), TrainError> {
        let told = fs::metadata(path.join(METRICS)).map_or(0, |log| log.len());
        if told > 0 || Standing::of(path)? != Standing::Stepless {
            return Ok(());
        }
        let _lock = Self::open(path)?;
        clear(path)?;
        remove(path.join(CONFIG))?;
        remove(path.join(LOCK))?;
        // Not where somebody else put a file.
        let _ = fs::remove_dir(path);
        Ok(())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a run directory to continue its run.
    ///
    /// # Errors
    ///
    /// When it is not a run directory, cannot be written or is in use.
    pub fn reopen(path: &Path) -> Result<Self, TrainError> {
        require(path, CONFIG)?;
        Self::open(path)
    }

    /// Opens a folder, removing what a process that was killed left of files that were not whole.
    fn open(path: &Path) -> Result<Self, TrainError> {
        let failed = |source| TrainError::Write {
            path: path.to_owned(),
            source,
        };
        let lock = open_lock(path, true).map_err(failed)?;
        lock_for_one(&lock, path)?;
        let run_dir = Self {
            path: path.to_owned(),
            lock,
        };
        // The lock may be of a folder that was removed in between.
        run_dir.require_in_place()?;
        for entry in fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let left = entry.path();
            if is_leftover(&left) && entry.file_type().map_err(failed)?.is_file() {
                fs::remove_file(&left).map_err(failed)?;
            }
        }
        Ok(run_dir)
    }

    /// Checks that the folder is still there and nobody else's.
    ///
    /// # Errors
    ///
    /// When it was removed or replaced since it was opened.
    pub(crate) fn require_in_place(&self) -> Result<(), TrainError> {
        let path = self.path.join(LOCK);
        match durable::is_at(&self.lock, &path) {
            Ok(true) => Ok(()),
            Ok(false) => Err(TrainError::moved(&path)),
            Err(source) => Err(TrainError::Read { path, source }),
        }
    }

    /// Saves the configuration text: the first file of a run, from which it can be begun again.
    ///
    /// # Errors
    ///
    /// When the file system refuses.
    pub fn write_config(&self, config: &str) -> Result<(), TrainError> {
        self.write_text(CONFIG, config)
    }

    /// Saves what checkpoints need beside them, and seals it with the configuration, the fingerprints and the files `kept`
    /// that the run has besides.
    ///
    /// # Errors
    ///
    /// When the file system refuses.
    pub fn write_blueprint<C: Serialize>(
        &self,
        blueprint: &Blueprint<C>,
        kept: &[&'static str],
    ) -> Result<(), TrainError> {
        let encoder = &blueprint.encoder;
        let mut names = [&[CONFIG, VOCABULARY, ANSWERS, INPUTS, DATA, MODEL], kept].concat();
        self.write_text(VOCABULARY, &encoder.vocabulary.to_json())?;
        self.write_text(ANSWERS, &encoder.answers.to_json())?;
        if let Some(pieces) = &encoder.pieces {
            self.write_text(WORD_PIECES, &pieces.tokenizer().to_text())?;
            names.push(WORD_PIECES);
        }
        self.write_json(INPUTS, &encoder.inputs)?;
        self.write_json(MODEL, &blueprint.model)?;
        self.seal(&names)
    }

    /// Writes down the checksum of every file that decides what a checkpoint means.
    fn seal(&self, names: &[&str]) -> Result<(), TrainError> {
        let mut seal = Seal::new();
        for name in names {
            let content = read(&self.path.join(name))?;
            seal.insert((*name).to_owned(), crc32fast::hash(&content));
        }
        self.write_json(SEAL, &seal)
    }

    /// Saves the run's result.
    ///
    /// # Errors
    ///
    /// When the file system refuses.
    pub fn write_summary<T: Serialize>(&self, summary: &T) -> Result<(), TrainError> {
        self.require_whole()?;
        self.require_in_place()?;
        self.write_json(SUMMARY, summary)
    }

    /// Checks that every file that the run began with is there and as it was: without one of them its result could not be
    /// used. Of the weights it is not told whether they were changed, since they are large.
    fn require_whole(&self) -> Result<(), TrainError> {
        let seal = self.path().join(SEAL);
        if !seal.exists() {
            return Err(TrainError::moved(&seal));
        }
        let sealed = Sealed::of(self.path())?;
        let mut files = sealed.seal.keys().map(|name| self.path().join(name));
        if let Some(file) = files.find(|file| !file.exists()) {
            return Err(TrainError::moved(&file));
        }
        let mut small = sealed.seal.keys().filter(|name| *name != START_WEIGHTS);
        small.try_for_each(|name| sealed.read(name).map(drop))
    }

    pub(crate) fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), TrainError> {
        write_json(&self.path, name, value)
    }

    fn write_text(&self, name: &str, text: &str) -> Result<(), TrainError> {
        self.write(name, text.as_bytes())
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<(), TrainError> {
        write(&self.path, name, content)
    }
}

fn write_json<T: Serialize>(run_dir: &Path, name: &str, value: &T) -> Result<(), TrainError> {
    let text = encode(run_dir, name, value, serde_json::to_vec_pretty)?;
    write(run_dir, name, &text)
}

fn write(run_dir: &Path, name: &str, content: &[u8]) -> Result<(), TrainError> {
    let path = run_dir.join(name);
    durable::write(&path, content).map_err(|source| TrainError::Write { path, source })
}

fn encode<T: Serialize>(
    run_dir: &Path,
    name: &str,
    value: &T,
    encode: impl Fn(&T) -> serde_json::Result<Vec<u8>>,
) -> Result<Vec<u8>, TrainError> {
    encode(value).map_err(|error| TrainError::Write {
        path: run_dir.join(name),
        source: io::Error::other(error),
    })
}

/// Reads what a run's checkpoints need beside them.
///
/// # Errors
///
/// When a file is missing or does not hold what it should.
pub fn read_blueprint<C: DeserializeOwned>(
    run_dir: &Path,
    settings: &Config,
) -> Result<Blueprint<C>, TrainError> {
    let sealed = Sealed::of(run_dir)?;
    let vocabulary = run_dir.join(VOCABULARY);
    let answers = run_dir.join(ANSWERS);
    let answers = AnswerList::from_json(&sealed.text(ANSWERS)?, &answers)?;
    let word_pieces = run_dir.join(WORD_PIECES);
    let tokens = settings.dataset.max_question_tokens;
    let pieces = if sealed.contains(WORD_PIECES) {
        let text = sealed.text(WORD_PIECES)?;
        let tokenizer = WordPiece::from_text(&text, &word_pieces, WordPieceForm::Xvlm)?;
        // How long an answer may be was seen to when the run began.
        Some(Pieces::new(tokenizer, tokens, usize::MAX, &answers)?)
    } else {
        None
    };
    Ok(Blueprint {
        encoder: Arc::new(Encoder {
            vocabulary: Vocabulary::from_json(&sealed.text(VOCABULARY)?, &vocabulary)?,
            answers,
            max_question_tokens: tokens,
            image_size: settings.dataset.image_size,
            exif_orientation: exif_orientation(settings),
            inputs: sealed.parse(INPUTS)?,
            pieces,
        }),
        model: sealed.parse(MODEL)?,
    })
}

/// Saves in a run's directory what tells its data set from another one. Once it has its blueprint, the file is sealed.
///
/// # Errors
///
/// When the file system refuses.
pub fn write_fingerprints(run_dir: &Path, dataset: &Dataset) -> Result<(), TrainError> {
    write_json(run_dir, DATA, &dataset.fingerprints())
}

/// The splits that are not what they were when the run began. None for a run of an earlier version, which did not write
/// down what they were.
///
/// # Errors
///
/// When the folder is not a run, or what it wrote down was changed.
pub fn changed_splits(run_dir: &Path, dataset: &Dataset) -> Result<Vec<Split>, TrainError> {
    let sealed = Sealed::of(run_dir)?;
    if !sealed.contains(DATA) {
        return Ok(Vec::new());
    }
    let began: Fingerprints = sealed.parse(DATA)?;
    let now = dataset.fingerprints();
    let splits = [Split::Train, Split::Validation, Split::Test].into_iter();
    Ok(splits
        .filter(|split| began.of(*split) != now.of(*split))
        .collect())
}

/// Checks that a run to be continued learns from the data it began with, and chooses its best checkpoint by it.
///
/// # Errors
///
/// Names the training or validation split when it is another one; what [`changed_splits`] fails for.
pub fn require_same_data(run_dir: &Path, dataset: &Dataset) -> Result<(), TrainError> {
    let changed = changed_splits(run_dir, dataset)?;
    match changed.into_iter().find(|split| *split != Split::Test) {
        None => Ok(()),
        Some(split) => Err(TrainError::OtherData {
            run_dir: run_dir.to_owned(),
            split: split.name(),
        }),
    }
}

/// Reads the configuration text of a run.
///
/// # Errors
///
/// When there is none.
pub fn read_config(run_dir: &Path) -> Result<String, TrainError> {
    require(run_dir, CONFIG)?;
    if is_torso(run_dir)? {
        let path = run_dir.join(CONFIG);
        return String::from_utf8(read(&path)?).map_err(|error| invalid(path, &error));
    }
    Sealed::of(run_dir)?.text(CONFIG)
}

/// Whether a run began in this folder: all files are there that it needs to go on.
pub(crate) fn has_begun(run_dir: &Path) -> bool {
    run_dir.join(SEAL).exists()
}

/// Whether a process ended in this folder before its run [began](has_begun).
fn is_torso(path: &Path) -> Result<bool, TrainError> {
    Ok(!has_begun(path) && Standing::of(path)? == Standing::Stepless)
}

/// Opens the file that a process locks while it writes to a run directory.
fn open_lock(run_dir: &Path, create: bool) -> io::Result<File> {
    let path = run_dir.join(LOCK);
    // What a link leads to is not ours, and a pipe would wait for a reader.
    if path.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        return Err(io::Error::other(ODD_LOCK));
    }
    let mut options = File::options();
    options
        .write(true)
        .create(create)
        .truncate(false)
        .open(path)
}

/// Checks that a run could begin in a folder, or go on there, and changes nothing.
///
/// # Errors
///
/// What beginning or going on is refused for: the folder holds a run, or none, is in use, or cannot be written.
pub fn check_run_dir(path: &Path, resume: bool) -> Result<(), TrainError> {
    let failed = |source| TrainError::Write {
        path: path.to_owned(),
        source,
    };
    if resume {
        require(path, CONFIG)?;
        if !is_torso(path)? {
            require(path, SEAL)?;
        }
    } else {
        RunDir::require_vacant(path)?;
    }
    match open_lock(path, false) {
        Ok(lock) => lock_for_one(&lock, path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let absent = |path: &Path| {
        let there = path.symlink_metadata();
        there.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    let mut there = path;
    while absent(there) {
        there = match there.parent() {
            Some(parent) if parent != "" => parent,
            _ => Path::new("."),
        };
    }
    // Most systems give such a file no name, so nobody sees it.
    tempfile::tempfile_in(there).map(drop).map_err(failed)
}

/// Takes a lock, or says who has it.
fn lock_for_one(lock: &File, run_dir: &Path) -> Result<(), TrainError> {
    let path = run_dir.to_owned();
    match lock.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(TrainError::RunInUse { path }),
        Err(TryLockError::Error(source)) => Err(TrainError::Write { path, source }),
    }
}

impl<'a> Sealed<'a> {
    /// # Errors
    ///
    /// When the run was never sealed.
    pub(crate) fn of(run_dir: &'a Path) -> Result<Self, TrainError> {
        require(run_dir, SEAL)?;
        let path = run_dir.join(SEAL);
        match serde_json::from_slice(&read(&path)?) {
            Ok(seal) => Ok(Self { run_dir, seal }),
            Err(error) => Err(invalid(path, &error)),
        }
    }

    /// Whether the run began with such a file.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.seal.contains_key(name)
    }

    /// # Errors
    ///
    /// When the file cannot be read, or was changed.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, TrainError> {
        let path = self.run_dir.join(name);
        let content = read(&path)?;
        if self.seal.get(name) == Some(&crc32fast::hash(&content)) {
            return Ok(content);
        }
        Err(TrainError::Invalid {
            path,
            reason: "it was changed since the run began".to_owned(),
        })
    }

    /// # Errors
    ///
    /// As [`read`](Self::read), and when the file is not JSON of a `T`.
    pub(crate) fn parse<T: DeserializeOwned>(&self, name: &str) -> Result<T, TrainError> {
        serde_json::from_slice(&self.read(name)?)
            .map_err(|error| invalid(self.run_dir.join(name), &error))
    }

    fn text(&self, name: &str) -> Result<String, TrainError> {
        String::from_utf8(self.read(name)?)
            .map_err(|error| invalid(self.run_dir.join(name), &error))
    }
}

fn invalid(path: PathBuf, error: &dyn std::error::Error) -> TrainError {
    TrainError::Invalid {
        path,
        reason: error.to_string(),
    }
}

/// Requires a file that every run has. Where the folder or the file is there and cannot be used, that is the error.
fn require(run_dir: &Path, file: &'static str) -> Result<(), TrainError> {
    let path = run_dir.join(file);
    let failed = |path: &Path, source| {
        Err(TrainError::Read {
            path: path.to_owned(),
            source,
        })
    };
    match fs::metadata(run_dir) {
        Err(source) if !durable::is_absence(&source) => return failed(run_dir, source),
        _ => {}
    }
    match fs::metadata(&path) {
        Ok(there) if there.is_file() => Ok(()),
        Ok(_) => failed(&path, io::Error::other("it is not a regular file")),
        Err(error) if durable::is_absence(&error) && !path.is_symlink() => {
            Err(TrainError::NotARun {
                path: run_dir.to_owned(),
                file,
                because: match fs::metadata(run_dir) {
                    Ok(there) if there.is_dir() => "",
                    Ok(_) => ", since it is not a folder",
                    Err(_) => ", since there is no such folder",
                },
            })
        }
        Err(source) => failed(&path, source),
    }
}

/// Reads a file of a run: a regular one, since anything else may never end.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, TrainError> {
    read_regular(path).map_err(|source| TrainError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Reads a log of a run; one that is not there has no line.
pub(crate) fn read_log(path: &Path) -> Result<Vec<u8>, TrainError> {
    match read(path) {
        Err(TrainError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(Vec::new())
        }
        content => content,
    }
}

/// The run directory under `folder` whose metrics were written to last; none where there is no run or no such folder.
///
/// # Errors
///
/// When the folder, or a run in it, cannot be looked at: which run is the newest is not known then.
pub fn newest_run(folder: &Path) -> Result<Option<PathBuf>, TrainError> {
    let failed = |path: &Path, source| TrainError::Read {
        path: path.to_owned(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries.map_err(|source| failed(folder, source))?,
    };
    let mut newest = None;
    for entry in entries {
        let path = entry.map_err(|source| failed(folder, source))?.path();
        let written = fs::metadata(path.join(CONFIG))
            .and_then(|_| fs::metadata(path.join(METRICS)))
            .and_then(|log| log.modified());
        match written {
            Ok(written) => newest = newest.max(Some((written, path))),
            Err(error) if durable::is_absence(&error) => {}
            Err(source) => return Err(failed(&path, source)),
        }
    }
    Ok(newest.map(|(_, path)| path))
}
