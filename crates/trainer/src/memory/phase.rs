//! Where in a run memory is looked at.

use std::fmt;
use std::ops::Range;

use serde::Serialize;

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Waits for a batch and moves a micro-batch to the device.
    Load,
    /// Computes the losses of a micro-batch.
    Forward,
    /// Computes the gradient of a micro-batch.
    Backward,
    /// Adds gradients of micro-batches up.
    Accumulation,
    /// Clips the gradient and changes the weights.
    Update,
    /// Computes answers without gradients.
    Evaluation,
    /// Makes, reads or writes weights, with copies in host memory. The budget does not bind it.
    Storage,
}

impl Phase {
    /// Name in logs and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Forward => "forward",
            Self::Backward => "backward",
            Self::Accumulation => "accumulation",
            Self::Update => "update",
            Self::Evaluation => "evaluation",
            Self::Storage => "storage",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The end of some work that memory can run out in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// Kind of work.
    pub phase: Phase,
    /// Steps taken before this one.
    pub step: usize,
    /// Its samples, by their place in the effective batch or, in evaluation, in the split. Of an update all.
    pub samples: Range<usize>,
    /// The parameter group that was updated.
    pub group: Option<&'static str>,
}
