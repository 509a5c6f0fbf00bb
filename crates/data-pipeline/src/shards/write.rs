use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crc32fast::Hasher;
use tar::{Builder, Header};

use super::list::{Member, Shard};
use crate::error::DataError;
use crate::files;
use crate::sample::Split;

/// Bytes to which a member of a TAR file is rounded up, and of its header.
pub(super) const BLOCK: u64 = 512;

/// Bytes behind the last member.
pub(super) const END: u64 = 2 * BLOCK;

/// Name of a split's shard, counted from 0.
pub(super) fn file_name(split: Split, shard: usize) -> String {
    format!("{}-{shard:06}.tar", split.name())
}

/// What the names of a record's members begin with. `record` counts the images of a split from 0.
pub(super) fn key(record: usize) -> String {
    format!("{record:09}")
}

/// How the member of JSON about an image begins.
pub(crate) fn json_start(image: &str) -> String {
    format!("{{\"image\": {}, ", serde_json::Value::from(image))
}

/// When a shard is full. It holds one image at least, and each image with all of its questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardLimit {
    /// Before it has more than this many bytes.
    Bytes(u64),
    /// Before it has more than this many questions.
    Samples(usize),
}

/// An image with its questions.
pub(crate) struct Record<'a> {
    /// The image's name in the questions.
    pub(crate) name: &'a str,
    /// The image as it is stored.
    pub(crate) encoded: &'a [u8],
    /// What its name ends with in a shard.
    pub(crate) ending: &'static str,
    /// The member of JSON.
    pub(crate) json: &'a [u8],
    /// Questions in it.
    pub(crate) samples: usize,
}

/// Writes the shards of a split.
pub(crate) struct ShardWriter<'a> {
    folder: &'a Path,
    split: Split,
    limit: ShardLimit,
    open: Option<Open>,
    shards: Vec<Shard>,
    records: usize,
}

/// The shard that is being written.
struct Open {
    builder: Builder<Counted<BufWriter<File>>>,
    shard: Shard,
}

impl<'a> ShardWriter<'a> {
    pub(crate) fn new(folder: &'a Path, split: Split, limit: ShardLimit) -> Self {
        Self {
            folder,
            split,
            limit,
            open: None,
            shards: Vec::new(),
            records: 0,
        }
    }

    /// Adds a record to the shard that has room for it.
    pub(crate) fn add(&mut self, record: &Record) -> Result<(), DataError> {
        let full = self.open.as_ref().is_some_and(|open| match self.limit {
            ShardLimit::Bytes(limit) => {
                let size = |bytes: &[u8]| BLOCK + (bytes.len() as u64).next_multiple_of(BLOCK);
                let after = open.builder.get_ref().bytes + size(record.encoded) + size(record.json);
                after + END > limit
            }
            ShardLimit::Samples(limit) => open.shard.samples + record.samples > limit,
        });
        if full {
            self.close()?;
        }
        let key = key(self.records);
        self.records += 1;
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let file = file_name(self.split, self.shards.len());
                none.insert(Open::create(self.folder, file)?)
            }
        };
        open.add(self.folder, &key, record)
    }

    /// The shards, when all are on the disk.
    pub(crate) fn finish(mut self) -> Result<Vec<Shard>, DataError> {
        self.close()?;
        Ok(self.shards)
    }

    fn close(&mut self) -> Result<(), DataError> {
        if let Some(open) = self.open.take() {
            self.shards.push(open.finish(self.folder)?);
        }
        Ok(())
    }
}

impl Open {
    fn create(folder: &Path, file: String) -> Result<Self, DataError> {
        let path = folder.join(&file);
        let created = File::create_new(&path).map_err(files::failed(&path))?;
        Ok(Self {
            builder: Builder::new(Counted {
                file: BufWriter::with_capacity(1 << 20, created),
                bytes: 0,
                sum: Hasher::new(),
            }),
            shard: Shard {
                file,
                bytes: 0,
                crc32: String::new(),
                images: 0,
                samples: 0,
                members: Vec::new(),
            },
        })
    }

    fn add(&mut self, folder: &Path, key: &str, record: &Record) -> Result<(), DataError> {
        let failed = |error| files::failed(&folder.join(&self.shard.file))(error);
        let mut append = |ending: &str, content: &[u8]| -> io::Result<u64> {
            let mut header = Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            let name = format!("{key}.{ending}");
            self.builder.append_data(&mut header, name, content)?;
            let padded = (content.len() as u64).next_multiple_of(BLOCK);
            Ok(self.builder.get_ref().bytes - padded)
        };
        let offset = append(record.ending, record.encoded).map_err(failed)?;
        append("json", record.json).map_err(failed)?;
        self.shard.images += 1;
        self.shard.samples += record.samples;
        self.shard.members.push(Member(
            record.name.to_owned(),
            offset,
            record.encoded.len() as u64,
            crc32fast::hash(record.encoded),
        ));
        Ok(())
    }

    fn finish(self, folder: &Path) -> Result<Shard, DataError> {
        let Self { builder, mut shard } = self;
        let path = folder.join(&shard.file);
        let failed = files::failed(&path);
        let counted = builder.into_inner().map_err(&failed)?;
        shard.bytes = counted.bytes;
        shard.crc32 = format!("{:08x}", counted.sum.finalize());
        let file = counted.file.into_inner();
        let file = file.map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        Ok(shard)
    }
}

/// Counts and sums up what is written.
struct Counted<W> {
    file: W,
    bytes: u64,
    sum: Hasher,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        let written = self.file.write(content)?;
        self.bytes += written as u64;
        self.sum.update(&content[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
