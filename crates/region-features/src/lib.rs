//! One memory-mapped file of region features for many images.
//!
//! A file `NAME.regions` holds, for each image by name, as many regions as a detector found in it: features in 16 or 32 bits
//! and boxes. [`Writer`] takes one image at a time and needs memory for their names alone. The file is written whole or not at
//! all. [`Store`] maps a file and reads any image; checksums tell damage, and messages name the place.
//!
//! ```
//! use region_features::{Block, Number, Store, Writer};
//!
//! # let folder = std::env::temp_dir().join(format!("region-features-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! let path = folder.join("train.regions");
//! let mut writer = Writer::create(&path, Number::F16)?;
//! let block = Block { rows: 1, features: vec![0.5, 2.0], boxes: vec![0.0, 0.0, 0.5, 1.0, 0.5, 1.0] };
//! writer.add("a.png", &block)?;
//! writer.finish()?;
//!
//! let store = Store::open(&path)?;
//! let place = store.find("photos/a.png").expect("the image is found without its folder, too");
//! assert_eq!(store.read(place)?, block);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod format;
mod names;
mod store;
mod writer;

pub use error::StoreError;
pub use format::{BOX_SIZE, Block, ENDING, MAGIC, Number, Summary};
pub use store::{Found, Store};
pub use writer::Writer;
