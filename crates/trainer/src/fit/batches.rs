//! Host memory of batches on their way to the model.

use config_schema::Config;
use data_pipeline::{Batch, DataError, Loader};

use crate::error::TrainError;

/// Bytes that batches of a loader take at the most: the one that is worked on, and those that workers have ready. `batch` is
/// the number of samples that the loader hands over at once, `chunk` the number that a worker prepares at a time.
///
/// # Errors
///
/// When the samples cannot be read.
pub fn batch_bytes(
    settings: &Config,
    loader: &Loader,
    batch: usize,
    chunk: usize,
) -> Result<u64, TrainError> {
    let keys = &settings.memory_optimization;
    let chunks = keys.num_workers.saturating_mul(keys.prefetch_factor);
    let ahead = chunks.saturating_mul(chunk).div_ceil(batch);
    let before = allocator::live_bytes();
    let batches = loader.epoch(0, 0)?;
    // At the end of the iterator its workers have stopped, so what is counted is the batches alone.
    let held = batches.take(ahead.saturating_add(1));
    let held = held.collect::<Result<Vec<Batch>, DataError>>()?;
    let bytes = allocator::live_bytes().saturating_sub(before);
    drop(held);
    Ok(bytes as u64)
}
