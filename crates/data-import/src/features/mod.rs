//! Published region features to one memory-mapped file.

mod archive;
mod container;
mod hdf5;
mod import;
mod lmdb;
mod mmf;
mod npy;
mod npz;
mod regions;
mod sources;
mod stored;
mod tsv;

pub use container::FeatureFormat;
pub use import::{FeatureReport, FeatureRequest, Listed, import_features, list_features};
