//! How large the next micro-batch is: nothing but arithmetic.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Bytes;

/// Planned peaks stay below this part of the budget; the rest is for what is not the same in every micro-batch.
pub(crate) const TARGET: f64 = 0.95;
/// A peak that is expected to be lower than this part of the budget lets the size grow. Between the two numbers it stays.
const ROOM: f64 = 0.90;
/// A peak that is expected to be higher than this part of the budget makes the size shrink.
const TIGHT: f64 = 0.98;
/// More samples than any micro-batch has.
const MOST: usize = 1 << 32;
/// Steps without growth after memory ran out for the first time; doubled every time.
const FIRST_REST: usize = 16;
const LONGEST_REST: usize = 1024;
/// Steps after which a size that ran out once may be tried again.
const FORGET: usize = 2000;

/// What binds the size of a micro-batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Samples that the configuration asks for.
    pub configured: usize,
    /// Samples that a micro-batch can have at most.
    pub most: usize,
    /// Bytes that may be in use.
    pub budget: Option<u64>,
    /// Whether the size follows the memory. If not, it is as configured, and halved for good when memory runs out.
    pub dynamic: bool,
}

/// Decides on the size of micro-batches from the memory that earlier ones took.
///
/// The peak of a round of micro-batches is what was in use before it plus a cost that grows with its size. The first is
/// measured before each round. The cost is measured at the sizes that were run, and of it the part that grows: more than
/// twice what the forward pass keeps it is not, since the rest of the backward pass are gradients of parameters. Up to the
/// largest size that was run the cost is taken to be linear; beyond it this part is taken to grow in proportion, which is
/// too much, so a larger size is approached from below.
///
/// With a budget the first micro-batch has one sample, because nothing is known yet, and the size of the second follows
/// from it; without one it begins as configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Controller {
    size: usize,
    /// Only one micro-batch at a time, since several did not fit even with one sample each.
    alone: bool,
    configured: usize,
    dynamic: bool,
    /// The most bytes in use before a round of the step before this one, and of this one.
    base: [u64; 2],
    cost: Option<Cost>,
    /// The most that the largest size of this step took. The first time may take more than later ones.
    latest: Option<Measured>,
    /// The smallest size that ran out.
    ceiling: Option<usize>,
    /// Steps since memory ran out.
    calm: usize,
    /// Steps without growth after memory ran out.
    rest: usize,
}

/// The controllers of a run, one a purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MicroBatches {
    /// Micro-batches of steps.
    pub training: Controller,
    /// Micro-batches of evaluations.
    pub evaluation: Controller,
}

/// Bytes that rounds of two sizes took at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cost {
    low: Measured,
    high: Measured,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measured {
    size: usize,
    bytes: u64,
    /// The part of `bytes` that grows with `size`, at most.
    growing: u64,
}

/// A change of the size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Samples before.
    pub from: usize,
    /// Samples from now on.
    pub to: usize,
    /// Why.
    pub reason: Reason,
}

/// Why a size changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
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
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Room { expected, budget } => write!(
                f,
                "a peak of {} leaves room in the budget of {}",
                Bytes(*expected),
                Bytes(*budget)
            ),
            Self::Tight { expected, budget } => write!(
                f,
                "a peak of {} is too near to the budget of {}",
                Bytes(*expected),
                Bytes(*budget)
            ),
            Self::RanOut => f.write_str("memory ran out"),
        }
    }
}

impl Controller {
    /// A controller that has seen nothing yet.
    pub fn new(limits: Limits) -> Self {
        let configured = limits.configured.clamp(1, limits.most.max(1));
        let careful = limits.dynamic && limits.budget.is_some();
        Self {
            size: if careful { 1 } else { configured },
            alone: false,
            configured,
            dynamic: limits.dynamic,
            base: [0; 2],
            cost: None,
            latest: None,
            ceiling: None,
            calm: 0,
            rest: FIRST_REST,
        }
    }

    /// The same controller under the limits of a resumed run; a new one where the configuration asks for something else.
    #[must_use]
    pub fn resumed(self, limits: Limits) -> Self {
        let new = Self::new(limits);
        let same = self.configured == new.configured && self.dynamic == new.dynamic;
        if same { self } else { new }
    }

    /// Samples of the next micro-batch.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Micro-batches to compute side by side, out of those that are asked for.
    pub fn parallel(&self, asked: usize) -> usize {
        if self.alone { 1 } else { asked }
    }

    /// Decides on the next round of micro-batches of full size, before which `live` bytes are in use.
    pub fn plan(&mut self, limits: Limits, live: u64) -> Option<Move> {
        self.base[1] = self.base[1].max(live);
        let budget = limits.budget.filter(|_| limits.dynamic)?;
        let cost = self.cost?;
        let base = self.base[0].max(self.base[1]);
        let expected = base.saturating_add(cost.of(self.size));
        let fitting = cost.fitting(part(budget, TARGET).saturating_sub(base));
        let (to, reason) = if expected > part(budget, TIGHT) {
            let to = fitting.min(self.size);
            (to, Reason::Tight { expected, budget })
        } else if expected < part(budget, ROOM) {
            let to = fitting.min(self.top(limits)).max(self.size);
            (to, Reason::Room { expected, budget })
        } else {
            return None;
        };
        self.resize(to, reason)
    }

