//! Images a second that one thread decodes and resizes, beside Pillow; for `cargo xtask bench decode [--python PATH]`.
//!
//! Both sides take turns over the same files, held in memory, and the least time of several rounds counts. On a machine that
//! does something else only the ratio says anything.
#![expect(clippy::print_stdout, reason = "its result is its output")]
#![expect(clippy::disallowed_methods, reason = "a benchmark needs a clock")]

mod support;

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use data_pipeline::{ExifOrientation, RgbImage};
use support::{FILES, Peer, SIDE, turns, write_files};

fn ours(files: &[Vec<u8>]) -> Result<f64, Box<dyn Error>> {
    let start = Instant::now();
    for file in files {
        let decoded = RgbImage::decode(file, ExifOrientation::Apply)?;
        black_box(decoded.image.resize(SIDE, SIDE)?);
    }
    Ok(start.elapsed().as_secs_f64())
}

fn main() -> Result<(), Box<dyn Error>> {
    let python = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    for (kind, progressive) in [("baseline", false), ("progressive", true)] {
        let folder = tempfile::tempdir()?;
        let files = write_files(folder.path(), progressive)?;
        let mut peer = python
            .as_ref()
            .map(|python| Peer::start(python, "decode.py", folder.path(), &[]))
            .transpose()?;
        let (least, seconds) = turns(|| ours(&files), peer.as_mut())?;
        let images = |seconds: f64| FILES as f64 / seconds;
        print!(
            "{kind} JPEG, 640 x 480 to {SIDE} x {SIDE}: {:.0} images/s",
            images(least)
        );
        match peer.zip(seconds) {
            Some((peer, seconds)) => println!(
                "; {}: {:.0} images/s, ratio {:.2}",
                peer.name,
                images(seconds),
                seconds / least
            ),
            None => println!(),
        }
    }
    Ok(())
}
