//! The program's memory allocator: whoever links this crate has mimalloc, and every byte counted.
//!
//! A step of training on the CPU backend makes and drops thousands of large tensors. With the system's allocator each is
//! a fresh mapping, and page faults take more time than the arithmetic.
//!
//! Tensors of the CPU backend are ordinary allocations, so the count is the exact memory of the device that the CPU is.
//!
//! ```
//! allocator::keep_freed_memory();
//!
//! allocator::take_peak();
//! let before = allocator::live_bytes();
//! drop(vec![1_u8; 1 << 20]);
//! assert!(allocator::take_peak() >= before + (1 << 20));
//! ```

mod counting;
mod exhausted;
#[cfg(target_os = "linux")]
mod limited;

pub use counting::{count_allocations, live_bytes, live_bytes_within, take_peak};
pub use exhausted::EXIT_CODE;

use libmimalloc_sys::{mi_option_set, mi_option_t, mi_process_info};

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

/// Bytes that mimalloc has from the system: what is live, and what it keeps for later.
#[expect(
    unsafe_code,
    reason = "mimalloc has no safe interface for its statistics"
)]
pub fn reserved_bytes() -> usize {
    let mut committed = 0;
    let unwanted = std::ptr::null_mut();
    // SAFETY: every pointer is null, which the function allows, or of a variable that outlives the call.
    unsafe {
        mi_process_info(
            unwanted,
            unwanted,
            unwanted,
            unwanted,
            unwanted,
            &raw mut committed,
            unwanted,
            unwanted,
        );
    }
    committed
}
