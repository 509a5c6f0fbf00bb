use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

use crate::source::Source;

/// Shards that are read side by side, an image of each in turn.
pub(crate) const INTERLEAVED: usize = 8;

/// Images of a block that stands for a shard, where images are files of their own.
const BLOCK: usize = 256;

/// How a split is streamed in an epoch.
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    /// The samples as they leave the buffer.
    pub(crate) samples: Vec<usize>,
    /// The images as they are read, each once.
    pub(crate) images: Vec<usize>,
}

impl Sequence {
    /// Shards come in any order, and this many are read side by side. Their samples go through a buffer of this many samples, which
    /// hands out one at random and takes in the next. Samples of one image stay together in groups of at most `group`.
    ///
    /// All of it follows from the numbers that the source has at hand: no image is read for it.
    pub(crate) fn of(source: &dyn Source, buffer: usize, group: usize, rng: &mut impl Rng) -> Self {
        let stored = source.samples();
        let mut by_image: Vec<usize> = (0..stored.len()).collect();
        by_image.sort_by_key(|&sample| stored[sample].image);
        let of_image: Vec<&[usize]> = by_image
            .chunk_by(|&a, &b| stored[a].image == stored[b].image)
            .collect();
        let mut places: Vec<_> = of_image
            .iter()
            .enumerate()
            .map(|(at, samples)| {
                let image = stored[samples[0]].image;
                let (shard, place) = match source.in_shard(image) {
                    Some(place) => (place.shard, place.member),
                    None => (image / BLOCK, image),
                };
                (shard, place, at)
            })
            .collect();
        places.sort_unstable();
        let mut shards: Vec<_> = places.chunk_by(|a, b| a.0 == b.0).collect();
        shards.shuffle(rng);
        let read: Vec<_> = interleaved(&shards)
            .map(|&(_, _, at)| of_image[at])
            .collect();
        Self {
            images: read
                .iter()
                .map(|samples| stored[samples[0]].image)
                .collect(),
            samples: mixed(
                read.iter().flat_map(|samples| samples.chunks(group)),
                buffer,
                stored.len(),
                rng,
            ),
        }
    }

    /// Images of which the buffer holds a sample, at most, and where one counts as held from when it is read until its last sample
    /// has left. `image_of` says which image a sample is about.
    pub(crate) fn most_held(&self, images: usize, image_of: impl Fn(usize) -> usize) -> usize {
        let mut left = vec![0_usize; images];
        for &sample in &self.samples {
            left[image_of(sample)] += 1;
        }
        let mut arrives = vec![0; images];
        for (place, &image) in self.images.iter().enumerate() {
            arrives[image] = place + 1;
        }
        let (mut arrived, mut gone, mut most) = (0, 0, 0);
        for &sample in &self.samples {
            let image = image_of(sample);
            arrived = arrived.max(arrives[image]);
            most = most.max(arrived - gone);
            left[image] -= 1;
            gone += usize::from(left[image] == 0);
        }
        most
    }
}

/// One of each list in turn, from this many lists at a time; a list that has ended makes room for the next.
fn interleaved<'a, T>(lists: &[&'a [T]]) -> impl Iterator<Item = &'a T> {
    let mut waiting = lists.iter().map(|list| list.iter());
    let mut open: Vec<_> = waiting.by_ref().take(INTERLEAVED).collect();
    let mut turn = 0;
    let mut all = Vec::new();
    while !open.is_empty() {
        turn %= open.len();
        if let Some(next) = open[turn].next() {
            all.push(next);
            turn += 1;
        } else if let Some(next) = waiting.next() {
            open[turn] = next;
        } else {
            drop(open.remove(turn));
        }
    }
    all.into_iter()
}

/// Groups of samples as they leave a buffer of this many samples. A group that is larger than the buffer has it to itself.
fn mixed<'a>(
    groups: impl Iterator<Item = &'a [usize]>,
    buffer: usize,
    count: usize,
    rng: &mut impl Rng,
) -> Vec<usize> {
    let mut groups = groups.peekable();
    let mut samples = Vec::with_capacity(count);
    let mut held: Vec<&[usize]> = Vec::new();
    let mut size = 0;
    loop {
        while let Some(next) = groups.next_if(|next| held.is_empty() || size + next.len() <= buffer)
        {
            size += next.len();
            held.push(next);
        }
        if held.is_empty() {
            return samples;
        }
        let next = held.swap_remove(rng.random_range(0..held.len()));
        size -= next.len();
        samples.extend_from_slice(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_turn_and_a_new_one_takes_the_place_of_one_that_ended() {
        let lists: Vec<Vec<usize>> = (0..INTERLEAVED + 2)
            .map(|list| (0..3).map(|at| 10 * list + at).collect())
            .collect();
        let lists: Vec<_> = lists.iter().map(Vec::as_slice).collect();
        let order: Vec<_> = interleaved(&lists).copied().collect();
        assert_eq!(order[..10], [0, 10, 20, 30, 40, 50, 60, 70, 1, 11]);
        // When the first two end, the last two begin.
        assert_eq!(
            order[16..],
            [2, 12, 22, 32, 42, 52, 62, 72, 80, 90, 81, 91, 82, 92]
        );
    }
}
