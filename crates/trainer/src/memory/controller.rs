//! How large the next micro-batch is: nothing but arithmetic.
//!
//! One file because every decision about a size changes the same state.

use serde::{Deserialize, Serialize};

use super::cost::{Cost, Forecast, RoundPeak};
use super::moves::{Move, Reason};

/// Planned peaks stay below this part of the budget; the rest is for what is not the same in every micro-batch.
pub(crate) const PLANNED_PEAK: f64 = 0.95;
/// A peak that is expected to be lower than this part of the budget lets the size grow. Between the two numbers it stays.
const GROWTH_THRESHOLD: f64 = 0.90;
/// A peak that is expected to be higher than this part of the budget makes the size shrink.
const SHRINK_THRESHOLD: f64 = 0.98;
/// A plan that is too high is lowered by whole units of this part of the budget. A unit is far more than two runs differ by.
const LOWERING_UNIT: f64 = 1.0 / 16.0;
/// Steps at a size before its peak is compared with the plan.
const STEPS_BEFORE_COMPARISON: usize = 4;
/// Memory that no plan knows of counts when it is more than this part of the budget.
const UNPLANNED_THRESHOLD: f64 = 1.0 / 32.0;
/// Steps before a size is tried again that memory did not suffice for; doubled every time that it does not again.
const FIRST_REST: usize = 16;
const LONGEST_REST: usize = 1024;
/// Rests before the very size is tried again.
const LONG_RESTS: usize = 4;
/// Steps after which it is forgotten that memory did not suffice.
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
    /// Whether the size follows the memory. If not, it is as configured but at most `most`, and halved for a while when memory
    /// runs out.
    pub dynamic: bool,
}

/// Decides on the size of micro-batches from a plan, and from the memory that earlier ones took.
///
/// With a budget and a [`Forecast`], sizes follow the plan, so that equal runs have equal sizes although no two of them
/// measure quite the same. After four steps at a size its peak is compared with the plan, and a plan that is too high is
/// lowered by whole sixteenths of the budget. With several micro-batches side by side it is not: their peak is a matter of
/// chance. A plan that is too low is given up, when the budget is all but used or memory runs out.
///
/// Without a plan sizes follow the measurements. The peak of a round of micro-batches is what was in use before it plus a
/// cost that grows with its size. What is in use is measured before each round. The cost is measured at the sizes that were
/// run, and of it the part that grows: more than
/// twice what the forward pass keeps it is not, since the rest of the backward pass are gradients of parameters. Up to the
/// largest size that was run the cost is taken to be linear; beyond it this part is taken to grow in proportion, which is
/// too much, so a larger size is approached from below.
///
/// A size that is not dynamic is as configured, or the largest that fits by plan where that is smaller ([`Limits::most`]).
/// It is halved when memory runs out, and doubled after a rest.
///
/// With a budget and no plan the first micro-batch has a single sample, because nothing is known yet. Without a budget it
/// begins as configured.
///
/// What made memory run out, or a round take more than others, may pass. So a size that shrank grows back after a rest, and
/// the rest is doubled each time that it has to shrink again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Controller {
    size: usize,
    /// Only one micro-batch at a time for a while, since several did not fit even with one sample each.
    alone: bool,
    configured: usize,
    dynamic: bool,
    /// The most bytes in use before a round of the step before this one, and of this one.
    base: [u64; 2],
    /// Bytes that a plan which was given up expected in use before the rounds of this step, and of the next.
    #[serde(default)]
    expected: [u64; 2],
    /// The plan, as long as it is followed.
    #[serde(default)]
    forecast: Option<Forecast>,
    /// Bytes by which the plan of a full round was found to be too high.
    #[serde(default)]
    lowered: u64,
    /// What was seen since the size last changed.
    #[serde(default)]
    seen: Seen,
    cost: Option<Cost>,
    /// The most that the largest size of this step took. The first time may take more than later ones.
    latest: Option<RoundPeak>,
    /// The smallest size that ran out and has not fitted since.
    ceiling: Option<usize>,
    /// Steps since the size last shrank or went back up.
    calm: usize,
    /// Steps that a size which shrank stays as it is.
    rest: usize,
}

/// Full rounds at one size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    /// The most bytes in use before one.
    live: u64,
    /// The most bytes that one took beyond these; none before the first.
    taken: u64,
    /// Steps that ended.
    steps: usize,
}

