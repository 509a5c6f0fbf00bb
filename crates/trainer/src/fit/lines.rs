//! From two sizes to all.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Measured;

/// Peak bytes of a phase: `static_bytes + micro-batch x slope_bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Line {
    /// What there is whatever the size of the micro-batch.
    pub static_bytes: f64,
    /// What each sample adds.
    pub slope_bytes: f64,
}

/// A line for every phase. The peak of a run is that of the phase that takes most, and which one that is depends on the
/// size, so one line through the peaks of two sizes would be too low beyond the larger of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Lines {
    phases: BTreeMap<String, Line>,
}

impl Lines {
    /// Lines through what two sizes took. None if they are the same size or have no phase in common.
    pub fn through(one: &Measured, other: &Measured) -> Option<Self> {
        let apart = one.micro_batch.abs_diff(other.micro_batch);
        let (less, more) = if one.micro_batch < other.micro_batch {
            (one, other)
        } else {
            (other, one)
        };
        let phases = less.phase_peak_bytes.iter();
        let phases = phases.filter_map(|(phase, &low)| {
            let high = *more.phase_peak_bytes.get(phase)?;
            let slope_bytes = high.saturating_sub(low) as f64 / apart as f64;
            let static_bytes = low as f64 - slope_bytes * less.micro_batch as f64;
            let line = Line {
                static_bytes,
                slope_bytes,
            };
            Some((phase.clone(), line))
        });
        let phases: BTreeMap<_, _> = phases.collect();
        (apart > 0 && !phases.is_empty()).then_some(Self { phases })
    }

    /// The phase that takes most with micro-batches of this size, its line, and the bytes.
    pub fn peak(&self, micro_batch: usize) -> (&str, Line, u64) {
        let bytes = |line: &Line| {
            let bytes = line.static_bytes + line.slope_bytes * micro_batch as f64;
            bytes.max(0.0).ceil() as u64
        };
        let most = self
            .phases
            .iter()
            .max_by_key(|(_, line)| bytes(line))
            .unwrap_or_else(|| unreachable!("there is a phase"));
        (most.0, *most.1, bytes(most.1))
    }

    /// The largest micro-batch of at most `most` samples whose peak is at most `budget` bytes; 0 if none is.
    pub fn largest(&self, budget: u64, most: usize) -> usize {
        let sizes = (1..=most).rev();
        let mut fitting = sizes.filter(|&size| self.peak(size).2 <= budget);
        fitting.next().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Peaks of two phases: one that does not grow, and one that does.
    fn measured(micro_batch: usize) -> Measured {
        let grows = 100 + 10 * micro_batch as u64;
        let phases = [("update", 150), ("backward", grows)];
        Measured {
            micro_batch,
            program_bytes: 0,
            batch_bytes: 0,
            reserved_bytes: 0,
            phase_peak_bytes: phases
                .map(|(phase, bytes)| (phase.to_owned(), bytes))
                .into(),
        }
    }

    #[test]
    fn each_phase_has_a_line_of_its_own() {
        for (one, other) in [(1, 8), (8, 1), (2, 3)] {
            let lines = Lines::through(&measured(one), &measured(other)).expect("two sizes");
            assert_eq!(lines.peak(3).2, 150);
            let (phase, line, bytes) = lines.peak(20);
            assert_eq!((phase, bytes), ("backward", 300));
            assert!((line.static_bytes - 100.0).abs() < 1e-6);
            assert!((line.slope_bytes - 10.0).abs() < 1e-6);
        }
    }

    #[test]
    fn the_largest_size_fits_and_the_next_does_not() {
        let lines = Lines::through(&measured(1), &measured(4)).expect("two sizes");
        assert_eq!(lines.largest(149, 100), 0);
        assert_eq!(lines.largest(150, 100), 5);
        assert_eq!(lines.largest(209, 100), 10);
        assert_eq!(lines.largest(210, 100), 11);
        assert_eq!(lines.largest(210, 8), 8);
    }

    #[test]
    fn one_size_is_no_line() {
        assert_eq!(Lines::through(&measured(4), &measured(4)), None);
    }
}
