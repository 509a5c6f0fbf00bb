use file_kind::counted;
use std::fs::{self, File, TryLockError};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use half::f16;

use crate::error::StoreError;
use crate::format::{BOX_SIZE, Block, ENTRY, HEADER, Header, Number, Summary, block_bytes};

/// Writes a file of region features, one image at a time.
///
/// Blocks go to a file beside the target; [`Writer::finish`] brings it to the disk and gives it its name. A writer that is
/// dropped before leaves nothing, and what a killed one left the next one replaces. Memory holds the names of the images and 48
/// bytes for each.
pub struct Writer {
    target: PathBuf,
    partial: PathBuf,
    file: BufWriter<File>,
    number: Number,
    dim: Option<usize>,
    entries: Vec<Entry>,
    /// Where the next block begins.
    end: u64,
    bytes: Vec<u8>,
    finished: bool,
}

/// An image that was written.
struct Entry {
    name: Box<str>,
    rows: u32,
    offset: u64,
    crc: u32,
}

impl Writer {
    /// Begins a file.
    ///
    /// # Errors
    /// When there is a file of this name, another program writes it, or it cannot be created.
    pub fn create(target: &Path, number: Number) -> Result<Self, StoreError> {
        vacant(target)?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let partial = target.with_file_name(format!(".{name}.partial"));
        let failed = StoreError::io(&partial);
        // What a killed writer left is emptied once the lock says that nobody writes it.
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&partial)
            .map_err(&failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Busy {
                    path: target.to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).map_err(&failed)?;
        let mut writer = Self {
            target: target.to_owned(),
            partial: partial.clone(),
            file: BufWriter::with_capacity(1 << 20, file),
            number,
            dim: None,
            entries: Vec::new(),
            end: HEADER as u64,
            bytes: Vec::new(),
            finished: false,
        };
        // Zeros until everything is there: no partial file begins as a whole one.
        writer.file.write_all(&[0; HEADER]).map_err(failed)?;
        Ok(writer)
    }

    /// Adds an image.
    ///
    /// # Errors
    /// When it has no regions or no features, another number of features than the images before, numbers that 16 bits cannot
    /// hold, or the disk is full.
    pub fn add(&mut self, name: &str, block: &Block) -> Result<(), StoreError> {
        let Block {
            rows,
            features,
            boxes,
        } = block;
        let unfit = |problem: String| Err(StoreError::Unfit { problem });
        let dim = features.len().checked_div(*rows).unwrap_or(0);
        if dim == 0 || dim * rows != features.len() || boxes.len() != rows * BOX_SIZE {
            return unfit(format!(
                "{} have {} numbers of features and {} of boxes",
                counted(*rows, "region", "regions"),
                features.len(),
                boxes.len()
            ));
        }
        let expected = *self.dim.get_or_insert(dim);
        if dim != expected {
            return unfit(format!(
                "its regions have {dim} features, and those before have {expected}"
            ));
        }
        let (Ok(rows), Ok(_)) = (u32::try_from(*rows), u32::try_from(name.len())) else {
            return unfit(format!("it has {rows} regions, more than can be counted"));
        };
        self.bytes.clear();
        match self.number {
            Number::F32 => self
                .bytes
                .extend(features.iter().flat_map(|number| number.to_le_bytes())),
            Number::F16 => {
                for &number in features {
                    let short = f16::from_f32(number);
                    if short.is_infinite() && number.is_finite() {
                        return Err(StoreError::TooLarge { number });
                    }
                    self.bytes.extend(short.to_le_bytes());
                }
            }
        }
        self.bytes
            .extend(boxes.iter().flat_map(|number| number.to_le_bytes()));
        let failed = StoreError::io(&self.partial);
        self.file.write_all(&self.bytes).map_err(failed)?;
        self.entries.push(Entry {
            name: name.into(),
            rows,
            offset: self.end,
            crc: crc32fast::hash(&self.bytes),
        });
        self.end += self.bytes.len() as u64;
        debug_assert_eq!(
            Some(self.bytes.len() as u64),
            block_bytes(rows as usize, dim, self.number)
        );
        Ok(())
    }

    /// Ends the file and gives it its name.
    ///
    /// # Errors
    /// When there are no images, two have one name, there is a file of this name by now, or the disk is full.
    pub fn finish(mut self) -> Result<Summary, StoreError> {
        let failed = StoreError::io(&self.partial);
        let mut entries = std::mem::take(&mut self.entries);
        entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        if let Some([twice, _]) = entries
            .array_windows::<2>()
            .find(|[one, next]| one.name == next.name)
        {
            return Err(StoreError::Unfit {
                problem: format!("there are two images of the name `{}`", twice.name),
            });
        }
        let rows = || entries.iter().map(|entry| entry.rows as usize);
        let (Some(fewest), Some(most), Some(dim)) = (rows().min(), rows().max(), self.dim) else {
            return Err(StoreError::Unfit {
                problem: "there are no images".to_owned(),
            });
        };
        let mut index = Vec::with_capacity(entries.len() * ENTRY);
        let mut name_at = 0_u64;
        for entry in &entries {
            index.extend(name_at.to_le_bytes());
            index.extend((entry.name.len() as u32).to_le_bytes());
            index.extend(entry.rows.to_le_bytes());
            index.extend(entry.offset.to_le_bytes());
            index.extend(entry.crc.to_le_bytes());
            index.extend([0; 4]);
            name_at += entry.name.len() as u64;
        }
        for entry in &entries {
            index.extend(entry.name.as_bytes());
        }
        let summary = Summary {
            number: self.number,
            dim,
            images: entries.len() as u64,
            rows: rows().map(|rows| rows as u64).sum(),
            fewest,
            most,
        };
        let header = Header {
            summary,
            index: self.end,
            length: self.end + index.len() as u64,
            index_crc: crc32fast::hash(&index),
        };
        self.file.write_all(&index).map_err(&failed)?;
        // The data first, so that the header of a whole file stands over nothing else.
        self.file.flush().map_err(&failed)?;
        self.file.get_ref().sync_all().map_err(&failed)?;
        self.file.seek(SeekFrom::Start(0)).map_err(&failed)?;
        self.file.write_all(&header.to_bytes()).map_err(&failed)?;
        self.file.flush().map_err(&failed)?;
        self.file.get_ref().sync_all().map_err(&failed)?;
        vacant(&self.target)?;
        fs::rename(&self.partial, &self.target).map_err(StoreError::io(&self.target))?;
        self.finished = true;
        sync_folder(&self.target)?;
        Ok(summary)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.finished {
            // What cannot be removed the next writer replaces.
            let _ = fs::remove_file(&self.partial);
        }
    }
}

/// That nothing is there.
fn vacant(target: &Path) -> Result<(), StoreError> {
    match target.symlink_metadata() {
        Ok(_) => Err(StoreError::Occupied {
            path: target.to_owned(),
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::io(target)(error)),
    }
}

/// Brings the name of a file to the disk.
fn sync_folder(file: &Path) -> Result<(), StoreError> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if cfg!(unix) {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(StoreError::io(folder))?;
    }
    Ok(())
}
