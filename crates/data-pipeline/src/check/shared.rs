use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use super::stamp::Stamp;
use crate::error::DataError;
use crate::source::Source;

/// Images that two splits have in common, under the same name or with the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SharedImages {
    /// The splits, by their place among those that were checked; the first is the lower.
    #[serde(skip)]
    pub splits: [usize; 2],
    /// How many of the second split's images they are.
    pub images: usize,
    /// One of them, by its name in the second split.
    pub example: String,
}

/// An image as splits have it: each split with the index of the image in it.
pub(super) struct Seen<'a> {
    pub(super) users: &'a [(usize, usize)],
    pub(super) stamp: Option<Stamp>,
}

/// What splits have in common. Files of equal stamps are read to see whether they are equal.
pub(super) fn shared(splits: &[&dyn Source], seen: &[Seen]) -> Vec<SharedImages> {
    let mut by_stamp: HashMap<Stamp, Vec<usize>> = HashMap::new();
    for (number, image) in seen.iter().enumerate() {
        if let Some(stamp) = image.stamp {
            by_stamp.entry(stamp).or_default().push(number);
        }
    }
    // Every image with those that have its bytes; alone where there are none.
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut grouped = vec![false; seen.len()];
    for alike in by_stamp
        .into_values()
        .filter(|alike| in_several_splits(seen, alike))
    {
        for equal in equal_bytes(splits, seen, &alike) {
            for &number in &equal {
                grouped[number] = true;
            }
            groups.push(equal);
        }
    }
    groups.extend(
        (0..seen.len())
            .filter(|&number| !grouped[number])
            .map(|number| vec![number]),
    );

    let mut found: Vec<SharedImages> = Vec::new();
    for group in groups {
        let there: BTreeSet<_> = users(seen, &group).map(|(split, _)| split).collect();
        for (split, image) in users(seen, &group) {
            for &first in there.range(..split) {
                let pair = [first, split];
                match found.iter_mut().find(|shared| shared.splits == pair) {
                    Some(shared) => shared.images += 1,
                    None => found.push(SharedImages {
                        splits: pair,
                        images: 1,
                        example: splits[split].image_name(image),
                    }),
                }
            }
        }
    }
    found.sort_by_key(|shared| shared.splits);
    found
}

fn users<'a>(seen: &'a [Seen], group: &'a [usize]) -> impl Iterator<Item = (usize, usize)> + 'a {
    group
        .iter()
        .flat_map(|&number| seen[number].users.iter().copied())
}

fn in_several_splits(seen: &[Seen], group: &[usize]) -> bool {
    let splits: BTreeSet<_> = users(seen, group).map(|(split, _)| split).collect();
    group.len() > 1 && splits.len() > 1
}

/// Images of equal stamps, sorted into groups of equal bytes. One that can no longer be read is equal to none.
fn equal_bytes(splits: &[&dyn Source], seen: &[Seen], alike: &[usize]) -> Vec<Vec<usize>> {
    let checksum = |number: usize| -> Result<u32, DataError> {
        let (split, image) = seen[number].users[0];
        splits[split]
            .encoded_image(image)
            .map(|bytes| crc32fast::hash(&bytes))
    };
    let mut groups: HashMap<u32, Vec<usize>> = HashMap::new();
    for &number in alike {
        if let Ok(sum) = checksum(number) {
            groups.entry(sum).or_default().push(number);
        }
    }
    groups.into_values().collect()
}
