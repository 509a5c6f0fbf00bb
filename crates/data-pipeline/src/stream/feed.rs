use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, bounded};

use super::sequence::INTERLEAVED;
use crate::error::DataError;
use crate::sample::Sample;
use crate::shards::{InShard, ShardReader};
use crate::source::Source;

/// Images that are read before the buffer takes them in.
pub(crate) const READ_AHEAD: usize = 64;

/// Shards that are open at a time, each with a buffer for reading.
pub(crate) const OPEN_SHARDS: usize = INTERLEAVED;

/// Encoded images of some samples, by their index in the source.
pub(crate) type Held = HashMap<usize, Arc<[u8]>>;

/// An image, and its encoded bytes if it could be read.
type Arrival = (usize, Option<Arc<[u8]>>);

/// The encoded images of a shuffle buffer, which are read in the order of a [`Sequence`](super::Sequence).
///
/// An image is held from when it is read until its last sample has been taken. One that cannot be read is not held:
/// whoever needs it reads it again, and has the error.
pub(crate) struct Feed {
    arriving: Box<dyn Iterator<Item = Arrival> + Send>,
    held: Held,
    /// Samples of each image that are not taken yet; none of an image that is not read here.
    left: Vec<usize>,
    /// Whether an image was read.
    arrived: Vec<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Feed {
    /// For the samples that are to come of an epoch, whose images are read in the given order. `ahead`: whether a thread reads
    /// ahead. `kept`: whether an image is kept in memory already.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn start(
        source: &Arc<dyn Source>,
        images: Vec<usize>,
        samples: &[usize],
        ahead: bool,
        kept: impl Fn(usize) -> bool,
    ) -> Result<Self, DataError> {
        let mut left = vec![0; source.image_count()];
        for &sample in samples {
            let image = source.samples()[sample].image;
            left[image] += usize::from(!kept(image));
        }
        let mut images = images;
        images.retain(|&image| left[image] > 0);
        let arrived = vec![false; left.len()];
        let reading = Reading::new(Arc::clone(source), images, |place: InShard| place.open());
        let (arriving, thread) = if ahead {
            let (receiver, thread) = read_ahead(reading)?;
            let arriving: Box<dyn Iterator<Item = Arrival> + Send> = Box::new(receiver.into_iter());
            (arriving, Some(thread))
        } else {
            let arriving: Box<dyn Iterator<Item = Arrival> + Send> = Box::new(reading);
            (arriving, None)
        };
        Ok(Self {
            arriving,
            held: Held::new(),
            left,
            arrived,
            thread,
        })
    }

    /// The images of the next samples. Reads until all of them have arrived.
    pub(crate) fn take(&mut self, samples: &[usize], stored: &[Sample]) -> Held {
        let mut taken = Held::new();
        for &sample in samples {
            let image = stored[sample].image;
            if self.left[image] == 0 {
                continue;
            }
            while !self.arrived[image] {
                let Some((next, bytes)) = self.arriving.next() else {
                    break;
                };
                self.arrived[next] = true;
                if let Some(bytes) = bytes {
                    self.held.insert(next, bytes);
                }
            }
            self.left[image] -= 1;
            let bytes = match self.left[image] {
                0 => self.held.remove(&image),
                _ => self.held.get(&image).cloned(),
            };
            if let Some(bytes) = bytes {
                taken.insert(image, bytes);
            }
        }
        taken
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        // The thread ends when nobody listens any more.
        self.arriving = Box::new(std::iter::empty());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn read_ahead(
    reading: impl Iterator<Item = Arrival> + Send + 'static,
) -> Result<(Receiver<Arrival>, JoinHandle<()>), DataError> {
    let (sender, receiver) = bounded(READ_AHEAD);
    let read = move || {
        for arrival in reading {
            if sender.send(arrival).is_err() {
                return;
            }
        }
    };
    let thread = Builder::new().name("data-stream".to_owned()).spawn(read);
    let thread = thread.map_err(|error| DataError::Threads {
        threads: 1,
        problem: error.to_string(),
    })?;
    Ok((receiver, thread))
}

/// Reads images in the given order: those in shards from front to back, with each shard opened once.
struct Reading<Open, R = File> {
    source: Arc<dyn Source>,
    images: std::vec::IntoIter<usize>,
    /// The last image that is read of each shard.
    last: HashMap<usize, usize>,
    readers: HashMap<usize, ShardReader<R>>,
    open: Open,
}

impl<R: Read + Seek, Open: FnMut(InShard) -> Result<ShardReader<R>, DataError>> Reading<Open, R> {
    fn new(source: Arc<dyn Source>, images: Vec<usize>, open: Open) -> Self {
        let places = images
            .iter()
            .filter_map(|&image| Some((source.in_shard(image)?.shard, image)));
        let last = places.collect();
        Self {
            source,
            images: images.into_iter(),
            last,
            readers: HashMap::new(),
            open,
        }
    }

    fn read(&mut self, image: usize) -> Option<Vec<u8>> {
        let source = Arc::clone(&self.source);
        let Some(place) = source.in_shard(image) else {
            let read = AssertUnwindSafe(|| source.encoded_image(image));
            return catch_unwind(read).ok()?.ok();
        };
        let mut reader = match self.readers.remove(&place.shard) {
            Some(reader) => reader,
            None => (self.open)(place).ok()?,
        };
        let bytes = reader.read(place).ok();
        if self.last.get(&place.shard) != Some(&image) {
            self.readers.insert(place.shard, reader);
        }
        bytes
    }
}

impl<R: Read + Seek, Open: FnMut(InShard) -> Result<ShardReader<R>, DataError>> Iterator
    for Reading<Open, R>
{
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let image = self.images.next()?;
        Some((image, self.read(image).map(Arc::from)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Cursor, SeekFrom};
    use std::sync::Mutex;

    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::super::Sequence;
    use super::*;
    use crate::shards::{Shards, tests::shards};

    const SHARDS: usize = 12;
    const IMAGES: usize = 50;
    const BYTES: usize = 100_000;

    /// What was done to a file.
    #[derive(Debug, Default)]
    struct Done {
        read: usize,
        seeks: Vec<SeekFrom>,
    }

    struct Counting {
        file: Cursor<Vec<u8>>,
        done: Arc<Mutex<Done>>,
    }

    impl Read for Counting {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            let read = self.file.read(bytes)?;
            self.done.lock().expect("no panic").read += read;
            Ok(read)
        }
    }

    impl Seek for Counting {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.done.lock().expect("no panic").seeks.push(to);
            self.file.seek(to)
        }
    }

    struct Stored {
        shards: Shards,
        samples: Vec<Sample>,
    }

    impl Source for Stored {
        fn samples(&self) -> &[Sample] {
            &self.samples
        }

        fn image_count(&self) -> usize {
            SHARDS * IMAGES
        }

        fn encoded_image(&self, _: usize) -> Result<Vec<u8>, DataError> {
            panic!("images are read from their shards")
        }

        fn image_name(&self, image: usize) -> String {
            image.to_string()
        }

        fn in_shard(&self, image: usize) -> Option<InShard<'_>> {
            let name = format!("{}-{}", image / IMAGES, image % IMAGES);
            self.shards.find(&name).ok()
        }
    }

