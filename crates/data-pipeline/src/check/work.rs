use std::any::Any;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crossbeam_channel::unbounded;
use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::fault::{Fault, Use};
use super::odd::OddImage;
use super::shared::{Seen, SharedImages, shared};
use super::stamp::Glance;
use crate::error::DataError;
use crate::image::{ExifOrientation, RgbImage};
use crate::inputs::{Inputs, RegionShape};
use crate::source::Source;
use crate::threads::thread_pool;

/// How much of a file is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// That it is there, where it begins and where it ends.
    Glance,
    /// All of it, as a run does.
    Whole,
}

/// What is to be checked.
#[derive(Clone, Copy)]
pub struct Check<'a> {
    /// Splits, each with the depth of the look at its files. What several splits use is looked at once.
    pub splits: &'a [(&'a dyn Source, Depth)],
    /// What is read of each image; the size of its region features is that of all.
    pub inputs: Inputs,
    /// Side, in pixels, of the square that images are resized to.
    pub image_size: usize,
    /// Files that are looked at side by side. Each takes the memory of one decoded image at most.
    pub threads: usize,
}

/// What a check found.
#[derive(Debug)]
pub struct Checked {
    /// Files that were looked at.
    pub files: usize,
    /// Those that cannot be used, in the order in which samples use them first.
    pub faults: Vec<Fault>,
    /// Images that can be used although their files are odd, in the same order.
    pub odd: Vec<OddImage>,
    /// Images that splits have in common.
    pub shared: Vec<SharedImages>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Image,
    Regions,
    Shard,
}

/// A file, and the images whose it is: each split with the index of the image in it.
struct Item {
    kind: Kind,
    name: String,
    depth: Depth,
    users: Vec<(usize, usize)>,
    /// The shard that an image lies in, by its place among the items.
    shard: Option<usize>,
}

/// Looks at every file that the splits use; `progress` hears how many were done, of how many.
///
/// # Errors
/// When the threads cannot be started. What is wrong with files is no error, but what was asked for.
pub fn check(asked: Check, progress: &mut dyn FnMut(usize, usize)) -> Result<Checked, DataError> {
    let threads = asked.threads.max(1);
    let pool = thread_pool(threads)?;
    let items = items(asked);
    let (sender, done) = unbounded();
    let mut looks = Vec::new();
    progress(0, items.len());
    pool.in_place_scope(|scope| {
        scope.spawn(|_| {
            let look = |item: &Item| {
                let found = item.look(asked);
                // Whoever listens ends only with the work.
                let _ = sender.send(());
                found
            };
            items
                .par_iter()
                .with_max_len(1)
                .map(look)
                .collect_into_vec(&mut looks);
            drop(sender);
        });
        for (count, ()) in done.iter().enumerate() {
            progress(count + 1, items.len());
        }
    });
    let sources: Vec<&dyn Source> = asked.splits.iter().map(|(source, _)| *source).collect();
    let seen: Vec<_> = items
        .iter()
        .zip(&looks)
        .filter(|(item, _)| item.kind == Kind::Image || !asked.inputs.images)
        .map(|(item, look)| Seen {
            users: &item.users,
            stamp: look
                .as_ref()
                .ok()
                .and_then(|glance| Some(glance.as_ref()?.stamp)),
        })
        .collect();
    let odd = items.iter().zip(&looks).filter_map(|(item, look)| {
        let oddities = &look.as_ref().ok()?.as_ref()?.oddities;
        (!oddities.is_empty()).then(|| OddImage {
            file: item.name.clone(),
            oddities: oddities.clone(),
        })
    });
    Ok(Checked {
        files: items.len(),
        odd: odd.collect(),
        shared: shared(&sources, &seen),
        faults: faults(&sources, &items, &looks),
    })
}

/// Every file once, in the order of its first use.
fn items(asked: Check) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut known = HashMap::new();
    for (split, &(source, depth)) in asked.splits.iter().enumerate() {
        for image in 0..source.image_count() {
            let in_shard = asked.inputs.images.then(|| source.in_shard(image));
            let shard = in_shard.flatten().map(|place| {
                let name = place.shards.path(place.shard).display().to_string();
                (Kind::Shard, name)
            });
            let mut within = None;
            let needed = [
                shard,
                asked
                    .inputs
                    .images
                    .then(|| (Kind::Image, source.image_name(image))),
                asked
                    .inputs
                    .regions
                    .map(|_| (Kind::Regions, source.regions_name(image))),
            ];
            for file in needed.into_iter().flatten() {
                let next = items.len();
                let number = *known.entry(file.clone()).or_insert(next);
                if number == next {
                    let (kind, name) = file;
                    items.push(Item {
                        kind,
                        name,
                        depth,
                        users: Vec::new(),
                        shard: (kind == Kind::Image).then_some(within).flatten(),
                    });
                }
                if items[number].kind == Kind::Shard {
                    within = Some(number);
                }
                let item = &mut items[number];
                item.users.push((split, image));
                item.depth = item.depth.max(depth);
            }
        }
    }
    items
}

