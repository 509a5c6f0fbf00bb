use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::manifest::{self, Manifest};
use super::{Folder, Layout};
use crate::answers::AnswerNormalisation;
use crate::check::{Check, Depth, Faults, check};
use crate::error::{DataError, Errors};
use crate::files;
use crate::image::ImageFormat;
use crate::image_file;
use crate::inputs::Inputs;
use crate::sample::Split;
use crate::shards::{MANIFEST, Record, ShardLimit, ShardList, ShardWriter, json_start};
use crate::source::Source;

/// Files beside the questions that go with them.
const BESIDE: [&str; 3] = [
    "statistical_words.json",
    "attribute_words.json",
    "answers.json",
];

/// Side, in pixels, to which an image is resized to see that it can be.
const CHECKED_SIDE: usize = 32;

/// What is done with images that go into shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// They are decoded.
    Checked,
    /// They are written.
    Written,
}

/// What was put into shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Sharded {
    /// Name of the split.
    pub split: &'static str,
    /// Its shards.
    pub shards: usize,
    /// Images in them.
    pub images: usize,
    /// Questions about these.
    pub samples: usize,
    /// Bytes of the shards.
    pub bytes: u64,
}

/// Writes a folder as another one whose images lie in shards: TAR files in which `{key}.jpg`, or another ending that images have,
/// is followed by `{key}.json`, `{"image": name, "questions": [..]}`, as `WebDataset` reads them. An image is in the shards of each
/// split that uses it, in the order of the questions. The questions are also written as they are, so that a folder of shards is
/// opened without reading a shard. Every image is decoded before anything is written, `threads` side by side. `to` has to be
/// empty; `progress` hears what is done with how many images, of how many.
///
/// # Errors
/// When the folder is no data set or has its images in shards already, when images cannot be used, with all of these, or when a
/// file cannot be written.
pub fn shard(
    root: &Path,
    to: &Path,
    limit: ShardLimit,
    threads: usize,
    progress: &mut dyn FnMut(Packing, usize, usize),
) -> Result<Vec<Sharded>, DataError> {
    if files::exists(&root.join(MANIFEST))? {
        return Err(DataError::Content {
            path: root.join(MANIFEST),
            expected: "a folder whose images are files of their own".to_owned(),
            found: "images in shards".to_owned(),
        });
    }
    let reading = Folder::reading_of(root, AnswerNormalisation::default());
    let mut parts = Vec::new();
    let mut errors = Errors::default();
    for split in [Split::Train, Split::Validation, Split::Test] {
        let questions = Layout(root).questions(split);
        if split != Split::Train && !files::is_file(&questions)? {
            continue;
        }
        let (part, faults) = Folder::whole(root, (split, split), &reading, Manifest::read(root)?)?;
        errors.add_all(faults);
        if !part.inputs().images {
            return Err(DataError::MissingInput {
                of: format!("`{}`", questions.display()),
                input: "images to put into shards",
            });
        }
        parts.push((split, questions, part));
    }
    errors.none()?;
    require_usable(&parts, threads, progress)?;
    let images = parts.iter().map(|(_, _, part)| part.images.len()).sum();
    let mut done = 0;
    let mut written = Vec::new();
    let mut sharded = Vec::new();
    for (split, questions, part) in parts {
        let mut about: Vec<Vec<usize>> = vec![Vec::new(); part.images.len()];
        for (sample, line) in part.samples.iter().zip(part.lines.iter()) {
            about[sample.image].push(*line);
        }
        let lines: Vec<String> = files::lines(&questions)?
            .map(|line| line.map(|(_, text)| text))
            .collect::<Result<_, _>>()?;
        let mut writer = ShardWriter::new(to, split, limit);
        for (name, about) in part.images.iter().zip(&about) {
            let encoded = image_file::read(&part.image_path(name))?;
            writer.add(&Record {
                name,
                ending: ending(&encoded),
                encoded: &encoded,
                json: json(name, about.iter().map(|line| &*lines[line - 1])).as_bytes(),
                samples: about.len(),
            })?;
            done += 1;
            progress(Packing::Written, done, images);
        }
        let shards = writer.finish()?;
        sharded.push(Sharded {
            split: split.name(),
            shards: shards.len(),
            images: part.images.len(),
            samples: shards.iter().map(|shard| shard.samples).sum(),
            bytes: shards.iter().map(|shard| shard.bytes).sum(),
        });
        written.push((split, shards));
        copy(&questions, &Layout(to).questions(split))?;
    }
    for name in BESIDE {
        if files::is_file(&root.join(name))? {
            copy(&root.join(name), &to.join(name))?;
        }
    }
    let path = root.join(manifest::NAME);
    if files::is_file(&path)? {
        let text = files::text(&path, files::LARGEST_LIST)?;
        let mut value: Value =
            serde_json::from_str(&text).map_err(|error| DataError::json(&path, &error))?;
        // The images are in the shards now.
        value["images"] = Value::Object(serde_json::Map::new());
        write(&to.join(manifest::NAME), format!("{value:#}\n").as_bytes())?;
    }
    write(
        &to.join(MANIFEST),
        ShardList::new(written).text().as_bytes(),
    )?;
    Ok(sharded)
}

/// Decodes the images of all splits.
fn require_usable(
    parts: &[(Split, PathBuf, Folder)],
    threads: usize,
    progress: &mut dyn FnMut(Packing, usize, usize),
) -> Result<(), DataError> {
    let splits: Vec<_> = parts
        .iter()
        .map(|(_, _, part)| (part as &dyn Source, Depth::Whole))
        .collect();
    let asked = Check {
        splits: &splits,
        inputs: Inputs::IMAGES,
        image_size: CHECKED_SIDE,
        threads,
    };
    let checked = check(asked, &mut |done, of| progress(Packing::Checked, done, of))?;
    if checked.faults.is_empty() {
        return Ok(());
    }
    Err(DataError::BadImages {
        faults: Faults(checked.faults),
        files: checked.files,
    })
}

/// The member of JSON of an image: its name, and the lines of its questions.
fn json<'a>(name: &str, lines: impl Iterator<Item = &'a str>) -> String {
    let lines: Vec<_> = lines.map(str::trim).collect();
    format!(
        "{}\"questions\": [{}]}}",
        json_start(name),
        lines.join(", ")
    )
}

/// What `WebDataset` tells the format of an image by.
fn ending(encoded: &[u8]) -> &'static str {
    match ImageFormat::of(encoded) {
        Ok(ImageFormat::Png) => "png",
        Ok(ImageFormat::WebP) => "webp",
        Ok(ImageFormat::Gif) => "gif",
        Ok(ImageFormat::Bmp) => "bmp",
        Ok(ImageFormat::Tiff) => "tiff",
        Ok(ImageFormat::Jpeg) | Err(_) => "jpg",
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), DataError> {
    fs::copy(from, to).map_err(files::failed(from))?;
    sync(to)
}

fn write(path: &Path, content: &[u8]) -> Result<(), DataError> {
    fs::write(path, content).map_err(files::failed(path))?;
    sync(path)
}

fn sync(path: &Path) -> Result<(), DataError> {
    let file = fs::File::open(path).map_err(files::failed(path))?;
    file.sync_all().map_err(files::failed(path))
}
