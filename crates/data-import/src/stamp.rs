//! What tells one version of official files from another.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::time::SystemTime;

use crate::error::ImportError;
use crate::sniff;

/// A number for what an import of these sources would read: the names, lengths and times of change of their files, the folders
/// that images may lie in, and the version of this importer. No file is read for it.
///
/// # Errors
/// When a source cannot be looked at.
pub fn stamp(sources: &[PathBuf]) -> Result<u64, ImportError> {
    let mut sum = DefaultHasher::new();
    env!("CARGO_PKG_VERSION").hash(&mut sum);
    for source in sources {
        // The places of images are written down as absolute paths.
        let whole = fs::canonicalize(source).map_err(ImportError::io(source))?;
        whole.hash(&mut sum);
    }
    let found = sniff::find(sources)?;
    found.folders.hash(&mut sum);
    for path in found.files {
        let metadata = fs::metadata(&path).map_err(ImportError::io(&path))?;
        let changed = metadata.modified().map_err(ImportError::io(&path))?;
        let changed = changed
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        (path, metadata.len(), changed).hash(&mut sum);
    }
    Ok(sum.finish())
}
