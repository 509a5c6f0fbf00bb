//! Steps one after the other, and how long each took.
#![expect(
    clippy::disallowed_methods,
    reason = "whoever waits for a check wants to know what for"
)]

use std::time::{Duration, Instant};

use crate::steps::Outcome;

/// A step and its name.
pub type Step<'a> = (&'static str, &'a dyn Fn() -> Outcome);

/// Takes steps up to the first that fails, and prints at the end how long each took.
///
/// # Errors
///
/// When a step fails.
pub fn in_turn(steps: &[Step]) -> Outcome {
    let mut times = Vec::new();
    let outcome = steps.iter().try_for_each(|(name, step)| {
        let start = Instant::now();
        let outcome = step();
        times.push((*name, start.elapsed()));
        outcome
    });
    eprint!("{}", table(&times));
    outcome
}

/// A line for each step and one for their sum, in seconds.
fn table(times: &[(&str, Duration)]) -> String {
    let sum = times.iter().map(|(_, time)| *time).sum();
    let lines = times.iter().copied().chain([("all", sum)]);
    let lines: Vec<_> = lines
        .map(|(name, time)| format!("{:>7.1} s  {name}\n", time.as_secs_f64()))
        .collect();
    lines.concat()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::steps::Failure;

    #[test]
    fn steps_end_with_the_first_that_fails() {
        let taken = RefCell::new(Vec::new());
        let step = |name, outcome: fn() -> Outcome| {
            let taken = &taken;
            move || {
                taken.borrow_mut().push(name);
                outcome()
            }
        };
        let fails: fn() -> Outcome = || Err(Failure::because("no"));
        let (one, two, three) = (step(1, || Ok(())), step(2, fails), step(3, || Ok(())));
        let outcome = in_turn(&[("one", &one), ("two", &two), ("three", &three)]);
        assert!(outcome.is_err_and(|failure| failure.step.as_deref() == Some("no")));
        assert_eq!(*taken.borrow(), [1, 2]);
    }

    #[test]
    fn times_are_listed_with_their_sum() {
        let times = [
            ("lints", Duration::from_millis(61_250)),
            ("tests", Duration::from_millis(900)),
        ];
        let expected = "   61.2 s  lints\n    0.9 s  tests\n   62.1 s  all\n";
        assert_eq!(table(&times), expected);
    }
}