impl Seen {
    /// Bytes of the highest peak, at most.
    fn peak(self) -> u64 {
        self.live.saturating_add(self.taken)
    }
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

impl Controller {
    /// A controller that has seen nothing yet.
    pub fn new(limits: Limits, forecast: Option<Forecast>) -> Self {
        let configured = limits.configured.clamp(1, limits.most.max(1));
        let careful = limits.dynamic && limits.budget.is_some();
        Self {
            size: if careful { 1 } else { configured },
            alone: false,
            configured,
            dynamic: limits.dynamic,
            base: [0; 2],
            expected: [0; 2],
            forecast: forecast.filter(|_| careful),
            lowered: 0,
            seen: Seen::default(),
            cost: None,
            latest: None,
            ceiling: None,
            calm: FORGET,
            rest: FIRST_REST,
        }
    }

    /// Whether the limits of a resumed run ask for the same as those that it began with.
    pub fn suits(&self, limits: Limits) -> bool {
        let new = Self::new(limits, None);
        self.configured == new.configured && self.dynamic == new.dynamic
    }

    /// Samples that the run began to ask for.
    pub(crate) fn configured(&self) -> usize {
        self.configured
    }

    /// Samples of the next micro-batch.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Micro-batches to compute side by side, out of those that are asked for.
    pub fn parallel(&self, asked: usize) -> usize {
        if self.alone { 1 } else { asked }
    }

    /// Decides on the next round of `parallel` micro-batches of full size, before which `live` bytes are in use.
    pub fn plan(&mut self, limits: Limits, live: u64, parallel: usize) -> Option<Move> {
        self.base[1] = self.base[1].max(live);
        if let Some(moved) = self.recovered(limits) {
            return Some(moved);
        }
        let budget = limits.budget.filter(|_| limits.dynamic)?;
        self.compare(live, budget, parallel);
        let (base, cost) = match self.forecast {
            Some(plan) => (plan.base.saturating_sub(self.lowered), plan.cost()),
            None => (
                self.base[0].max(self.base[1]).max(self.expected[0]),
                self.cost?,
            ),
        };
        let expected = base.saturating_add(cost.of(self.size));
        let fitting = cost.fitting(target(budget).saturating_sub(base));
        let (to, reason) = if expected > part(budget, SHRINK_THRESHOLD) {
            let to = fitting.min(self.size);
            if to < self.size {
                self.shrank();
            }
            (to, Reason::Tight { expected, budget })
        } else if expected < part(budget, GROWTH_THRESHOLD) {
            let to = fitting.min(self.top(limits)).max(self.size);
            let reason = if self.cost.is_none() {
                let planned = base.saturating_add(cost.of(to));
                Reason::Planned { planned, budget }
            } else {
                Reason::Room { expected, budget }
            };
            (to, reason)
        } else {
            return None;
        };
        self.resize(to, reason)
    }

    /// The size for the rest of an effective batch, which is less than a full round but may find more in use.
    pub fn rest(&self, limits: Limits, live: u64) -> usize {
        let Some(budget) = limits.budget.filter(|_| limits.dynamic) else {
            return self.size;
        };
        let (base, cost) = match (self.forecast, self.cost) {
            (Some(plan), _) => (plan.base, plan.cost()),
            (None, Some(cost)) => (live, cost),
            (None, None) => return self.size,
        };
        let room = target(budget).saturating_sub(base);
        cost.fitting(room).min(self.size)
    }

    /// Takes note of a round of micro-batches of `size` that took `bytes` more than were in use before it, `forward` of
    /// them before any backward pass.
    pub fn measured(&mut self, size: usize, bytes: u64, forward: u64) {
        let new = RoundPeak {
            size,
            bytes,
            growing: bytes.min(forward.saturating_mul(2)),
        };
        self.latest = Some(match self.latest {
            Some(latest) if latest.size > size => latest,
            Some(latest) if latest.size == size => latest.or_more(new),
            _ => new,
        });
        if self.ceiling.is_some_and(|ceiling| size >= ceiling) {
            self.ceiling = None;
        }
        self.seen.taken = self.seen.taken.max(bytes);
        self.cost = Some(match self.cost {
            None => Cost {
                low: self.forecast.map_or(new, |forecast| forecast.below(new)),
                high: new,
            },
            Some(cost) => cost.with(new),
        });
    }

    /// The peak to expect at a size, from what was measured, and beyond it as it grows by plan where there is one. None before
    /// anything was measured.
    pub fn expected(&self, size: usize, plan: Option<&Forecast>) -> Option<u64> {
        let base = self.base[0].max(self.base[1]);
        let cost = self.cost?;
        let at_most = cost.of(size);
        let bytes = plan.map_or(at_most, |plan| plan.beyond(cost.high, size).min(at_most));
        Some(base.saturating_add(bytes))
    }

    /// The smallest size that ran out lately.
    pub fn ran_out_at(&self) -> Option<usize> {
        self.ceiling
    }

