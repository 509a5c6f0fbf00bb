use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::cards::Cards;
use crate::text;

static LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/library"));

impl Cards {
    /// Puts the library and these cards into `folder`, which must exist, and returns the path of the library. A second
    /// call for the same folder changes the cards; a program that has the library loaded sees them at its next
    /// `nvmlInit`.
    ///
    /// # Errors
    ///
    /// When `folder` cannot be written.
    pub fn install(&self, folder: &Path) -> io::Result<PathBuf> {
        let library = folder.join("libnvidia-ml.so.1");
        // Never rewritten: a program may have it mapped.
        if !library.exists() {
            fs::write(&library, LIBRARY)?;
        }
        // In one step: a program may be at its `nvmlInit`.
        let cards = text::file_beside(&library);
        let unfinished = cards.with_extension("unfinished");
        fs::write(&unfinished, text::write(self))?;
        fs::rename(unfinished, cards)?;
        Ok(library)
    }

    /// Has the library at `library` note, from now on, with which variables of CUDA each `nvmlInit` is called: a line of
    /// `CUDA_VISIBLE_DEVICES` and `CUDA_DEVICE_ORDER` each, `-` for one that is not set. Returns the file.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn note_environments(library: &Path) -> io::Result<PathBuf> {
        let notes = text::notes_beside(library);
        fs::write(&notes, "")?;
        Ok(notes)
    }
}
