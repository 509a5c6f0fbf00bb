//! `shards.json`: which shards a folder has, and what lies where in them.

use file_kind::counted;
use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::error::DataError;
use crate::files;
use crate::sample::Split;

/// Bytes that are read of a shard at a time.
pub(crate) const BUFFER: usize = 1 << 20;

/// The manifest's name.
pub(crate) const MANIFEST: &str = "shards.json";

/// The version that is written and read.
const VERSION: u32 = 1;

/// The shards of each split, by its name.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShardList {
    version: u32,
    splits: BTreeMap<String, Vec<Shard>>,
}

/// A TAR file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shard {
    /// Its name in the folder.
    pub(crate) file: String,
    /// Its length.
    pub(crate) bytes: u64,
    /// CRC-32 of all of its bytes, as eight hexadecimal digits.
    pub(crate) crc32: String,
    /// Images in it.
    pub(crate) images: usize,
    /// Questions about these images.
    pub(crate) samples: usize,
    /// The images in their order in the file.
    pub(crate) members: Vec<Member>,
}

/// An image in a shard: its name in the questions, the place of its bytes in the file, their number, and their CRC-32.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member(
    pub(crate) String,
    pub(crate) u64,
    pub(crate) u64,
    pub(crate) u32,
);

impl ShardList {
    pub(crate) fn new(splits: impl IntoIterator<Item = (Split, Vec<Shard>)>) -> Self {
        let named = |(split, shards): (Split, _)| (split.name().to_owned(), shards);
        Self {
            version: VERSION,
            splits: splits.into_iter().map(named).collect(),
        }
    }

    /// As JSON with a line for each shard.
    pub(crate) fn text(&self) -> String {
        let json =
            |shard: &Shard| serde_json::to_string(shard).expect("texts and numbers are JSON");
        let splits = self.splits.iter().map(|(split, shards)| {
            let shards: Vec<_> = shards.iter().map(json).collect();
            format!("\"{split}\": [\n{}\n]", shards.join(",\n"))
        });
        let splits: Vec<_> = splits.collect();
        format!(
            "{{\"version\": {}, \"splits\": {{\n{}\n}}}}\n",
            self.version,
            splits.join(",\n")
        )
    }

    /// The manifest of a folder, `None` if the folder has none.
    ///
    /// # Errors
    /// When it cannot be read, or says what cannot be.
    pub(crate) fn read(root: &Path) -> Result<Option<Self>, DataError> {
        let path = root.join(MANIFEST);
        if !files::is_file(&path)? {
            return Ok(None);
        }
        let text = files::text(&path, files::LARGEST_JSON)?;
        let list: Self = serde_json::from_str(&text).map_err(|error| DataError::Shards {
            path: path.clone(),
            problem: format!("it cannot be read as the list of shards: {error}"),
        })?;
        let unexpected =
            |expected: String, found: String| DataError::shards(&path, &expected, &found);
        if list.version != VERSION {
            let expected = format!("version {VERSION}");
            return Err(unexpected(expected, list.version.to_string()));
        }
        for shard in list.splits.values().flatten() {
            if let Some((expected, found)) = shard.fault() {
                return Err(unexpected(expected, found));
            }
        }
        Ok(Some(list))
    }

    /// The shards of a split.
    pub(crate) fn of(mut self, split: Split) -> Vec<Shard> {
        self.splits.remove(split.name()).unwrap_or_default()
    }
}

impl Shard {
    /// What should be there instead of what is, where the two differ.
    fn fault(&self) -> Option<(String, String)> {
        let Self { file, bytes, .. } = self;
        let mut parts = Path::new(file).components();
        if !matches!(
            (parts.next(), parts.next()),
            (Some(Component::Normal(_)), None)
        ) {
            return Some((
                "the name of a TAR file in this folder".to_owned(),
                format!("`{file}`"),
            ));
        }
        if self.images != self.members.len() {
            return Some((
                format!("{} in `{file}`", counted(self.images, "image", "images")),
                counted(self.members.len(), "member", "members"),
            ));
        }
        let mut end = 0;
        for Member(name, offset, length, _) in &self.members {
            let next = offset.checked_add(*length);
            match next.filter(|next| next <= bytes && *offset >= end) {
                Some(next) => end = next,
                None => {
                    return Some((
                        format!(
                            "image `{name}` behind byte {end} and before the end of `{file}`, byte {bytes}"
                        ),
                        format!("{length} bytes from byte {offset} on"),
                    ));
                }
            }
        }
        None
    }
}
