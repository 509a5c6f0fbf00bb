//! Images a second that one thread decodes and resizes, beside Pillow, and that a loader with two workers delivers, beside
//! PyTorch's `DataLoader` with Pillow and two workers; for `cargo xtask bench decode [--python PATH]`.
//!
//! Both sides take turns over the same files, held in memory, and the least time of several rounds counts. On a machine that
//! does something else only the ratio says anything.
#![expect(clippy::print_stdout, reason = "its result is its output")]
#![expect(clippy::disallowed_methods, reason = "a benchmark needs a clock")]

use std::error::Error;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use data_pipeline::{
    Encoder, ExifOrientation, Folder, HoldOut, Loader, LoaderConfig, Order, Preload, RgbImage,
    Source, Split,
};
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

const ROUNDS: usize = 7;
const FILES: usize = 96;

/// Workers of either loader.
const WORKERS: usize = 2;

/// Side that images are resized to, as in the presets for GPUs.
const SIDE: usize = 480;

/// Size of most photographs in published data sets.
const SIZE: (usize, usize) = (640, 480);

/// A picture with edges, gradients and grain, another one for each number.
fn picture(number: usize) -> Vec<u8> {
    let (width, height) = SIZE;
    let mut state = number as u32 + 1;
    let mut pixels = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let grain = (state >> 28) as usize;
            let block = (x / 40 + y / 30 * 3 + number) * 53 % 160;
            pixels.extend(
                [block + x / 10, block + y / 8, block + (x + y) / 16]
                    .map(|level| (level + grain).min(255) as u8),
            );
        }
    }
    pixels
}

fn jpeg(number: usize, progressive: bool) -> Result<Vec<u8>, Box<dyn Error>> {
    let pixels = picture(number);
    let mut encoder = Compressor::new()?;
    encoder.set_quality(90)?;
    encoder.set_subsamp(Subsamp::Sub2x2)?;
    encoder.set_progressive(progressive)?;
    Ok(encoder.compress_to_vec(Image {
        pixels: pixels.as_slice(),
        width: SIZE.0,
        pitch: SIZE.0 * 3,
        height: SIZE.1,
        format: PixelFormat::RGB,
    })?)
}

/// A Python that does the same work when told to.
struct Peer {
    child: Child,
    tell: ChildStdin,
    said: BufReader<ChildStdout>,
    name: String,
}

impl Peer {
    fn start(python: &str, script: &str, folder: &Path) -> Result<Self, Box<dyn Error>> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peer");
        let mut child = Command::new(python)
            .arg(scripts.join(script))
            .arg(folder)
            .arg(SIDE.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let tell = child.stdin.take().ok_or("no input")?;
        let said = BufReader::new(child.stdout.take().ok_or("no output")?);
        let mut peer = Self {
            child,
            tell,
            said,
            name: String::new(),
        };
        peer.name = peer.line()?;
        if peer.name.is_empty() {
            return Err(format!(
                "{script} did not start: does this Python have Pillow and PyTorch?"
            )
            .into());
        }
        Ok(peer)
    }

    fn line(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = String::new();
        self.said.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    fn seconds(&mut self) -> Result<f64, Box<dyn Error>> {
        writeln!(self.tell)?;
        Ok(self.line()?.parse()?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ours(files: &[Vec<u8>]) -> Result<f64, Box<dyn Error>> {
    let start = Instant::now();
    for file in files {
        let decoded = RgbImage::decode(file, ExifOrientation::Apply)?;
        black_box(decoded.image.resize(SIDE, SIDE)?);
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Batches of an epoch through a loader with two workers, from files to pixels.
fn loaded(loader: &Loader) -> Result<f64, Box<dyn Error>> {
    let start = Instant::now();
    for batch in loader.epoch(0, 0)? {
        black_box(batch?);
    }
    Ok(start.elapsed().as_secs_f64())
}

/// A data set of the files, one question an image.
fn loader(root: &Path, files: usize) -> Result<Loader, Box<dyn Error>> {
    let lines = (0..files).map(|number| {
        format!(r#"{{"image": "{number:03}.jpg", "question": "what is it?", "answers": ["it"]}}"#)
    });
    std::fs::write(
        root.join("train.jsonl"),
        lines.collect::<Vec<_>>().join("\n"),
    )?;
    let nothing = HoldOut {
        fraction: 0.0,
        seed: 0,
    };
    let source: Arc<dyn Source> = Arc::new(Folder::open(root, Split::Train, nothing)?);
    let encoder = Encoder::build(source.as_ref(), 8, SIDE)?;
    let config = LoaderConfig {
        effective_batch: 8,
        chunk: 4,
        num_workers: WORKERS,
        prefetch_factor: 2,
        preload: Preload::Nothing,
        use_compression: false,
        shuffle: Order::Sequential,
    };
    Ok(Loader::new(source, Arc::new(encoder), config)?)
}

fn report(what: &str, images: usize, least: f64, peer: Option<(&str, f64)>) {
    print!("{what}: {:.0} images/s", images as f64 / least);
    match peer {
        Some((name, seconds)) => println!(
            "; {name}: {:.0} images/s, ratio {:.2}",
            images as f64 / seconds,
            seconds / least
        ),
        None => println!(),
    }
}

/// The least seconds of several rounds in which both sides take turns.
fn turns(
    mut ours: impl FnMut() -> Result<f64, Box<dyn Error>>,
    peer: &mut Option<Peer>,
) -> Result<(f64, Option<f64>), Box<dyn Error>> {
    let (mut least, mut peer_least) = (f64::INFINITY, None);
    for _ in 0..ROUNDS {
        least = least.min(ours()?);
        if let Some(peer) = peer {
            let seconds = peer.seconds()?;
            peer_least = Some(peer_least.map_or(seconds, |least: f64| least.min(seconds)));
        }
    }
    Ok((least, peer_least))
}

fn main() -> Result<(), Box<dyn Error>> {
    let python = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    for (kind, progressive) in [("baseline", false), ("progressive", true)] {
        let root = tempfile::tempdir()?;
        let folder = root.path().join("images");
        std::fs::create_dir(&folder)?;
        let mut files = Vec::new();
        for number in 0..FILES {
            let encoded = jpeg(number, progressive)?;
            std::fs::write(folder.join(format!("{number:03}.jpg")), &encoded)?;
            files.push(encoded);
        }
        let start = |script: &str| {
            let python = python.as_ref();
            let peer = python.map(|python| Peer::start(python, script, &folder));
            peer.transpose()
        };
        let what = format!("{kind} JPEG, 640 x 480 to {SIDE} x {SIDE}");
        let mut peer = start("decode.py")?;
        let (least, seconds) = turns(|| ours(&files), &mut peer)?;
        let named = peer.as_ref().map(|peer| peer.name.as_str());
        report(&what, FILES, least, named.zip(seconds));

        let mut peer = start("load.py")?;
        let loader = loader(root.path(), FILES)?;
        let (least, seconds) = turns(|| loaded(&loader), &mut peer)?;
        let named = peer.as_ref().map(|peer| peer.name.as_str());
        let what = format!("{what}, loader with {WORKERS} workers");
        report(&what, FILES, least, named.zip(seconds));
    }
    Ok(())
}