impl Item {
    fn look(&self, asked: Check) -> Result<Option<Glance>, DataError> {
        let (split, image) = self.users[0];
        let (source, _) = asked.splits[split];
        let look = || match (self.kind, asked.inputs.regions) {
            (Kind::Image, _) => image_of(source, image, self.depth, asked.image_size),
            (Kind::Regions, Some(expected)) => {
                regions_of(source, image, self.depth, expected).map(|()| None)
            }
            (Kind::Regions, None) => Ok(None),
            (Kind::Shard, _) => {
                let place = source.in_shard(image);
                let whole = self.depth == Depth::Whole;
                place
                    .map_or(Ok(()), |place| place.shards.look(place.shard, whole))
                    .map(|()| None)
            }
        };
        catch_unwind(AssertUnwindSafe(look)).unwrap_or_else(|panic| {
            Err(DataError::Panicked {
                image: self.name.clone(),
                message: message_of(panic.as_ref()),
            })
        })
    }
}

fn image_of(
    source: &dyn Source,
    image: usize,
    depth: Depth,
    side: usize,
) -> Result<Option<Glance>, DataError> {
    let mut glance = source.glance(image)?;
    if depth == Depth::Whole {
        let encoded = source.encoded_image(image)?;
        let decode = || {
            // No image fails for being turned.
            let decoded = RgbImage::decode(&encoded, ExifOrientation::Ignore)?;
            decoded.image.resize(side, side)?;
            Ok(decoded.warnings)
        };
        let warnings = decode().map_err(|error| DataError::Image {
            image: source.image_name(image),
            source: error,
        })?;
        if let Some(glance) = &mut glance {
            for warning in warnings {
                if !glance.oddities.contains(&warning) {
                    glance.oddities.push(warning);
                }
            }
        }
    }
    Ok(glance)
}

fn regions_of(
    source: &dyn Source,
    image: usize,
    depth: Depth,
    expected: RegionShape,
) -> Result<(), DataError> {
    let glanced = source.glance_regions(image)?;
    let found = match depth {
        Depth::Glance => glanced,
        Depth::Whole => Some(source.regions(image)?.shape),
    };
    match found {
        Some(found) if !expected.admits(found) => Err(DataError::RegionShape {
            of: source.regions_name(image),
            expected,
            found,
        }),
        _ => Ok(()),
    }
}

fn faults(
    splits: &[&dyn Source],
    items: &[Item],
    looks: &[Result<Option<Glance>, DataError>],
) -> Vec<Fault> {
    let error = |number: usize| looks[number].as_ref().err();
    let checksum_alone = |error: &DataError| matches!(error, DataError::ShardChecksum { .. });
    // What is wrong with a shard is said once, and not for each of its images; its checksum says nothing where it is known which
    // image is wrong.
    let images_of_broken: HashSet<_> = (0..items.len())
        .filter(|&number| error(number).is_some())
        .filter_map(|number| items[number].shard)
        .collect();
    let said_elsewhere = |number: usize, one: &DataError| match items[number].shard {
        Some(shard) => error(shard).is_some_and(|shard| !checksum_alone(shard)),
        None => checksum_alone(one) && images_of_broken.contains(&number),
    };
    let broken: Vec<_> = (0..items.len())
        .filter_map(|number| Some((number, error(number)?)))
        .filter(|(number, one)| !said_elsewhere(*number, one))
        .map(|(number, error)| (&items[number], error))
        .collect();
    // One pass over the samples of each split, however many files are broken.
    let mut samples: HashMap<(usize, usize), Vec<usize>> = HashMap::new();
    for &(split, image) in broken.iter().flat_map(|(item, _)| &item.users) {
        samples.insert((split, image), Vec::new());
    }
    if broken.is_empty() {
        return Vec::new();
    }
    for (split, source) in splits.iter().enumerate() {
        for (number, sample) in source.samples().iter().enumerate() {
            if let Some(about) = samples.get_mut(&(split, sample.image)) {
                about.push(number);
            }
        }
    }
    let fault = |(item, error): (&Item, &DataError)| {
        // A shard has many images, so uses are told a split at a time.
        let mut by_split: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for &(split, image) in &item.users {
            let about = samples.get(&(split, image)).into_iter().flatten();
            by_split.entry(split).or_default().extend(about);
        }
        let uses = by_split.into_iter().map(|(split, mut about)| {
            about.sort_unstable();
            Use::of(splits[split], split, about)
        });
        Fault::of(item.name.clone(), error, uses.collect())
    };
    broken.into_iter().map(fault).collect()
}

pub(crate) fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
        .to_owned()
}
