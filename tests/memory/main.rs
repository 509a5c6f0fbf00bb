//! Memory, counted to the byte on the CPU. One test at a time: the count is the process's.

mod attention;
mod checkpointing;
mod host;

/// The most bytes that the process held while `run` ran, beyond what it held before.
fn peak_of(run: impl FnOnce()) -> usize {
    let before = allocator::live_bytes();
    allocator::take_peak();
    run();
    allocator::take_peak() - before
}
