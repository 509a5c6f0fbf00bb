//! What the benchmarks of images share: pictures, a Python that does the same work, and taking turns with it.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

/// Turns of either side; the least time counts.
const ROUNDS: usize = 7;

/// Images of a turn.
pub(crate) const FILES: usize = 96;

/// Side that images are resized to, as in the presets for GPUs.
pub(crate) const SIDE: usize = 480;

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

/// Writes the files of a turn, and gives their bytes.
pub(crate) fn write_files(
    folder: &Path,
    progressive: bool,
) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let mut files = Vec::new();
    for number in 0..FILES {
        let encoded = jpeg(number, progressive)?;
        std::fs::write(folder.join(format!("{number:03}.jpg")), &encoded)?;
        files.push(encoded);
    }
    Ok(files)
}

/// A Python that does the same work when told to.
pub(crate) struct Peer {
    child: Child,
    tell: ChildStdin,
    said: BufReader<ChildStdout>,
    pub(crate) name: String,
}

impl Peer {
    /// Starts a script of `benches/peer`.
    pub(crate) fn start(
        python: &str,
        script: &str,
        folder: &Path,
        mode: &[&str],
    ) -> Result<Self, Box<dyn Error>> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peer");
        let mut child = Command::new(python)
            .arg(scripts.join(script))
            .arg(folder)
            .arg(SIDE.to_string())
            .args(mode)
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

/// The least seconds of several rounds in which both sides take turns.
pub(crate) fn turns(
    mut ours: impl FnMut() -> Result<f64, Box<dyn Error>>,
    mut peer: Option<&mut Peer>,
) -> Result<(f64, Option<f64>), Box<dyn Error>> {
    let (mut least, mut peer_least) = (f64::INFINITY, None);
    for _ in 0..ROUNDS {
        least = least.min(ours()?);
        if let Some(peer) = &mut peer {
            let seconds = peer.seconds()?;
            peer_least = Some(peer_least.map_or(seconds, |least: f64| least.min(seconds)));
        }
    }
    Ok((least, peer_least))
}
