//! `memory.jsonl` of a run directory.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{CardSample, Usage};

/// Memory between two reports: a line of `memory.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MemorySample {
    /// Steps taken.
    pub step: usize,
    /// Bytes that may be used; absent without a budget.
    pub budget_bytes: Option<u64>,
    /// Samples of the next micro-batch.
    pub micro_batch: usize,
    /// The same in evaluation.
    pub evaluation_micro_batch: usize,
    /// The most bytes in use in the phases that the budget binds: all but storage.
    pub peak_bytes: u64,
    /// Bytes in use at the end.
    pub live_bytes: u64,
    /// Bytes held at the end: in use or kept for later use.
    pub reserved_bytes: u64,
    /// The most bytes in use in each phase that there was.
    pub phase_peak_bytes: BTreeMap<&'static str, u64>,
    /// The card as a whole, whoever uses it; absent where there is none or it cannot be read.
    pub card: Option<Usage>,
    /// What it said every `logging.card_seconds`; absent where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub card_samples: Vec<CardSample>,
}
