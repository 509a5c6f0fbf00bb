//! A change of the size of micro-batches, and its reason in words.

use std::fmt;

use config_schema::count;

use super::bytes::Bytes;

/// A change of the size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Samples before.
    pub from: usize,
    /// Samples from now on.
    pub to: usize,
    /// What made the size change.
    pub reason: Reason,
}

/// Why a size changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The planned peak leaves room, and nothing is measured yet.
    Planned {
        /// Bytes planned at the new size.
        planned: u64,
        /// Bytes that may be used.
        budget: u64,
    },
    /// The expected peak left room.
    Room {
        /// Bytes expected at the old size.
        expected: u64,
        /// Bytes that may be used.
        budget: u64,
    },
    /// The expected peak came too near to the budget.
    Tight {
        /// Bytes expected at the old size.
        expected: u64,
        /// Bytes that may be used.
        budget: u64,
    },
    /// Memory ran out.
    RanOut,
    /// It did not again for a while.
    Calm {
        /// Steps since.
        steps: usize,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Planned { planned, budget } => write!(
                f,
                "planned peak {}, budget {}",
                Bytes(*planned),
                Bytes(*budget)
            ),
            Self::Room { expected, budget } => write!(
                f,
                "expected peak {} leaves headroom under the {} budget",
                Bytes(*expected),
                Bytes(*budget)
            ),
            Self::Tight { expected, budget } => write!(
                f,
                "expected peak {} leaves too little headroom under the {} budget",
                Bytes(*expected),
                Bytes(*budget)
            ),
            Self::RanOut => f.write_str("memory ran out"),
            Self::Calm { steps } => write!(f, "no memory shortage for {}", count(*steps, "step")),
        }
    }
}
