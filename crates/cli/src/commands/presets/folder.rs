//! Every file in a folder, whatever it is.

use std::fs;
use std::io;
use std::path::Path;

use config_schema::MAX_TEXT_BYTES;
use preset_tools::preset_check::PresetFile;

use crate::failure::Failure;
use crate::source_files::read_bounded;

/// Reads a folder and the folders within it, in the order of names. What cannot be read within it is part of the answer.
pub fn read(folder: &Path) -> Result<Vec<PresetFile>, Failure> {
    let mut files = Vec::new();
    walk(folder, &mut files).map_err(|source| Failure::PresetFolder {
        path: folder.to_owned(),
        source,
    })?;
    Ok(files)
}

fn walk(folder: &Path, files: &mut Vec<PresetFile>) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let content = if entry.file_type()?.is_dir() {
            match walk(&path, files) {
                Ok(()) => continue,
                Err(error) => Err(error),
            }
        } else {
            read_bounded(&path, MAX_TEXT_BYTES as u64)
        };
        files.push(PresetFile {
            path: path.display().to_string(),
            content: content.map_err(|error| error.to_string()),
        });
    }
    Ok(())
}
