//! Work that may fail for want of memory.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Failure;

/// Does work on the device and tells what its failure means. The work must leave nothing half-done behind that is used
/// again.
///
/// # Errors
///
/// When the work panics or the backend reports an error.
pub(crate) fn attempt<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(Failure::of_panic(panic)))
}
