//! Reading regular files and nothing else.
//!
//! A pipe or a socket may never answer, and a device may have no end.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Opens a file to read it. A link is followed.
///
/// # Errors
///
/// When there is something else than a regular file, and whatever the file system reports.
pub fn open_regular(path: &Path) -> io::Result<File> {
    // Looked at before it is opened: to open a pipe is to wait for a writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    File::open(path)
}

/// What stands where a file is looked for and is none: "a pipe". None for a regular file.
pub fn special(kind: fs::FileType) -> Option<&'static str> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;

        if kind.is_fifo() {
            return Some("a pipe");
        }
        if kind.is_socket() {
            return Some("a socket");
        }
        if kind.is_char_device() || kind.is_block_device() {
            return Some("a device");
        }
    }
    match kind {
        kind if kind.is_file() => None,
        kind if kind.is_dir() => Some("a folder"),
        _ => Some("no regular file"),
    }
}

/// The content of a regular file.
///
/// # Errors
///
/// As [`open_regular`].
pub fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open_regular(path)?;
    let mut content = Vec::with_capacity(file.metadata()?.len() as usize);
    file.read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_and_all_else_is_refused() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = read_regular(&here.join("Cargo.toml")).expect("a file");
        assert!(text.starts_with(b"[package]"));
        let refused = |path: &Path| {
            let error = read_regular(path).expect_err("it is refused");
            error.to_string()
        };
        assert_eq!(refused(here), "it is not a regular file");
        #[cfg(unix)]
        assert_eq!(refused(Path::new("/dev/zero")), "it is not a regular file");
        let kind = |path: &Path| special(fs::metadata(path).expect("it is there").file_type());
        assert_eq!(kind(here), Some("a folder"));
        assert_eq!(kind(&here.join("Cargo.toml")), None);
        #[cfg(unix)]
        assert_eq!(kind(Path::new("/dev/zero")), Some("a device"));
        let absent = read_regular(&here.join("nothing")).expect_err("nothing is there");
        assert_eq!(absent.kind(), io::ErrorKind::NotFound);
    }
}
