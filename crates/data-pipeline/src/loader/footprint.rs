use std::panic::{AssertUnwindSafe, catch_unwind};

use super::config::LoaderConfig;
use super::image::{Form, LoadedImage};
use super::prepare::PREPARED;
use super::schedule::{Schedule, distinct_images};
use super::store::{Reading, kept_bytes};
use crate::encoder::Encoder;
use crate::image::RgbImage;
use crate::shards::BUFFER;
use crate::source::Source;
use crate::stream::{OPEN_SHARDS, READ_AHEAD};

/// Images looked at to learn what one takes.
const LOOKED_AT: usize = 24;

/// Bytes of a map's entry beside its key and value, at the map's emptiest.
const SPARE: usize = 2;

/// What an image of a split takes of host memory, in bytes, as some of its images have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageSizes {
    /// Of an image that waits, with its place in a list: the largest that there can be where nothing is compressed, else a
    /// little more than those looked at.
    pub waiting: u64,
    /// Of an image that is kept, likewise. Images that are cropped later are kept as they are stored.
    pub kept: u64,
    /// While one is read, decoded and resized, at most.
    pub decoding: u64,
    /// Of one as it is stored, encoded, with its place in a list: a little more than those looked at.
    pub encoded: u64,
}

impl ImageSizes {
    /// Reads a few images from all over the split, where a run reads images. What cannot be read is left out: whoever
    /// checks the data names it.
    pub fn of(source: &dyn Source, encoder: &Encoder, config: &LoaderConfig) -> Self {
        let compress = config.use_compression;
        let stored = config.kept_form() == Form::Stored;
        let plain = kept_bytes(encoder) + size_of::<LoadedImage>() as u64;
        let pixels = (encoder.image_size as u64).pow(2) * 3;
        let images = source.image_count();
        let reading = Reading {
            source,
            encoder,
            threads: 1,
            compress,
            form: Form::Resized,
        };
        let (mut decoding, mut packed, mut whole, mut files) =
            (0, Vec::new(), Vec::new(), Vec::new());
        let step = images.div_ceil(LOOKED_AT).max(1);
        if encoder.inputs.images {
            for image in (0..images).step_by(step) {
                let read = || {
                    let encoded = source.encoded_image(image).ok()?;
                    let whole = RgbImage::decode(&encoded, encoder.exif_orientation)
                        .ok()?
                        .image
                        .pixels
                        .len();
                    // The decoder has planes beside the pixels; then both sides are resized one after the other.
                    Some((encoded.len(), (encoded.len() + 2 * whole) as u64))
                };
                let read = catch_unwind(AssertUnwindSafe(read));
                let Some((length, bytes)) = read.ok().flatten() else {
                    continue;
                };
                files.push((length + HELD) as f64);
                decoding = decoding.max(bytes);
                let taken = |form| {
                    let kept = Reading { form, ..reading }.one(image).ok()?;
                    Some((size_of::<LoadedImage>() + kept.allocated()) as f64)
                };
                if compress {
                    packed.extend(taken(Form::Resized));
                }
                if stored {
                    whole.extend(taken(Form::Stored));
                }
            }
        }
        // What is decoded is resized, compressed and shared, each a copy.
        let decoding = decoding + 3 * pixels;
        let waiting = expected(&packed).map_or(plain, |kept| (kept.ceil() as u64).min(plain));
        Self {
            waiting,
            kept: expected(&whole).map_or(waiting, |kept| kept.ceil() as u64),
            decoding,
            encoded: expected(&files).map_or(0, |bytes| bytes.ceil() as u64),
        }
    }
}

/// Bytes of an encoded image that is held, beside its own: two counts, and an entry in a map at its emptiest.
const HELD: usize = 2 * size_of::<usize>() + SPARE * 3 * size_of::<usize>();

/// The mean and three times what it may be off, which grows with how much the values differ.
fn expected(values: &[f64]) -> Option<f64> {
    let count = values.len() as f64;
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count;
    let variance = values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / count;
    Some(mean + 3.0 * (variance / count).sqrt())
}

/// Host memory that a loader takes, in bytes, beside its source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Images of the split.
    pub images: usize,
    /// What all of them take when they are kept.
    pub preload_bytes: u64,
    /// Samples that wait to be used, at most. Images that are kept count for nothing.
    pub queue_bytes: u64,
    /// What workers take while they read images: all the time, or at the start where every image is kept.
    pub decoding_bytes: u64,
    /// The largest batch.
    pub batch_bytes: u64,
    /// The order of an epoch.
    pub order_bytes: u64,
    /// Encoded images of the samples in the shuffle buffer, and of those on their way to it and from it, at most.
    pub buffer_bytes: u64,
    /// What there is at a time at most beside preloaded images.
    pub moving_bytes: u64,
}