    /// The size for the rest of an effective batch, which is less than a full round but may find more in use.
    pub fn rest(&self, limits: Limits, live: u64) -> usize {
        let budget = limits.budget.filter(|_| limits.dynamic);
        match (budget, self.cost) {
            (Some(budget), Some(cost)) => {
                let room = part(budget, TARGET).saturating_sub(live);
                cost.fitting(room).min(self.size)
            }
            _ => self.size,
        }
    }

    /// Takes note of a round of micro-batches of `size` that took `bytes` more than were in use before it, `forward` of
    /// them before any backward pass.
    pub fn measured(&mut self, size: usize, bytes: u64, forward: u64) {
        let new = Measured {
            size,
            bytes,
            growing: bytes.min(forward.saturating_mul(2)),
        };
        self.latest = Some(match self.latest {
            Some(latest) if latest.size > size => latest,
            Some(latest) if latest.size == size => latest.or_more(new),
            _ => new,
        });
        self.cost = Some(match self.cost {
            None => Cost {
                low: new,
                high: new,
            },
            Some(cost) => cost.with(new),
        });
    }

    /// The peak to expect at a size, from what was measured. None before anything was.
    pub fn expected(&self, size: usize) -> Option<u64> {
        let base = self.base[0].max(self.base[1]);
        self.cost.map(|cost| base.saturating_add(cost.of(size)))
    }

    /// The smallest size that ran out lately.
    pub fn ran_out_at(&self) -> Option<usize> {
        self.ceiling
    }

    /// Makes the size half of that which ran out in a round of so many micro-batches, or has them computed one by one
    /// where there is nothing to halve. None when nothing is left to do.
    pub fn ran_out(&mut self, size: usize, side_by_side: usize) -> Option<Move> {
        if size <= 1 {
            if side_by_side <= 1 || self.alone {
                return None;
            }
            self.alone = true;
            self.size = 1;
            return Some(Move {
                from: 1,
                to: 1,
                reason: Reason::RanOut,
            });
        }
        if self.ceiling.is_some() {
            self.rest = (2 * self.rest).min(LONGEST_REST);
        }
        self.ceiling = Some(size);
        self.calm = 0;
        self.resize(size / 2, Reason::RanOut)
    }

    /// Takes note of the end of a step.
    pub fn step_ended(&mut self) {
        self.base = [self.base[1], 0];
        if let (Some(cost), Some(latest)) = (&mut self.cost, self.latest.take())
            && cost.high.size == latest.size
        {
            cost.high = latest;
            cost.low.bytes = cost.low.bytes.min(latest.bytes);
        }
        self.calm += 1;
        if self.calm >= FORGET {
            self.ceiling = None;
        }
    }

    /// The largest size to grow to: half way to one that ran out, and after a rest.
    fn top(&self, limits: Limits) -> usize {
        match self.ceiling {
            Some(_) if self.calm < self.rest => self.size,
            Some(ceiling) => limits.most.min(usize::midpoint(self.size, ceiling)),
            None => limits.most,
        }
    }

    fn resize(&mut self, to: usize, reason: Reason) -> Option<Move> {
        let from = std::mem::replace(&mut self.size, to);
        (from != to).then_some(Move { from, to, reason })
    }
}

impl Measured {
    /// The larger of two measurements at one size.
    fn or_more(self, other: Self) -> Self {
        Self {
            size: self.size,
            bytes: self.bytes.max(other.bytes),
            growing: self.growing.max(other.growing),
        }
    }
}

impl Cost {
    fn of(&self, size: usize) -> u64 {
        let Self { low, high } = self;
        if size >= high.size {
            let more = proportion(high.growing, size - high.size, high.size);
            high.bytes.saturating_add(more)
        } else if size > low.size {
            low.bytes
                + proportion(
                    high.bytes - low.bytes,
                    size - low.size,
                    high.size - low.size,
                )
        } else {
            low.bytes
        }
    }

    /// The largest size that costs no more than `bytes`, at least 1.
    fn fitting(&self, bytes: u64) -> usize {
        let (mut fits, mut beyond) = (1, 2);
        while self.of(beyond) <= bytes && beyond < MOST {
            (fits, beyond) = (beyond, 2 * beyond);
        }
        while beyond - fits > 1 {
            let middle = usize::midpoint(fits, beyond);
            if self.of(middle) <= bytes {
                fits = middle;
            } else {
                beyond = middle;
            }
        }
        fits
    }

    /// The cost with one more measurement. It never says less than what was measured at the sizes that it keeps.
    fn with(self, new: Measured) -> Self {
        let Self { mut low, mut high } = self;
        if new.size > high.size || new.bytes > self.of(new.size) && new.size > low.size {
            high = new;
        } else if new.size < low.size {
            low = new;
        } else if new.size == low.size {
            low.bytes = low.bytes.max(new.bytes);
        }
        high.bytes = high.bytes.max(low.bytes);
        if high.size == new.size {
            high.growing = high.growing.max(new.growing);
        }
        Self { low, high }
    }
}

fn part(bytes: u64, part: f64) -> u64 {
    (bytes as f64 * part) as u64
}

fn proportion(bytes: u64, part: usize, whole: usize) -> u64 {
    let product = u128::from(bytes) * part as u128;
    u64::try_from(product / whole.max(1) as u128).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "controller_tests.rs"]
mod tests;