    /// Makes the size half of that which ran out in a round of this many micro-batches, or has them computed one by one
    /// where there is nothing to halve. None when nothing is left to do.
    pub fn ran_out(&mut self, size: usize, side_by_side: usize) -> Option<Move> {
        self.give_up_plan();
        if size <= 1 {
            if side_by_side <= 1 || self.alone {
                return None;
            }
            self.shrank();
            self.alone = true;
            self.size = 1;
            return Some(Move {
                from: 1,
                to: 1,
                reason: Reason::RanOut,
            });
        }
        self.shrank();
        self.ceiling = Some(size);
        self.resize(size / 2, Reason::RanOut)
    }

    /// Takes note of the end of a step.
    pub fn step_ended(&mut self) {
        self.base = [self.base[1], 0];
        self.expected = [self.expected[1], 0];
        self.seen.steps += usize::from(self.seen.taken > 0);
        let rested = self.calm >= self.rest;
        if let (Some(cost), Some(latest)) = (&mut self.cost, self.latest.take()) {
            cost.renew(latest, rested);
        }
        self.calm = self.calm.saturating_add(1);
        if self.calm >= FORGET {
            self.ceiling = None;
        }
    }

    /// Compares the plan with what is in use before any round, or with what rounds took.
    fn compare(&mut self, live: u64, budget: u64, parallel: usize) {
        let Some(plan) = &mut self.forecast else {
            return;
        };
        self.seen.live = self.seen.live.max(live);
        if self.cost.is_none() {
            let base = live.saturating_add(plan.to_come);
            if base > plan.base.saturating_add(part(budget, UNPLANNED_THRESHOLD)) {
                plan.base = base;
            }
        } else if self.seen.taken > 0 && self.seen.peak() > part(budget, SHRINK_THRESHOLD) {
            self.give_up_plan();
        } else if parallel == 1 && self.seen.steps == STEPS_BEFORE_COMPARISON {
            let base = plan.base.saturating_sub(self.lowered);
            let planned = base.saturating_add(plan.cost().of(self.size));
            let unit = part(budget, LOWERING_UNIT).max(1);
            let units = planned.saturating_sub(self.seen.peak()) / unit;
            self.lowered += units * unit;
        }
    }

    /// From now on sizes follow what is measured.
    fn give_up_plan(&mut self) {
        if let Some(plan) = self.forecast.take() {
            self.expected = [plan.base; 2];
        }
    }

    /// Takes note that memory did not suffice.
    fn shrank(&mut self) {
        self.rest = match self.calm {
            // Still the same shortage.
            0 => self.rest,
            FORGET.. => FIRST_REST,
            _ => (2 * self.rest).min(LONGEST_REST),
        };
        self.calm = 0;
    }

    /// Takes back a part of what was done when memory ran out, after a rest. A size that follows a budget grows by itself.
    fn recovered(&mut self, limits: Limits) -> Option<Move> {
        let steps = self.calm;
        let asked = self.configured.min(limits.most.max(1));
        let follows = limits.dynamic && limits.budget.is_some();
        let smaller = !follows && self.size < asked;
        if steps < self.rest || !self.alone && !smaller {
            return None;
        }
        let from = self.size;
        if !std::mem::take(&mut self.alone) {
            self.size = asked.min(2 * from);
        }
        // A shortage that follows at once is another one.
        self.calm = 1;
        Some(Move {
            from,
            to: self.size,
            reason: Reason::Calm { steps },
        })
    }

    /// The largest size to grow to: after a rest half way to one that ran out, and after a long one that size itself.
    fn top(&self, limits: Limits) -> usize {
        match self.ceiling {
            Some(_) if self.calm < self.rest => self.size,
            Some(ceiling) => {
                let half_way = usize::midpoint(self.size, ceiling);
                let again = half_way == self.size && self.calm >= LONG_RESTS * self.rest;
                limits.most.min(if again { ceiling } else { half_way })
            }
            None => limits.most,
        }
    }

    fn resize(&mut self, to: usize, reason: Reason) -> Option<Move> {
        let from = std::mem::replace(&mut self.size, to);
        if from == to {
            return None;
        }
        self.seen = Seen::default();
        Some(Move { from, to, reason })
    }
}

impl Forecast {
    /// Whether a fixed size that was the largest to fit by plan in another process still is, or nearly so.
    pub(crate) fn stays(&self, size: usize, budget: u64) -> bool {
        self.peak(size) <= part(budget, SHRINK_THRESHOLD)
            && self.peak(size + 1) > part(budget, GROWTH_THRESHOLD)
    }
}

/// Bytes up to which a peak may be planned.
pub(crate) fn target(budget: u64) -> u64 {
    part(budget, PLANNED_PEAK)
}

fn part(bytes: u64, part: f64) -> u64 {
    (bytes as f64 * part) as u64
}

#[cfg(test)]
#[path = "controller_tests.rs"]
mod tests;