impl Footprint {
    /// Of a loader of these settings. `preloaded`: whether every image is kept.
    pub fn of(
        source: &dyn Source,
        encoder: &Encoder,
        config: &LoaderConfig,
        sizes: ImageSizes,
        preloaded: bool,
    ) -> Self {
        let stored = source.samples();
        let images = source.image_count();
        let sequence = config.shuffle.sequence(source, 0);
        let buffer_bytes = if preloaded || !encoder.inputs.images || sequence.images.is_empty() {
            0
        } else {
            let held = sequence.most_held(images, |sample| stored[sample].image);
            let queued = config.prefetched_chunks().saturating_mul(config.chunk);
            let held = held.saturating_add(queued).saturating_add(READ_AHEAD);
            let readers = OPEN_SHARDS
                * if source.in_shard(0).is_some() {
                    BUFFER
                } else {
                    0
                };
            held.min(images) as u64 * sizes.encoded + readers as u64
        };
        let places = size_of_val(sequence.images.as_slice()) * 3;
        let order = sequence.samples;
        let text = text_bytes(source, encoder);
        // A view of a kept image is an image of its own.
        let shared = preloaded && config.augmentation.is_none();
        let per_image = if shared {
            size_of::<LoadedImage>() as u64
        } else {
            sizes.waiting
        };
        let chunk = |samples: &[usize]| {
            let images = distinct_images(samples, stored) as u64;
            let entry = (SPARE * size_of::<usize>()) as u64;
            images * (per_image + entry) + samples.len() as u64 * text + CHUNK
        };
        let schedule = Schedule::new(order.clone(), config.effective_batch, config.chunk, 0);
        let chunks: Vec<u64> = schedule.map(|samples| chunk(&samples)).collect();
        // One more is on its way into the batch.
        let ahead = config.prefetched_chunks().saturating_add(1);
        let batches = order.chunks(config.effective_batch.max(1));
        let plain = kept_bytes(encoder);
        let batch = |samples: &[usize]| {
            distinct_images(samples, stored) as u64 * plain + samples.len() as u64 * text
        };
        let threads = config.num_workers.min(chunks.len()).max(1) as u64;
        let decoding_bytes = threads * sizes.decoding;
        let queue_bytes = largest_window(&chunks, ahead);
        let batch_bytes = batches.map(batch).max().unwrap_or(0);
        let order_bytes = (size_of_val(order.as_slice()) + places) as u64;
        let used = queue_bytes + batch_bytes + order_bytes + buffer_bytes;
        Self {
            images,
            preload_bytes: images as u64 * sizes.kept,
            queue_bytes,
            decoding_bytes,
            batch_bytes,
            order_bytes,
            buffer_bytes,
            moving_bytes: if shared {
                used.max(decoding_bytes)
            } else {
                used + decoding_bytes
            },
        }
    }
}

/// Bytes of a chunk's lists, and of the channel that it comes through.
const CHUNK: u64 = 512;

/// The largest sum of this many neighbours.
fn largest_window(values: &[u64], length: usize) -> u64 {
    let length = length.min(values.len());
    let mut sum: u64 = values[..length].iter().sum();
    let mut largest = sum;
    for end in length..values.len() {
        sum = sum + values[end] - values[end - length];
        largest = largest.max(sum);
    }
    largest
}

/// Most bytes of what a sample says, as numbers.
fn text_bytes(source: &dyn Source, encoder: &Encoder) -> u64 {
    let answers = source.samples().iter().map(|sample| sample.answers.len());
    let ids = encoder.max_question_tokens * (1 + usize::from(encoder.pieces.is_some()))
        + encoder.inputs.entities.unwrap_or(0);
    let answers = 2 * answers.max().unwrap_or(0) * size_of::<(usize, f32)>();
    (ids * size_of::<u32>() + answers + PREPARED) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_window_of_a_list() {
        assert_eq!(largest_window(&[1, 5, 2, 7, 1], 2), 9);
        assert_eq!(largest_window(&[1, 5, 2, 7, 1], 1), 7);
        assert_eq!(largest_window(&[1, 5], usize::MAX), 6);
        assert_eq!(largest_window(&[], 3), 0);
    }

    #[test]
    fn the_more_values_differ_the_more_is_expected() {
        assert_eq!(expected(&[]), None);
        assert_eq!(expected(&[3.0, 3.0]), Some(3.0));
        assert!(expected(&[1.0, 5.0]) > Some(3.0));
    }
}
