use std::path::{Path, PathBuf};

use file_kind::{FileKind, LONGEST_START, open_regular};
use half::f16;
use memmap2::Mmap;

use crate::error::StoreError;
use crate::format::{Block, ENTRY, HEADER, Header, MAGIC, Number, Summary, block_bytes, word};
use crate::names::candidates;

/// A file of region features, mapped into memory and read at random.
///
/// Opening reads header and index, not the features. The pages that are read belong to the page cache: the system gives them
/// back when memory is short, so they are no memory of the program.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    map: Mmap,
    header: Header,
}

/// An image of a [`Store`], by its place in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Found(u64);

/// An entry of the index.
struct Entry<'a> {
    name: &'a str,
    rows: usize,
    block: &'a [u8],
    crc: u32,
}

impl Store {
    /// Opens a file.
    ///
    /// # Errors
    /// When it is not there, something else, cut, of another version, or its header or index is damaged.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = StoreError::io(path);
        let file = open_regular(path).map_err(&failed)?;
        if file.metadata().map_err(&failed)?.len() == 0 {
            return Err(StoreError::Foreign {
                path: path.to_owned(),
                kind: FileKind::Empty,
            });
        }
        #[expect(
            unsafe_code,
            reason = "a mapping has no safe interface: who cuts the file while it is mapped ends the program; writers here \
                      replace files and never change them"
        )]
        // SAFETY: the map is read as bytes alone, for which any content is valid.
        let map = unsafe { Mmap::map(&file) }.map_err(&failed)?;
        let damaged = |problem: String| StoreError::damaged(path, "", problem);
        let Some(head) = map
            .first_chunk::<HEADER>()
            .filter(|_| map.starts_with(&MAGIC))
        else {
            let start = &map[..map.len().min(LONGEST_START)];
            return Err(match FileKind::of(start) {
                _ if start.starts_with(&MAGIC[..start.len().min(MAGIC.len())]) => damaged(format!(
                    "it ends after {} bytes, within its header",
                    map.len()
                )),
                kind => StoreError::Foreign {
                    path: path.to_owned(),
                    kind,
                },
            });
        };
        let header = Header::of(head).map_err(damaged)?;
        let there = map.len() as u64;
        if header.length != there {
            return Err(damaged(format!(
                "it has {there} bytes of the {} that it was written with",
                header.length
            )));
        }
        let store = Self {
            path: path.to_owned(),
            map,
            header,
        };
        let index = store
            .index()
            .ok_or_else(|| StoreError::damaged(path, "", "its index lies outside of the file"))?;
        if crc32fast::hash(index) != store.header.index_crc {
            return Err(StoreError::damaged(
                path,
                ", index",
                "it does not match its checksum",
            ));
        }
        Ok(store)
    }

    /// What the file holds.
    pub fn summary(&self) -> Summary {
        self.header.summary
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The image of this name. Names in the file may lack the folder and the ending of `image`, or be the number in it:
    /// `train2014/COCO_train2014_000000000009.jpg` is found as `COCO_train2014_000000000009` and as `9`.
    pub fn find(&self, image: &str) -> Option<Found> {
        let mut names = candidates(image).into_iter();
        names.find_map(|name| self.find_exactly(&name))
    }

    /// The image of exactly this name.
    pub fn find_exactly(&self, name: &str) -> Option<Found> {
        let (mut low, mut high) = (0, self.header.summary.images);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.entry(Found(middle)).ok()?.name.cmp(name) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(Found(middle)),
            }
        }
        None
    }

    /// All images, in rising order of names.
    pub fn images(&self) -> impl Iterator<Item = Found> + use<> {
        (0..self.header.summary.images).map(Found)
    }

    /// The name of an image.
    ///
    /// # Errors
    /// When the index contradicts itself, which no writer here makes.
    pub fn name(&self, image: Found) -> Result<&str, StoreError> {
        Ok(self.entry(image)?.name)
    }

    /// Regions of an image.
    ///
    /// # Errors
    /// As [`Store::name`].
    pub fn rows(&self, image: Found) -> Result<usize, StoreError> {
        Ok(self.entry(image)?.rows)
    }

    /// Reads an image.
    ///
    /// # Errors
    /// When its bytes do not match their checksum.
    pub fn read(&self, image: Found) -> Result<Block, StoreError> {
        let entry = self.entry(image)?;
        if crc32fast::hash(entry.block) != entry.crc {
            return Err(StoreError::damaged(
                &self.path,
                &format!(", image `{}`", entry.name),
                "its features do not match their checksum",
            ));
        }
        let Summary { number, dim, .. } = self.header.summary;
        let (features, boxes) = entry.block.split_at(entry.rows * dim * number.bytes());
        let floats = |bytes: &[u8]| -> Vec<f32> {
            let numbers = bytes.as_chunks::<4>().0.iter();
            numbers.map(|bytes| f32::from_le_bytes(*bytes)).collect()
        };
        Ok(Block {
            rows: entry.rows,
            features: match number {
                Number::F32 => floats(features),
                Number::F16 => {
                    let numbers = features.as_chunks::<2>().0.iter();
                    numbers
                        .map(|bytes| f16::from_le_bytes(*bytes).to_f32())
                        .collect()
                }
            },
            boxes: floats(boxes),
        })
    }

    /// Entries and names, if they lie within the file.
    fn index(&self) -> Option<&[u8]> {
        let start = usize::try_from(self.header.index).ok()?;
        let index = self.map.get(start..)?;
        let entries = self.header.summary.images.checked_mul(ENTRY as u64)?;
        (start >= HEADER && entries <= index.len() as u64).then_some(index)
    }

    fn entry(&self, Found(image): Found) -> Result<Entry<'_>, StoreError> {
        let entry = || {
            let Summary {
                number,
                dim,
                images,
                most,
                ..
            } = self.header.summary;
            let index = self.index()?;
            let (entries, names) = index.split_at(images as usize * ENTRY);
            let entry = entries.get(usize::try_from(image).ok()?.checked_mul(ENTRY)?..)?;
            let entry = entry.get(..ENTRY)?;
            let from = usize::try_from(word::<8>(entry, 0)).ok()?;
            let name = names.get(from..from.checked_add(word::<4>(entry, 8) as usize)?)?;
            let rows = word::<4>(entry, 12) as usize;
            let from = usize::try_from(word::<8>(entry, 16)).ok()?;
            let bytes = usize::try_from(block_bytes(rows, dim, number)?).ok()?;
            let block = self.map.get(from..from.checked_add(bytes)?)?;
            (rows > 0 && rows <= most && dim > 0).then_some(Entry {
                name: std::str::from_utf8(name).ok()?,
                rows,
                block,
                crc: word::<4>(entry, 24) as u32,
            })
        };
        entry().ok_or_else(|| {
            StoreError::damaged(
                &self.path,
                &format!(", entry {image} of the index"),
                "it points outside the file",
            )
        })
    }
}
