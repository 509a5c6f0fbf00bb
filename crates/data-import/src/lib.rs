//! Official files of VQA data sets to the project's folder format.
//!
//! [`import`] recognises the layout of published files by their content, puts their published splits into the splits train, validation
//! and test, and writes one JSON line a question. Images stay where they are: the manifest [`MANIFEST`] says where. Files
//! are read as a stream, so that memory depends on the number of questions and not on the size of the files. The folder is
//! written whole or not at all.
//!
//! ```no_run
//! use data_import::{Request, import};
//!
//! let request = Request {
//!     sources: vec!["downloads/vqa2".into()],
//!     to: "data/vqa2".into(),
//!     ..Request::default()
//! };
//! let report = import(&request, &|progress| println!("{} bytes", progress.done))?;
//! for split in report.splits {
//!     println!("{}: {} questions", split.split, split.questions);
//! }
//! # Ok::<(), data_import::ImportError>(())
//! ```
//!
//! [`import_features`] brings published region features into one memory-mapped file, whatever their container.

mod answers;
mod array;
mod error;
mod features;
mod finish;
mod format;
mod images;
mod import;
mod json;
mod layouts;
mod mix;
mod pickle;
mod questions;
mod record;
mod report;
mod sniff;
mod stamp;
mod write;

pub use error::{ImportError, Place};
pub use features::{
    FeatureFormat, FeatureReport, FeatureRequest, Listed, import_features, list_features,
};
pub use finish::MANIFEST;
pub use format::Format;
pub use import::{Progress, Request, import};
pub use layouts::Split;
pub use mix::Recipe;
pub use questions::{QuestionFile, questions};
pub use region_features::Number;
pub use report::{DataSet, ImageFolder, PartFiles, Report, SplitReport};
pub use stamp::stamp;
pub use write::Staging;
