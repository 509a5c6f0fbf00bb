//! What tests do to a run, to see what it does when memory runs out.

use super::{OutOfMemory, Point};

/// Makes a run fail where a test wants it to.
pub trait FaultInjector: Sync {
    /// Called at every point. Where it panics, the work up to that point has failed as a backend fails.
    ///
    /// # Errors
    ///
    /// Where memory is to run out.
    fn at(&self, point: &Point) -> Result<(), OutOfMemory>;

    /// Samples of the micro-batch of `step` that begins at sample `start`, instead of those planned.
    fn micro_batch(&self, step: usize, start: usize, planned: usize) -> usize {
        let _ = (step, start);
        planned
    }

    /// The loss scale, a power of two, that `step` begins with instead of the one that it has come to.
    fn loss_scale(&self, step: usize, current: f64) -> f64 {
        let _ = step;
        current
    }

    /// Whether the gradient of `step` is to overflow under a loss scale.
    fn overflows(&self, step: usize, loss_scale: f64) -> bool {
        let _ = (step, loss_scale);
        false
    }
}
