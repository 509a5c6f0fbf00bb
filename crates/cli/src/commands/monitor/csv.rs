//! Samples as rows of a file.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::timed::Timed;
use crate::failure::Failure;

const HEADER: &str = "seconds,index,name,uuid,lost,memory_used_bytes,memory_total_bytes,gpu_percent,memory_percent,\
                      temperature_celsius,power_watts,processes,own_processes,own_memory_bytes\n";

/// A file that begins with the header and goes on with whole rows.
pub struct CsvFile {
    path: PathBuf,
    file: File,
}

impl CsvFile {
    /// Opens a file to append to; one that is new or empty gets the header.
    ///
    /// # Errors
    ///
    /// When the file cannot be accessed, or holds anything but such rows.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path);
        file.and_then(begun)
            .map(|file| Self {
                path: path.to_owned(),
                file,
            })
            .map_err(|source| match source.kind() {
                // What is there is not what this program wrote.
                io::ErrorKind::InvalidData => Failure::File {
                    path: path.to_owned(),
                    source,
                },
                _ => Failure::Write {
                    path: path.to_owned(),
                    source,
                },
            })
    }

    /// Appends a row for each sample, or nothing.
    pub fn append<'a>(&mut self, samples: impl Iterator<Item = Timed<'a>>) -> Result<(), Failure> {
        let rows: String = samples.map(|one| row(&one)).collect();
        let end = self.file.metadata().map_or(0, |file| file.len());
        self.file.write_all(rows.as_bytes()).map_err(|source| {
            // A part of a row would be in the way of the next monitor.
            let _ = self.file.set_len(end);
            Failure::Write {
                path: self.path.clone(),
                source,
            }
        })
    }
}

/// The file with its header, ready for a row.
fn begun(mut file: File) -> io::Result<File> {
    if file.metadata()?.len() == 0 {
        file.write_all(HEADER.as_bytes())?;
        return Ok(file);
    }
    let mut first = Vec::new();
    BufReader::new(&file)
        .take(HEADER.len() as u64)
        .read_until(b'\n', &mut first)?;
    if first != HEADER.as_bytes() {
        return Err(unfit("it has other columns than these rows"));
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last != *b"\n" {
        return Err(unfit("its last row is not whole"));
    }
    Ok(file)
}

fn unfit(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

fn row(one: &Timed<'_>) -> String {
    fn text(value: Option<impl ToString>) -> String {
        value.map_or_else(String::new, |value| value.to_string())
    }
    let sample = one.sample;
    let fields = [
        one.seconds.to_string(),
        sample.index.to_string(),
        text(sample.name.as_deref().map(quoted)),
        text(sample.uuid.as_deref()),
        sample.lost.to_string(),
        text(sample.memory.map(|memory| memory.used)),
        text(sample.memory.map(|memory| memory.total)),
        text(sample.utilization.map(|rates| rates.gpu_percent)),
        text(sample.utilization.map(|rates| rates.memory_percent)),
        text(sample.temperature_celsius),
        text(sample.power_watts),
        text(sample.processes.as_ref().map(Vec::len)),
        text(sample.own_processes().map(Iterator::count)),
        text(sample.own_memory()),
    ];
    fields.join(",") + "\n"
}

/// A text that may hold a comma, as one field.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
