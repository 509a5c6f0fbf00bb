//! Images a second that a loader with two workers delivers, beside PyTorch's `DataLoader` with Pillow and two workers; for
//! `cargo xtask bench loader [--python PATH]`.
//!
//! Both sides take turns over the same files, and the least time of several rounds counts. On a machine that does something
//! else only the ratio says anything.
#![expect(clippy::print_stdout, reason = "its result is its output")]
#![expect(clippy::disallowed_methods, reason = "a benchmark needs a clock")]

mod support;

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use data_pipeline::{
    Augmentation, Encoder, Folder, HoldOut, Loader, LoaderConfig, Order, Preload, Source, Split,
};
use support::{FILES, Peer, SIDE, turns, write_files};

/// Workers of either side.
const WORKERS: usize = 2;

/// The augmentation of the presets for GPUs.
const AUGMENTATION: Augmentation = Augmentation {
    seed: 1,
    crop_scale: 0.5,
    flip: 0.5,
    operations: 2,
    magnitude: 7,
};

/// What is measured: how the files are loaded, and what PyTorch does meanwhile.
struct Row {
    name: &'static str,
    /// How many times as fast it is meant to be.
    aim: f64,
    progressive: bool,
    preload: Preload,
    augmentation: Option<Augmentation>,
    /// What the peer does with each image.
    peer: &'static str,
}

/// The peer has nothing like a cache: with and without one it decodes.
const ROWS: [Row; 5] = [
    Row {
        name: "decoding",
        aim: 3.0,
        progressive: false,
        preload: Preload::Nothing,
        augmentation: None,
        peer: "resize",
    },
    Row {
        name: "decoding progressive JPEG",
        aim: 3.0,
        progressive: true,
        preload: Preload::Nothing,
        augmentation: None,
        peer: "resize",
    },
    Row {
        name: "with augmentation",
        aim: 3.0,
        progressive: false,
        preload: Preload::Nothing,
        augmentation: Some(AUGMENTATION),
        peer: "augment",
    },
    Row {
        name: "from cache",
        aim: 20.0,
        progressive: false,
        preload: Preload::ALL,
        augmentation: None,
        peer: "resize",
    },
    Row {
        name: "from cache, with augmentation",
        aim: 3.0,
        progressive: false,
        preload: Preload::ALL,
        augmentation: Some(AUGMENTATION),
        peer: "augment",
    },
];

/// A data set of the files, one question an image.
fn loader(root: &Path, row: &Row) -> Result<Loader, Box<dyn Error>> {
    let lines = (0..FILES).map(|number| {
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
        preload: row.preload,
        use_compression: false,
        shuffle: Order::Sequential,
        augmentation: row.augmentation,
    };
    Ok(Loader::new(source, Arc::new(encoder), config)?)
}

/// Batches of an epoch, from files or memory to pixels.
fn loaded(loader: &Loader, epoch: u64) -> Result<f64, Box<dyn Error>> {
    let start = Instant::now();
    for batch in loader.epoch(epoch, 0)? {
        black_box(batch?);
    }
    Ok(start.elapsed().as_secs_f64())
}

fn main() -> Result<(), Box<dyn Error>> {
    let python = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    println!("640 x 480 JPEG to {SIDE} x {SIDE}, {WORKERS} workers, images/s");
    println!(
        "{:32} {:>8} {:>12} {:>7} {:>5}",
        "", "aoa", "DataLoader", "ratio", "aim"
    );
    let mut peer_name = None;
    for row in ROWS {
        let root = tempfile::tempdir()?;
        let folder = root.path().join("images");
        std::fs::create_dir(&folder)?;
        write_files(&folder, row.progressive)?;
        let mut peer = python
            .as_ref()
            .map(|python| Peer::start(python, "loader.py", &folder, &[row.peer]))
            .transpose()?;
        let loader = loader(root.path(), &row)?;
        let mut epoch = 0;
        let ours = || {
            epoch += 1;
            loaded(&loader, epoch)
        };
        let (least, seconds) = turns(ours, peer.as_mut())?;
        let images = |seconds: f64| format!("{:.0}", FILES as f64 / seconds);
        let (theirs, ratio) = match seconds {
            Some(seconds) => (images(seconds), format!("{:.2}", seconds / least)),
            None => ("-".to_owned(), "-".to_owned()),
        };
        let ours = images(least);
        let (name, aim) = (row.name, row.aim);
        println!("{name:32} {ours:>8} {theirs:>12} {ratio:>7} {aim:>5}");
        peer_name = peer.map(|peer| peer.name.clone());
    }
    if let Some(name) = peer_name {
        println!("{name}");
    }
    Ok(())
}
