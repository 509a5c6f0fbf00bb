//! Threads that work side by side.

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::DataError;

/// A pool of this many threads.
///
/// # Errors
/// When the system does not start them.
pub(crate) fn thread_pool(threads: usize) -> Result<ThreadPool, DataError> {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|error| DataError::Threads {
        threads,
        problem: error.to_string(),
    })
}
