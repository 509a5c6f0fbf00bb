use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::list::{BUFFER, MANIFEST, Member, Shard, ShardList};
use super::look::{Section, look};
use super::write::file_name;
use crate::check::{Glance, Stamp};
use crate::error::DataError;
use crate::files;
use crate::image::{ExifOrientation, ImageHeader, ImageWarning, RgbImage};
use crate::sample::Split;

/// The shards of a split, each as long as its manifest says.
#[derive(Debug)]
pub struct Shards {
    root: PathBuf,
    files: Vec<Shard>,
    /// Shard and place in it of each image, by name.
    places: HashMap<String, (usize, usize)>,
}

/// An image in a shard.
#[derive(Debug, Clone, Copy)]
pub struct InShard<'a> {
    /// The shards of the split.
    pub shards: &'a Shards,
    /// Index of the shard.
    pub shard: usize,
    /// Index of the image in it: images lie in the file in this order.
    pub member: usize,
}

impl Shards {
    /// Opens the shards of a split; nothing if the folder has no manifest of shards.
    ///
    /// # Errors
    /// When the manifest cannot be read, or is missing beside shards; when a shard is missing or has another length than the
    /// manifest says.
    pub(crate) fn open(root: &Path, split: Split) -> Result<Option<Self>, DataError> {
        let Some(list) = ShardList::read(root)? else {
            let first = file_name(split, 0);
            if !root.join("images").exists() && files::exists(&root.join(&first))? {
                return Err(DataError::Shards {
                    path: root.join(MANIFEST),
                    problem: format!(
                        "it is missing, and nothing else tells which images lie in `{first}`"
                    ),
                });
            }
            return Ok(None);
        };
        let shards = list.of(split);
        let mut places = HashMap::new();
        for (number, shard) in shards.iter().enumerate() {
            let path = root.join(&shard.file);
            shard.open(&path)?;
            let members = shard.members.iter().enumerate();
            for (place, Member(name, ..)) in members {
                if places.insert(name.clone(), (number, place)).is_some() {
                    return Err(DataError::shards(
                        &root.join(MANIFEST),
                        "each image of a split once",
                        &format!("`{name}` a second time"),
                    ));
                }
            }
        }
        Ok(Some(Self {
            root: root.to_owned(),
            files: shards,
            places,
        }))
    }

    /// How many shards there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// A checksum of what lies in which shard in which order: what the order of a stream depends on.
    pub fn layout(&self) -> u32 {
        let mut sum = crc32fast::Hasher::new();
        for shard in &self.files {
            sum.update(&(shard.members.len() as u64).to_le_bytes());
            for Member(name, ..) in &shard.members {
                sum.update(&(name.len() as u64).to_le_bytes());
                sum.update(name.as_bytes());
            }
        }
        sum.finalize()
    }

    /// Where an image lies.
    ///
    /// # Errors
    /// When no shard has it.
    pub(crate) fn find(&self, image: &str) -> Result<InShard<'_>, DataError> {
        let place = self.places.get(image).copied();
        let (shard, member) = place.ok_or_else(|| {
            DataError::shards(
                &self.root.join(MANIFEST),
                &format!("the image `{image}`, which a question names"),
                "none of this name",
            )
        })?;
        Ok(InShard {
            shards: self,
            shard,
            member,
        })
    }

    /// Looks at a shard: whether its TAR headers are whole, and its members lie where the manifest says and are about the
    /// images that it says. `whole`: whether all of its bytes have the checksum of the manifest.
    ///
    /// # Errors
    /// [`DataError::Shards`] for what is wrong first, and [`DataError::ShardChecksum`] where it is the checksum alone.
    pub(crate) fn look(&self, shard: usize, whole: bool) -> Result<(), DataError> {
        let before = &self.files[..shard];
        let records = before.iter().map(|shard| shard.members.len()).sum();
        look(&self.files[shard], &self.path(shard), records, whole)
    }

    pub(crate) fn path(&self, shard: usize) -> PathBuf {
        self.root.join(&self.files[shard].file)
    }
}

