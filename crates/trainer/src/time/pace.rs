//! Beats at fixed times.

use std::time::Duration;

use crate::time::Stopwatch;

/// Beats at whole multiples of an interval after its start, whatever happens between them: waiting and work shift no
/// beat, and work that outlasts an interval loses the beats that it missed.
///
/// Who waits decides how, so that the wait can be broken off: `stop.recv_timeout(pace.until_next_beat())`.
#[derive(Debug)]
pub struct Pace {
    clock: Stopwatch,
    interval: Duration,
    /// The one last waited for; 0 is the start.
    beat: u128,
}

impl Pace {
    /// Starts with a beat now. Intervals below a nanosecond count as one.
    pub fn start(interval: Duration) -> Self {
        Self {
            clock: Stopwatch::start(),
            interval,
            beat: 0,
        }
    }

    /// Time from now to the next beat.
    pub fn until_next_beat(&mut self) -> Duration {
        let elapsed = self.clock.elapsed();
        let (beat, due) = next_beat(self.beat, elapsed, self.interval);
        self.beat = beat;
        due.saturating_sub(elapsed)
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.clock.seconds()
    }
}

/// The beat that follows `last` once `elapsed` has passed, and its time after the start.
fn next_beat(last: u128, elapsed: Duration, interval: Duration) -> (u128, Duration) {
    let interval = interval.as_nanos().max(1);
    // `last + 1`: a wait that ends a little early must not have the same beat again.
    let beat = (elapsed.as_nanos() / interval + 1).max(last + 1);
    let due = u64::try_from(beat.saturating_mul(interval)).unwrap_or(u64::MAX);
    (beat, Duration::from_nanos(due))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(last: u128, elapsed_ms: u64, beat: u128, due_ms: u64) {
        let second = Duration::from_secs(1);
        assert_eq!(
            next_beat(last, Duration::from_millis(elapsed_ms), second),
            (beat, Duration::from_millis(due_ms))
        );
    }

    #[test]
    fn beats_do_not_drift() {
        check(0, 0, 1, 1000);
        check(0, 300, 1, 1000);
        // Late awake, slow at work: the next beat is where it always was.
        check(1, 1040, 2, 2000);
        check(1, 1999, 2, 2000);
    }

    #[test]
    fn missed_beats_are_left_out() {
        check(1, 2000, 3, 3000);
        check(1, 4200, 5, 5000);
    }

    #[test]
    fn a_wait_that_ends_early_is_no_second_beat() {
        check(2, 1999, 3, 3000);
    }

    #[test]
    fn no_interval_is_too_short_or_too_long() {
        assert_eq!(
            next_beat(0, Duration::from_nanos(5), Duration::ZERO),
            (6, Duration::from_nanos(6))
        );
        let (beat, due) = next_beat(0, Duration::ZERO, Duration::MAX);
        assert_eq!((beat, due), (1, Duration::from_nanos(u64::MAX)));
    }
}
