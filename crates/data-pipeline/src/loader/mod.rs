//! Whole effective batches in a keyed order, read ahead by worker threads.

mod config;
mod epoch;
mod footprint;
mod image;
mod load;
mod order;
mod prepare;
mod schedule;
mod store;
mod workers;

pub use config::{LoaderConfig, Preload};
pub use epoch::Epoch;
pub use footprint::{Footprint, ImageSizes};
pub use load::Loader;
pub use order::Order;
