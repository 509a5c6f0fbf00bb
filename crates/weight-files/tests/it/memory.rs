//! How much memory a thread takes for something.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use weight_files::{Fault, WeightFile};

/// Counts the bytes that each thread holds.
struct Counting;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

fn count(before: usize, after: usize) {
    // Not there any more while a thread ends.
    let _ = LIVE.try_with(|live| {
        live.set((live.get() + after).saturating_sub(before));
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

#[expect(
    unsafe_code,
    reason = "an allocator is; each call goes to the system's as it is"
)]
// SAFETY: memory comes from and goes to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(0, layout.size());
        // SAFETY: the caller keeps to the contract of this very function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(0, layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both exist while one is copied to the other.
        count(0, size);
        count(layout.size(), 0);
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(layout.size(), 0);
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `run` gives, and the most bytes that it held at any time.
pub fn peak_of<T>(run: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let result = run();
    (result, PEAK.get() - before)
}

#[test]
fn the_peak_is_counted() {
    let (kept, peak) = peak_of(|| {
        drop(vec![0_u8; 1 << 20]);
        vec![0_u8; 1 << 10]
    });
    assert_eq!(kept.len(), 1 << 10);
    assert!((1 << 20..(1 << 20) + 4096).contains(&peak), "{peak}");
}

/// Opens a file that cannot be read, within the memory that its length allows.
pub fn fault(bytes: Vec<u8>) -> Fault {
    let allowed = 128 * bytes.len() + (1 << 16);
    let (opened, peak) = peak_of(|| WeightFile::from_bytes("hostile", bytes));
    assert!(peak <= allowed, "{peak} bytes, {allowed} allowed");
    match opened {
        Err(error) => error.fault,
        Ok(file) => panic!("{} tensors", file.tensors().count()),
    }
}
