//! The program's memory allocator: whoever links this crate has mimalloc.
//!
//! A step of training on the CPU backend makes and drops thousands of large tensors. With the system's allocator each is
//! a fresh mapping, and page faults take more time than the arithmetic.
//!
//! ```
//! allocator::keep_freed_memory();
//! ```

use libmimalloc_sys::{mi_option_set, mi_option_t};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc's `mi_option_e`, which the bindings leave out.
const PURGE_DELAY: mi_option_t = 15;

/// Keeps freed memory for the next tensor, for as long as the process lives. Otherwise mimalloc hands large blocks back to
/// the system, and their next use begins with a page fault every few kilobytes: a step of the model at full size then takes
/// half as long again.
///
/// The process stays as large as it was at its largest.
#[expect(unsafe_code, reason = "mimalloc has no safe interface for its options")]
pub fn keep_freed_memory() {
    // SAFETY: the function stores a number in a table of atomics, and the index is one of the table's.
    unsafe { mi_option_set(PURGE_DELAY, -1) };
}