    fn content(shard: usize) -> Vec<u8> {
        (0..IMAGES)
            .flat_map(|image| vec![(shard * 7 + image) as u8; BYTES])
            .collect()
    }

    /// Reads what is left of an epoch behind this many samples, and says what was done to each file.
    fn read(skip: usize) -> Vec<Done> {
        let names: Vec<_> = (0..SHARDS).map(|shard| shard.to_string()).collect();
        let contents: Vec<_> = (0..SHARDS).map(content).collect();
        let of: Vec<_> = names
            .iter()
            .zip(&contents)
            .map(|(name, content)| (name.as_str(), content.as_slice()))
            .collect();
        let sample = |number: usize| Sample {
            image: number / 2,
            ..Sample::default()
        };
        let source: Arc<dyn Source> = Arc::new(Stored {
            shards: shards(&of, IMAGES),
            samples: (0..2 * SHARDS * IMAGES).map(sample).collect(),
        });
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let Sequence { samples, images } = Sequence::of(source.as_ref(), 100, 1, &mut rng);
        let needed: Vec<_> = samples[skip..].iter().map(|sample| sample / 2).collect();
        let images: Vec<_> = images
            .into_iter()
            .filter(|image| needed.contains(image))
            .collect();
        let mut opened: Vec<(usize, Arc<Mutex<Done>>)> = Vec::new();
        let mut most_open = 0;
        let mut reading = Reading::new(source, images.clone(), |place: InShard| {
            let done = Arc::new(Mutex::new(Done::default()));
            opened.push((place.shard, Arc::clone(&done)));
            Ok(ShardReader::new(Counting {
                file: Cursor::new(contents[place.shard].clone()),
                done,
            }))
        });
        let mut arrived = Vec::new();
        while let Some((image, bytes)) = reading.next() {
            let bytes = bytes.expect("the image");
            assert!(bytes[..] == vec![(image / IMAGES * 7 + image % IMAGES) as u8; BYTES][..]);
            most_open = most_open.max(reading.readers.len());
            arrived.push(image);
        }
        drop(reading);
        assert_eq!(arrived, images);
        assert!(most_open <= OPEN_SHARDS, "{most_open}");
        let mut numbers: Vec<_> = opened.iter().map(|(shard, _)| *shard).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), opened.len(), "each shard is opened once");
        let done = opened.into_iter().map(|(_, done)| done);
        done.map(|done| std::mem::take(&mut *done.lock().expect("no panic")))
            .collect()
    }

    #[test]
    fn a_shard_is_read_once_from_front_to_back() {
        let done = read(0);
        assert_eq!(done.len(), SHARDS);
        for done in done {
            assert_eq!(done.seeks, []);
            assert_eq!(done.read, IMAGES * BYTES);
        }
    }

    #[test]
    fn a_resumed_run_reads_no_shard_that_it_is_through_with_and_skips_to_its_place() {
        let samples = 2 * SHARDS * IMAGES;
        let done = read(samples - 150);
        assert!(done.len() < SHARDS, "{}", done.len());
        let all: usize = done.iter().map(|done| done.read).sum();
        assert!(all < SHARDS * IMAGES * BYTES / 2, "{all} bytes");
        for done in done {
            assert!(done.seeks.len() <= 1, "{:?}", done.seeks);
        }
    }
}
