//! Data sets to batches: everything between files and the model, without a tensor.
//!
//! A [`Source`] is one split of a data set: [`Sample`]s (a question about an image with its answers) and encoded images.
//! Three come with the crate: [`Shapes`], made on the fly from a seed, [`EasyVqa`], read from its folder, and [`Folder`], a
//! user's own. Some have [`Inputs`] beside images: region features, statistical words, entities. An [`Encoder`] turns
//! questions, answers and images into numbers. A [`Loader`] delivers whole effective batches in an order that depends on
//! seed and epoch alone, prepared ahead by worker threads. Images travel as bytes; whoever has the device normalises
//! them there with [`IMAGE_MEAN`] and [`IMAGE_STD`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use data_pipeline::{
//!     Encoder, Loader, LoaderConfig, Order, Preload, Shapes, ShapesConfig, Source, Split,
//! };
//!
//! let config = ShapesConfig { seed: 7, images: 20, questions_per_image: 5 };
//! let train = Arc::new(Shapes::new(config, Split::Train)?);
//! let encoder = Arc::new(Encoder::build(train.as_ref(), 16, 64)?);
//! let loader = Loader::new(
//!     train,
//!     encoder,
//!     LoaderConfig {
//!         effective_batch: 32,
//!         chunk: 8,
//!         num_workers: 2,
//!         prefetch_factor: 2,
//!         preload: Preload::Nothing,
//!         use_compression: true,
//!         shuffle: Order::Permutation { seed: 7 },
//!         augmentation: None,
//!     },
//! )?;
//!
//! let mut sizes = Vec::new();
//! for batch in loader.epoch(0, 0)? {
//!     let batch = batch?;
//!     assert_eq!(batch.images.len(), batch.unique_images() * 64 * 64 * 3);
//!     sizes.push(batch.len());
//! }
//! assert_eq!(sizes, [32, 32, 32, 4]);
//! # Ok::<(), data_pipeline::DataError>(())
//! ```

mod answers;
mod augment;
mod baseline;
mod batch;
mod check;
pub mod easy_vqa;
mod encoder;
mod error;
mod fields;
mod files;
mod fingerprint;
pub mod folder;
mod hold_out;
mod image;
mod image_file;
mod inputs;
mod json;
mod loader;
pub mod metric;
mod report;
mod sample;
mod shapes;
mod shards;
mod source;
mod stream;
mod subset;
mod text;
mod threads;

pub use answers::{AnswerNormalisation, AnswerReading, ReadingFacts, Votes, normalise_answer};
pub use augment::Augmentation;
pub use baseline::{accuracy_of_constant, majority_answer};
pub use batch::Batch;
pub use check::{
    Check, Checked, Depth, Fault, Faults, Glance, OddImage, SharedImages, Stamp, Use, check,
};
pub use easy_vqa::EasyVqa;
pub use encoder::Encoder;
pub use error::DataError;
pub use fields::Fields;
pub use fingerprint::{fingerprint, fingerprint_of_files, fingerprint_of_questions};
pub use folder::{Folder, Questions, ReadablePart};
pub use hold_out::HoldOut;
pub use image::{
    Decoded, ExifOrientation, IMAGE_MEAN, IMAGE_STD, ImageError, ImageFormat, ImageHeader,
    ImageWarning, MAX_PIXELS, Orientation, RgbImage, normalise,
};
pub use inputs::{BOX_SIZE, Inputs, RegionShape, Regions};
pub use loader::{Epoch, Footprint, ImageSizes, Loader, LoaderConfig, Order, Preload};
pub use report::{DataReport, SplitReport, TextReport, Thresholds};
pub use sample::{Answer, Comparison, Sample, Split};
pub use shapes::{Language, Shapes, ShapesConfig};
pub use shards::{InShard, ShardLimit, Shards};
pub use source::Source;
pub use subset::Subset;
pub use text::{
    AnswerList, PAD, Pieces, SpecialTokens, Splitting, TokenTable, UNKNOWN, Vocabulary, WordPiece,
    WordPieceForm, pre_question, tokenize,
};
