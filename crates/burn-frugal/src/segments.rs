//! Who is told of segments as they are run.

use std::cell::RefCell;

use burn::tensor::Tensor;

use crate::capture;

/// What is done with a segment of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SegmentWork {
    /// Its layers are about to run. Where nothing is trained, all layers of a stack are one segment.
    Forward,
    /// They are about to run a second time, in the middle of a backward pass.
    Rebuild,
    /// They ran a second time and were gone back through; their gradients are still to be handed on.
    Backward,
}

type Watcher = Box<dyn FnMut(SegmentWork)>;

thread_local! {
    static WATCHER: RefCell<Option<Watcher>> = const { RefCell::new(None) };
}

/// Ends what [`watch_segments`] began when it is dropped.
#[derive(Debug)]
#[must_use = "nothing is watched any more once it is dropped"]
pub struct SegmentWatch(());

impl Drop for SegmentWatch {
    fn drop(&mut self) {
        WATCHER.set(None);
    }
}

/// Tells `watcher` of every segment that this thread runs. A panic in there unwinds from within the pass, which is how a
/// device runs out of memory. Segments on a capture device are not told of: nothing is carried out there.
pub fn watch_segments(watcher: impl FnMut(SegmentWork) + 'static) -> SegmentWatch {
    WATCHER.set(Some(Box::new(watcher)));
    SegmentWatch(())
}

/// Tells the thread's watcher, if it has one, what is done with a segment that looks at `x`.
pub(crate) fn notify<const D: usize>(work: SegmentWork, x: &Tensor<D>) {
    WATCHER.with_borrow_mut(|watcher| {
        if let Some(watcher) = watcher
            && capture::id(x.clone()).is_none()
        {
            watcher(work);
        }
    });
}
