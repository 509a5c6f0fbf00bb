//! What rounds of micro-batches cost, by their size.

use serde::{Deserialize, Serialize};

/// More samples than any micro-batch has.
const MOST: usize = 1 << 32;

/// What is planned of rounds before any is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forecast {
    /// Bytes that are in use before a round at the most. A checkpoint of an earlier program has none.
    #[serde(default)]
    pub base: u64,
    /// The part of `base` that is still missing before the first round: optimizer state and accumulated gradients, in bytes.
    pub to_come: u64,
    /// Bytes that a round takes beyond what is in use before it, at a small size and at the largest there is.
    pub costs: [(usize, u64); 2],
}

/// Bytes that rounds of two sizes took at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cost {
    pub(super) low: RoundPeak,
    pub(super) high: RoundPeak,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoundPeak {
    pub(super) size: usize,
    pub(super) bytes: u64,
    /// The part of `bytes` that grows with `size`, at most.
    pub(super) growing: u64,
}

impl Forecast {
    /// Bytes of the peak by plan, at a size.
    pub(crate) fn peak(&self, size: usize) -> u64 {
        self.base.saturating_add(self.cost().of(size))
    }

    /// The largest size whose planned peak is at most this many bytes, at least 1.
    pub(crate) fn fitting(&self, bytes: u64) -> usize {
        self.cost().fitting(bytes.saturating_sub(self.base))
    }

    pub(super) fn cost(&self) -> Cost {
        let [(size, bytes), (largest, most)] = self.costs;
        let grown = most.saturating_sub(bytes);
        let growing = if largest > size {
            proportion(grown, largest, largest - size)
        } else {
            most
        };
        let measured = |size, bytes| RoundPeak {
            size,
            bytes,
            growing,
        };
        Cost {
            low: measured(size, bytes),
            high: measured(largest, bytes + grown),
        }
    }

    /// What a size takes when `measured` was the largest so far: beyond it what the plan adds, more in proportion where it was
    /// more than planned. Up to it the plan has nothing to say, and any size may take as much.
    pub(super) fn beyond(&self, measured: RoundPeak, size: usize) -> u64 {
        let planned = self.cost();
        let then = planned.of(measured.size);
        let added = planned.of(size.max(measured.size)).saturating_sub(then);
        let more = (measured.bytes as f64 / then.max(1) as f64).max(1.0);
        measured.bytes.saturating_add((added as f64 * more) as u64)
    }

    /// What a smaller size takes by plan, when `new` was measured: more in proportion, where it was more than planned.
    pub(super) fn below(&self, new: RoundPeak) -> RoundPeak {
        let planned = self.cost();
        let low = planned.low;
        if new.size <= low.size {
            return new;
        }
        let more = new.bytes as f64 / planned.of(new.size).max(1) as f64;
        let bytes = (low.bytes as f64 * more.max(1.0)) as u64;
        RoundPeak {
            bytes: bytes.min(new.bytes),
            ..low
        }
    }
}

impl RoundPeak {
    /// The larger of two measurements at one size.
    pub(super) fn or_more(self, other: Self) -> Self {
        Self {
            size: self.size,
            bytes: self.bytes.max(other.bytes),
            growing: self.growing.max(other.growing),
        }
    }
}

impl Cost {
    pub(super) fn of(&self, size: usize) -> u64 {
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
    pub(super) fn fitting(&self, bytes: u64) -> usize {
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
    pub(super) fn with(self, new: RoundPeak) -> Self {
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

    /// The cost after a step whose largest size took `latest` at the most: what it took before does not count any more, the
    /// first time may have taken more. With `rested`, neither does what a larger size took, as far as it was more than the
    /// part that grows explains: that may have passed, too.
    pub(super) fn renew(&mut self, latest: RoundPeak, rested: bool) {
        let Self { low, high } = self;
        if latest.size == high.size {
            *high = latest;
        } else if latest.size < high.size {
            if latest.size == low.size {
                low.bytes = latest.bytes;
            }
            if rested {
                let grown = proportion(latest.growing, high.size - latest.size, latest.size);
                high.bytes = high.bytes.min(latest.bytes.saturating_add(grown));
            }
        }
        low.bytes = low.bytes.min(latest.bytes);
        high.bytes = high.bytes.max(low.bytes);
    }
}

fn proportion(bytes: u64, part: usize, whole: usize) -> u64 {
    let product = u128::from(bytes) * part as u128;
    u64::try_from(product / whole.max(1) as u128).unwrap_or(u64::MAX)
}
