//! Data sets by the name of their official files: imported once, into a cache, then read as a folder.

use std::borrow::Cow;
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use config_schema::{Config, DatasetName};
use data_import::{Format, ImportError, MANIFEST, Progress, Request, import, stamp};
use data_pipeline::DataError;
use file_kind::quoted;

use crate::bar::LineBar;
use crate::output;

/// Where imports go, beside the files.
const CACHE: &str = ".aoa-cache";

/// Bytes that the bar counts as one.
const MEGABYTE: u64 = 1_000_000;

/// Between two looks at an import of another process.
const WAIT: Duration = Duration::from_millis(200);

/// The configuration with the folder that official files were imported into in place of these. Imports them where that has
/// not been done, and again where they have changed since. Other data sets need no import.
///
/// # Errors
///
/// When the files are not there or cannot be imported, or the cache cannot be written.
pub fn imported(settings: &Config) -> Result<Cow<'_, Config>, DataError> {
    let Ok(format) = settings.dataset.name.to_string().parse::<Format>() else {
        return Ok(Cow::Borrowed(settings));
    };
    let folder = folder(settings, format).map_err(|error| DataError::Import {
        problem: in_full(&error),
        cure: error.hint(),
    })?;
    let mut settings = settings.clone();
    settings.dataset.name = DatasetName::Folder;
    settings.dataset.root = folder.display().to_string();
    Ok(Cow::Owned(settings))
}

/// An error with its causes.
fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The folder of an import, made where it is not there.
fn folder(settings: &Config, format: Format) -> Result<PathBuf, ImportError> {
    let root = Path::new(&settings.dataset.root);
    if is_import(root, format) {
        return Ok(root.to_owned());
    }
    let source = source(root, format)?;
    let sources = vec![source];
    let version = stamp(&sources)?;
    let cache = match settings.dataset.cache.as_str() {
        "" => sources[0].join(CACHE),
        stated => PathBuf::from(stated),
    };
    let to = cache.join(format!("{format}-{version:016x}"));
    let place = std::path::absolute(&cache).unwrap_or_else(|_| cache.clone());
    let mut waits = false;
    loop {
        if to.join(MANIFEST).is_file() {
            return Ok(to);
        }
        if !waits {
            announce(&sources[0], format, &cache, &to);
        }
        let request = Request {
            sources: sources.clone(),
            to: to.clone(),
            formats: vec![format],
            ..Request::default()
        };
        let bar = LineBar::new("MB read");
        let report = import(&request, &|Progress { done, total }| {
            bar.bar.set_length((total / MEGABYTE).max(1));
            bar.bar.set_position(done / MEGABYTE);
        });
        bar.bar.finish_and_clear();
        match report {
            Ok(report) => {
                for note in &report.notes {
                    output::note(format!("note: {note}"));
                }
                return Ok(to);
            }
            Err(ImportError::Busy { .. }) => {
                if !waits {
                    output::note("another process is importing these files; waiting for it");
                }
                waits = true;
                thread::park_timeout(WAIT);
            }
            // Another process was faster.
            Err(ImportError::Occupied { .. }) if to.join(MANIFEST).is_file() => {}
            Err(ImportError::Write { path, source })
                if path.starts_with(&place) && is_refusal(&source) =>
            {
                return Err(ImportError::Choice {
                    problem: format!("cannot write `{}`: {source}", path.display()),
                    cure: "name a folder for imports that can be written, such as `--cache ~/.cache/aoa`"
                        .to_owned(),
                });
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether a folder is an import of this data set: a run whose official files have changed since goes on with the earlier one.
fn is_import(root: &Path, format: Format) -> bool {
    let name = root.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(&format!("{format}-")) && root.join(MANIFEST).is_file()
}

/// Whether a folder may not be written.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::AlreadyExists
    )
}

/// The folder of the official files: the one of their name, or the one that was named.
fn source(root: &Path, format: Format) -> Result<PathBuf, ImportError> {
    let own = root.join(format.name());
    if own.is_dir() {
        return Ok(own);
    }
    if root.is_dir() {
        return Ok(root.to_owned());
    }
    Err(ImportError::Choice {
        problem: format!(
            "there are no files of {format}: neither `{}` nor `{}` is a folder",
            own.display(),
            root.display()
        ),
        cure: format!(
            "`aoa data fetch {format} --data-root {}` says what to download and where it belongs",
            quoted(root)
        ),
    })
}

/// Says what is imported, and which import of the cache it takes the place of.
fn announce(source: &Path, format: Format, cache: &Path, to: &Path) {
    let prefix = format!("{format}-");
    let before = fs::read_dir(cache).ok().and_then(|entries| {
        let mut names = entries.flatten().map(|entry| entry.file_name());
        names.find(|name| name.to_string_lossy().starts_with(&prefix))
    });
    let (source, to) = (source.display(), to.display());
    output::note(match before {
        None => format!("importing {format} from {source}, once, into {to}"),
        Some(before) => format!(
            "the files of {format} in {source} changed since the last import; importing them into {to}. To resume or evaluate \
             runs of the earlier import, pass `--data-root {before}`; remove it when no run needs it",
            before = quoted(cache.join(before))
        ),
    });
}
