//! Questions of a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_import::Format;
use data_pipeline::{Questions, Source};

use crate::failure::Failure;
use crate::output;

/// The questions of an official file of a data set, or of one with a JSON object a line. `images` are folders of images, each for
/// those of a name or for all others; without one they lie beside the file.
pub fn read(
    file: &Path,
    layout: Option<Format>,
    images: &[(Option<String>, PathBuf)],
) -> Result<Arc<dyn Source>, Failure> {
    if layout.is_none() && (is_jsonl(file) || Questions::is_one_a_line(file)) {
        let unnamed = images.iter().find(|(name, _)| name.is_none());
        let beside = || {
            let folder = file.parent().unwrap_or(Path::new(""));
            // As a data set of one's own has them.
            let images = folder.join("images");
            if images.is_dir() {
                images
            } else {
                folder.to_owned()
            }
        };
        let root = unnamed.map_or_else(beside, |(_, folder)| folder.clone());
        let named = images
            .iter()
            .filter_map(|(name, folder)| Some((name.clone()?, folder.clone())));
        let folders: BTreeMap<String, PathBuf> = named.collect();
        return Ok(Arc::new(Questions::read(file, &root, folders)?));
    }
    let mut lines = Vec::new();
    let found = data_import::questions(file, layout, images, &mut |line| {
        lines.push(line.to_owned());
    })?;
    output::note(format!(
        "{} are questions of {}",
        file.display(),
        found.format
    ));
    Ok(Arc::new(Questions::listed(file, lines, found.images)?))
}

/// The questions of a file with a JSON object a line whose images are paths of files.
pub fn with_paths(file: &Path) -> Result<Arc<dyn Source>, Failure> {
    Ok(Arc::new(Questions::with_paths(file)?))
}

fn is_jsonl(file: &Path) -> bool {
    file.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("jsonl"))
}
