//! The count of live bytes, of the most there were, and on demand of allocations.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use mimalloc::MiMalloc;

use crate::exhausted::exhausted;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// All counts in one cache line of their own, since every allocation touches each.
#[repr(align(128))]
struct Counts {
    live: AtomicUsize,
    peak: AtomicUsize,
    /// Whether somebody wants to know the number of allocations: it would cost as much as live bytes do.
    asked: AtomicBool,
    allocations: AtomicUsize,
}

static COUNTS: Counts = Counts {
    live: AtomicUsize::new(0),
    peak: AtomicUsize::new(0),
    asked: AtomicBool::new(false),
    allocations: AtomicUsize::new(0),
};

/// Bytes that the program has asked for and not yet freed, as asked for: without what mimalloc rounds up.
pub fn live_bytes() -> usize {
    COUNTS.live.load(Relaxed)
}

/// Live bytes that certainly fit into this many bytes of address space.
///
/// mimalloc maps blocks in pages, one kind for each size and thread, and keeps what is freed. Runs of training were measured to
/// map up to twice their live bytes.
pub fn live_bytes_within(address_space: u64) -> u64 {
    address_space / 2
}

/// The most live bytes since the last call, or since the program began.
pub fn take_peak() -> usize {
    let peak = COUNTS.peak.swap(live_bytes(), Relaxed);
    // What another thread allocated between the two reads belongs to the new peak.
    COUNTS.peak.fetch_max(live_bytes(), Relaxed);
    peak
}

/// What `run` gives, and the number of blocks that the program asked for meanwhile, on whatever thread, those that it made
/// larger or smaller among them. One call at a time.
pub fn count_allocations<T>(run: impl FnOnce() -> T) -> (T, usize) {
    COUNTS.allocations.store(0, Relaxed);
    COUNTS.asked.store(true, Relaxed);
    let result = run();
    COUNTS.asked.store(false, Relaxed);
    (result, COUNTS.allocations.load(Relaxed))
}

fn grow(bytes: usize) {
    if COUNTS.asked.load(Relaxed) {
        COUNTS.allocations.fetch_add(1, Relaxed);
    }
    let live = COUNTS.live.fetch_add(bytes, Relaxed) + bytes;
    if live > COUNTS.peak.load(Relaxed) {
        COUNTS.peak.fetch_max(live, Relaxed);
    }
}

fn shrink(bytes: usize) {
    COUNTS.live.fetch_sub(bytes, Relaxed);
}

/// mimalloc with a count. An allocator must not unwind, so whoever keeps to a budget looks at the count.
struct Counting;

#[expect(unsafe_code, reason = "an allocator is an unsafe trait")]
// SAFETY: every call goes to mimalloc as it is, and the counts are no part of any block.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the promises of this trait, which are those of the inner call.
        let block = unsafe { MiMalloc.alloc(layout) };
        if block.is_null() {
            exhausted(layout.size(), live_bytes());
        } else {
            grow(layout.size());
        }
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        let block = unsafe { MiMalloc.alloc_zeroed(layout) };
        if block.is_null() {
            exhausted(layout.size(), live_bytes());
        } else {
            grow(layout.size());
        }
        block
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        let block = unsafe { MiMalloc.realloc(block, layout, size) };
        if block.is_null() {
            exhausted(size, live_bytes());
        } else {
            grow(size);
            shrink(layout.size());
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { MiMalloc.dealloc(block, layout) };
        shrink(layout.size());
    }
}
