//! A small source whose images tell their own number, for tests of what happens to samples on their way.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use data_pipeline::{
    Answer, BOX_SIZE, Batch, DataError, Encoder, Inputs, Loader, LoaderConfig, Order, Pieces,
    Preload, Regions, Sample, Source, WordPiece, WordPieceForm,
};

/// Side of the images.
pub(crate) const SIDE: usize = 8;

/// Gives the bytes of an image.
type Read = Box<dyn Fn(usize) -> Result<Vec<u8>, DataError> + Send + Sync>;

pub(crate) struct Numbers {
    samples: Vec<Sample>,
    pub(crate) images: usize,
    pub(crate) inputs: Inputs,
    read: Read,
}

impl Numbers {
    /// `samples` questions, about the images in turn, by threes: 0 0 0 1 1 1 2 2 2 ...
    pub(crate) fn new(samples: usize, images: usize) -> Self {
        Self::reading(samples, images, |image| Ok(Self::png(image)))
    }

    /// The same with other bytes.
    pub(crate) fn reading(
        samples: usize,
        images: usize,
        read: impl Fn(usize) -> Result<Vec<u8>, DataError> + Send + Sync + 'static,
    ) -> Self {
        let sample = |number: usize| Sample {
            image: number / 3 % images,
            question: format!("what is number {number} of {samples}?"),
            answers: Answer::of_annotators(vec![
                format!("answer {}", number % 7),
                format!("rare {number}"),
            ]),
            entities: vec![format!("number {number}")],
            ..Sample::default()
        };
        Self {
            samples: (0..samples).map(sample).collect(),
            images,
            inputs: Inputs::IMAGES,
            read: Box::new(read),
        }
    }

    /// The same with other questions.
    pub(crate) fn asking(mut self, question: impl Fn(usize) -> String) -> Self {
        for (number, sample) in self.samples.iter_mut().enumerate() {
            sample.question = question(number);
        }
        self
    }

    /// Region features of an image: three of four numbers each, that tell image and place.
    pub(crate) fn described(image: usize) -> Regions {
        let numbers = |columns: usize| (0..3 * columns).map(move |at| (image * 100 + at) as f32);
        Regions::of_image(3, 4, numbers(4).collect(), numbers(BOX_SIZE).collect())
    }

    /// The level all pixels of an image have.
    pub(crate) fn level(image: usize) -> u8 {
        u8::try_from(image * 37 % 256).expect("a level")
    }

    /// The bytes of an image: a gray PNG.
    pub(crate) fn png(image: usize) -> Vec<u8> {
        gray_png(|| Self::level(image))
    }

    /// The bytes of an image in which no pixel tells the next.
    pub(crate) fn noise(image: usize) -> Vec<u8> {
        let mut state = image as u32 + 1;
        gray_png(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
    }

    pub(crate) fn encoder(&self) -> Arc<Encoder> {
        let known = &self.samples[..self.samples.len().div_ceil(2)];
        let mut source = Self::new(known.len(), self.images);
        source.inputs = self.inputs;
        let mut encoder = Encoder::build(&source, 5, SIDE).expect("words and answers");
        let tokenizer = WordPiece::build(known, WordPieceForm::Xvlm).expect("words");
        encoder.pieces = Pieces::new(tokenizer, 6, usize::MAX, &encoder.answers).ok();
        Arc::new(encoder)
    }
}

impl Source for Numbers {
    fn samples(&self) -> &[Sample] {
        &self.samples
    }

    fn image_count(&self) -> usize {
        self.images
    }

    fn inputs(&self) -> Inputs {
        self.inputs
    }

    fn regions(&self, image: usize) -> Result<Regions, DataError> {
        Ok(Self::described(image))
    }

    /// Number 0 of even images, number 1 of odd ones.
    fn statistical_words(&self, image: usize) -> &[String] {
        &self.samples[image % 2].entities
    }

    fn encoded_image(&self, image: usize) -> Result<Vec<u8>, DataError> {
        (self.read)(image)
    }

    fn image_name(&self, image: usize) -> String {
        format!("numbers/{image}.png")
    }
}

/// A PNG of 16 x 16 pixels with these levels, with its rows stored uncompressed.
fn gray_png(mut level: impl FnMut() -> u8) -> Vec<u8> {
    let mut rows = Vec::new();
    for _ in 0..16 {
        rows.push(0);
        rows.extend(std::iter::repeat_with(&mut level).take(16));
    }
    let length = u16::try_from(rows.len()).expect("short");
    let mut stream = vec![0x78, 0x01, 1];
    stream.extend(length.to_le_bytes());
    stream.extend((!length).to_le_bytes());
    stream.extend(&rows);
    stream.extend(adler32(&rows).to_be_bytes());

    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let header = [0, 0, 0, 16, 0, 0, 0, 16, 8, 0, 0, 0, 0];
    for (kind, data) in [(b"IHDR", &header[..]), (b"IDAT", &stream), (b"IEND", &[])] {
        png.extend(u32::try_from(data.len()).expect("short").to_be_bytes());
        let body = [kind, data].concat();
        png.extend(&body);
        png.extend(crc32(&body).to_be_bytes());
    }
    png
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1))
        })
    })
}

fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (a + b) % 65_521)
    });
    b << 16 | a
}

pub(crate) fn config() -> LoaderConfig {
    LoaderConfig {
        effective_batch: 8,
        chunk: 3,
        num_workers: 2,
        prefetch_factor: 2,
        preload: Preload::Nothing,
        use_compression: false,
        shuffle: Order::Permutation { seed: 5 },
        augmentation: None,
    }
}

pub(crate) fn loader(source: Numbers, config: LoaderConfig) -> Loader {
    let encoder = source.encoder();
    Loader::new(Arc::new(source), encoder, config).expect("a loader")
}

pub(crate) fn batches(loader: &Loader, epoch: u64, skip: usize) -> Vec<Batch> {
    let epoch = loader.epoch(epoch, skip).expect("threads");
    epoch.collect::<Result<_, _>>().expect("whole images")
}

pub(crate) fn samples(batches: &[Batch]) -> Vec<usize> {
    batches.iter().flat_map(|b| b.samples.clone()).collect()
}

/// Counts the images read.
#[derive(Clone, Default)]
pub(crate) struct Gauge(Arc<(Mutex<usize>, Condvar)>);

impl Gauge {
    /// A source as [`Numbers::new`] gives it, whose reads are counted.
    pub(crate) fn source(&self, samples: usize, images: usize) -> Numbers {
        let gauge = self.clone();
        Numbers::reading(samples, images, move |image| {
            gauge.count();
            Ok(Numbers::png(image))
        })
    }

    /// Adds one, and says how many that makes.
    pub(crate) fn count(&self) -> usize {
        let (read, changed) = &*self.0;
        let mut read = read.lock().expect("no panic");
        *read += 1;
        changed.notify_all();
        *read
    }

    pub(crate) fn read(&self) -> usize {
        *self.0.0.lock().expect("no panic")
    }

    /// Waits until that many have been read. The time is a limit for a broken loader, not a measure.
    pub(crate) fn wait_for(&self, expected: usize) {
        let (read, changed) = &*self.0;
        let (read, timeout) = changed
            .wait_timeout_while(
                read.lock().expect("no panic"),
                Duration::from_secs(20),
                |read| *read < expected,
            )
            .expect("no panic");
        assert!(!timeout.timed_out(), "{} of {expected} images read", *read);
    }
}
