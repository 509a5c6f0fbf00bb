//! The questions of one official file, to be answered and not to be learned from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use crate::error::{ImportError, Place};
use crate::format::Format;
use crate::images::Bases;
use crate::import::recognise;
use crate::layouts::{self, Job};
use crate::record::Style;
use crate::sniff;

/// Where the questions of an official file are from.
#[derive(Debug, Clone)]
pub struct QuestionFile {
    /// Layout of the file.
    pub format: Format,
    /// Folders of the images, by the first part of the names in the lines.
    pub images: BTreeMap<String, PathBuf>,
}

/// Passes on every question of an official file in its order, each as a line of the folder format, without copying images.
/// Answers may be absent. `images` are folders of images as in [`Request::images`](crate::Request::images); without one they are
/// looked for beside the file.
///
/// # Errors
/// When the file is not recognised, has several parts, or is not what its layout says.
pub fn questions(
    file: &Path,
    format: Option<Format>,
    images: &[(Option<String>, PathBuf)],
    each: &mut dyn FnMut(&str),
) -> Result<QuestionFile, ImportError> {
    let sources = [file.to_owned()];
    let files = sniff::all(&sources)?;
    let asked: Vec<Format> = format.into_iter().collect();
    let formats = recognise(&asked, &sources, &files)?;
    let format = formats[0];
    let meter = AtomicU64::new(0);
    let bases = Bases::new(&sources, images)?;
    let layout = layouts::layout(format, &files, &bases, &meter)?;
    let parts = layout.parts().iter().enumerate();
    let whole: Vec<_> = parts.filter(|(_, part)| part.within.is_none()).collect();
    let [(part, _)] = whole[..] else {
        let names: Vec<_> = whole.iter().map(|(_, part)| part.name.as_str()).collect();
        return Err(ImportError::content(
            file,
            Place::File,
            format!("the file has several splits: {}", names.join(", ")),
            "import it with `aoa data import`, and predict a split of the folder",
        ));
    };
    let mut used: BTreeMap<String, String> = BTreeMap::new();
    let mut line = String::new();
    layout.read(
        part,
        &mut Job {
            unanswered: true,
            style: &mut Style::default(),
            meter: &meter,
            sink: &mut |record| {
                if !used.contains_key(record.folder) {
                    used.insert(record.folder.to_owned(), record.image.to_owned());
                }
                record.line(None, &mut line);
                each(line.trim_end());
                Ok(())
            },
        },
    )?;
    if used.is_empty() {
        return Err(ImportError::content(
            file,
            Place::File,
            "the file has no questions",
            "download the file again",
        ));
    }
    let place = |(name, first): (String, String)| {
        let below = layout.below(&name);
        let found = bases.locate(&name, &below, &first);
        let path = found.unwrap_or_else(|| bases.first().unwrap_or(Path::new("")).join(&below[0]));
        (name, path)
    };
    Ok(QuestionFile {
        format,
        images: used.into_iter().map(place).collect(),
    })
}
