//! Files that arguments name: of a kind and a size that can be read whole.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::string::FromUtf8Error;

use config_schema::{MAX_TEXT_BYTES, Source};
use file_kind::quoted;
use weight_files::FileKind;

use crate::failure::Failure;

/// Reads a file that an argument names, if it is of a size that configurations have.
pub fn read_source(path: &Path) -> Result<Source, Failure> {
    let text = read_bounded(path, MAX_TEXT_BYTES as u64).and_then(|bytes| {
        let kind = FileKind::of(&bytes);
        if kind.replaces_file() {
            let cure = kind.cure().map(|cure| format!("; {cure}"));
            let cure = cure.unwrap_or_default();
            return Err(io::Error::other(format!("it is {kind}{cure}")));
        }
        String::from_utf8(bytes).map_err(|error| not_utf8(path, &error))
    });
    let text = text.map_err(|source| Failure::Config {
        path: path.to_owned(),
        source,
    })?;
    Ok(Source::new(path.display().to_string(), text))
}

/// That a text has another encoding, and how to convert it.
fn not_utf8(path: &Path, error: &FromUtf8Error) -> io::Error {
    let (path, bytes) = (quoted(path), error.as_bytes());
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return io::Error::other(format!(
            "it is UTF-16 and must be UTF-8; convert it: `iconv -f UTF-16 -t UTF-8 {path} > NEW_FILE`"
        ));
    }
    // Bytes that no text has, in whatever encoding.
    let binary = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t'..=b'\r' | 0x1b);
    let kind = FileKind::of(bytes);
    if bytes.iter().any(binary) || kind != FileKind::Unknown {
        return io::Error::other(match kind {
            FileKind::Unknown => "it is no text file; name the file of a preset".to_owned(),
            kind => format!("it is {kind}; name the file of a preset"),
        });
    }
    let valid = &bytes[..error.utf8_error().valid_up_to()];
    let line = valid.split(|byte| *byte == b'\n').count();
    io::Error::other(format!(
        "line {line} is not UTF-8; convert the file; if it is Chinese in GBK: `iconv -f GB18030 -t UTF-8 {path} > NEW_FILE`"
    ))
}

/// Reads a regular file of at most `limit` bytes. Whatever else there is may have no end, or may never begin.
pub fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(limit + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has more than {limit} bytes"),
        ));
    }
    Ok(bytes)
}