impl InShard<'_> {
    fn entry(&self) -> &Member {
        &self.shards.files[self.shard].members[self.member]
    }

    /// What to call the image in a message.
    pub(crate) fn name(&self) -> String {
        format!(
            "{}: {}",
            self.shards.path(self.shard).display(),
            self.entry().0
        )
    }

    /// Looks at where it begins and ends. What tells its bytes from others is what the manifest has.
    pub(crate) fn glance(&self) -> Result<Glance, DataError> {
        let &Member(_, start, length, ends) = self.entry();
        let path = self.shards.path(self.shard);
        let failed = files::failed(&path);
        let file = files::open(&path)?;
        let mut section = Section::new(file, start, length).map_err(&failed)?;
        let image = |source| DataError::Image {
            image: self.name(),
            source,
        };
        let header = ImageHeader::of_section(&mut section, length);
        let oddities = header.map_err(failed)?.map_err(image)?.warnings;
        if oddities.contains(&ImageWarning::NoEndMarker) {
            RgbImage::decode(&self.read()?, ExifOrientation::Ignore).map_err(image)?;
        }
        Ok(Glance {
            stamp: Stamp { length, ends },
            oddities,
        })
    }

    /// Opens the shard to read its images from front to back.
    pub(crate) fn open(&self) -> Result<ShardReader<File>, DataError> {
        files::open(&self.shards.path(self.shard)).map(ShardReader::new)
    }

    /// Its encoded bytes, read without what lies before it.
    pub(crate) fn read(&self) -> Result<Vec<u8>, DataError> {
        let path = self.shards.path(self.shard);
        let mut file = files::open(&path)?;
        let offset = self.entry().1;
        file.seek(SeekFrom::Start(offset))
            .map_err(files::failed(&path))?;
        self.whole(&mut file)
    }

    /// As many bytes as the image has, if they are the image's.
    fn whole(&self, file: &mut impl Read) -> Result<Vec<u8>, DataError> {
        let path = || self.shards.path(self.shard);
        let Member(name, _, length, expected) = self.entry();
        if *length > files::LARGEST_IMAGE as u64 {
            return Err(DataError::TooLarge {
                path: path(),
                limit: files::LARGEST_IMAGE,
            });
        }
        let mut bytes = Vec::with_capacity(*length as usize);
        let read = file.take(*length).read_to_end(&mut bytes);
        let read = read.map_err(|error| files::failed(&path())(error))?;
        let found = crc32fast::hash(&bytes);
        if read as u64 == *length && found == *expected {
            return Ok(bytes);
        }
        Err(DataError::shards(
            &path(),
            &format!(
                "{length} bytes of `{name}` with the checksum {expected:08x}, as `{MANIFEST}` says"
            ),
            &format!("{read} bytes with the checksum {found:08x}"),
        ))
    }
}

/// A shard that is read from front to back.
pub(crate) struct ShardReader<R> {
    file: BufReader<R>,
    /// Bytes in front of what is read next.
    at: u64,
}

impl<R: Read + Seek> ShardReader<R> {
    pub(crate) fn new(file: R) -> Self {
        Self {
            file: BufReader::with_capacity(BUFFER, file),
            at: 0,
        }
    }

    /// The encoded bytes of an image that lies behind all that were read. What lies in between is read, too, unless it is long,
    /// as where a run is resumed within a shard.
    pub(crate) fn read(&mut self, place: InShard) -> Result<Vec<u8>, DataError> {
        let &Member(_, offset, length, _) = place.entry();
        let failed = |error| files::failed(&place.shards.path(place.shard))(error);
        match offset.checked_sub(self.at) {
            Some(gap) if gap <= BUFFER as u64 => {
                io::copy(&mut self.file.by_ref().take(gap), &mut io::sink()).map_err(failed)?;
            }
            _ => {
                self.file.seek(SeekFrom::Start(offset)).map_err(failed)?;
            }
        }
        self.at = offset + length;
        place.whole(&mut self.file)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Shards that were never written, of this many images of this many bytes each.
    pub(crate) fn shards(of: &[(&str, &[u8])], images: usize) -> Shards {
        let shards: Vec<_> = of
            .iter()
            .map(|(file, bytes)| {
                let length = (bytes.len() / images) as u64;
                let member = |image: usize| {
                    let offset = image as u64 * length;
                    let own = &bytes[offset as usize..][..length as usize];
                    Member(
                        format!("{file}-{image}"),
                        offset,
                        length,
                        crc32fast::hash(own),
                    )
                };
                Shard {
                    file: (*file).to_owned(),
                    bytes: bytes.len() as u64,
                    crc32: String::new(),
                    images,
                    samples: images,
                    members: (0..images).map(member).collect(),
                }
            })
            .collect();
        let mut places = HashMap::new();
        for (number, shard) in shards.iter().enumerate() {
            for (place, Member(name, ..)) in shard.members.iter().enumerate() {
                places.insert(name.clone(), (number, place));
            }
        }
        Shards {
            root: PathBuf::new(),
            files: shards,
            places,
        }
    }
}
