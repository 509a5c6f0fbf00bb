//! Sizes of micro-batches on a simulated machine.
//!
//! One file because all tests let one simulated machine run, and differ in its memory.

use proptest::prelude::*;

use super::*;

const MIB: u64 = 1 << 20;

/// A device on which a round of `size` samples takes `fixed + size x slope` bytes on top of what is there.
#[derive(Debug, Clone, Copy)]
struct Machine {
    weights: u64,
    fixed: u64,
    slope: u64,
    /// What the first round of a step leaves in use for the rest of it, as gradients are.
    left: u64,
}

struct Run {
    controller: Controller,
    limits: Limits,
    machine: Machine,
    effective_batch: usize,
    moves: Vec<Move>,
    /// Largest peak of the steps so far, and of the last one.
    peak: u64,
    last_peak: u64,
}

impl Run {
    fn new(machine: Machine, limits: Limits) -> Self {
        Self::planned(machine, limits, None)
    }

    fn planned(machine: Machine, limits: Limits, forecast: Option<Forecast>) -> Self {
        Self {
            controller: Controller::new(limits, forecast),
            limits,
            machine,
            effective_batch: limits.most,
            moves: Vec::new(),
            peak: 0,
            last_peak: 0,
        }
    }

    /// One step; `noise(round)` is a part of the slope by which a round takes less.
    fn step(&mut self, noise: impl Fn(usize) -> f64) {
        let (mut done, mut round) = (0, 0);
        self.last_peak = 0;
        while done < self.effective_batch {
            let live = self.machine.weights + if done > 0 { self.machine.left } else { 0 };
            let remaining = self.effective_batch - done;
            let size = if remaining < self.controller.size() {
                self.controller.rest(self.limits, live).min(remaining)
            } else {
                self.moves
                    .extend(self.controller.plan(self.limits, live, 1));
                self.controller.size().min(remaining)
            };
            let forward = (size as f64 * self.machine.slope as f64 * (1.0 - noise(round))) as u64;
            let bytes = self.machine.fixed + forward;
            self.last_peak = self.last_peak.max(live + bytes);
            if size == self.controller.size() {
                self.controller.measured(size, bytes, forward);
            }
            done += size;
            round += 1;
        }
        self.peak = self.peak.max(self.last_peak);
        self.controller.step_ended();
    }
}

impl Machine {
    /// A plan that overestimates the machine's rounds by this factor.
    fn forecast(self, most: usize, error: f64) -> Forecast {
        let cost = |size: usize| {
            let bytes = self.fixed + size as u64 * self.slope;
            (size, (bytes as f64 * error) as u64)
        };
        Forecast {
            base: self.weights + self.left,
            to_come: self.left,
            costs: [cost(1), cost(most)],
        }
    }
}

const MACHINE: Machine = Machine {
    weights: 100 * MIB,
    fixed: 30 * MIB,
    slope: 4 * MIB,
    left: 20 * MIB,
};

/// One whose gradients take nothing, so that all rounds are alike.
const EVEN: Machine = Machine { left: 0, ..MACHINE };

fn limits(budget: Option<u64>, dynamic: bool) -> Limits {
    Limits {
        configured: 8,
        most: 64,
        budget,
        dynamic,
    }
}

#[track_caller]
fn check_settles(budget_mib: u64, expected: std::ops::RangeInclusive<usize>) {
    let mut run = Run::new(MACHINE, limits(Some(budget_mib * MIB), true));
    run.step(|_| 0.0);
    let first = run.moves.len();
    for _ in 0..20 {
        run.step(|_| 0.0);
    }
    assert!(
        expected.contains(&run.controller.size()),
        "{}",
        run.controller.size()
    );
    assert!(run.peak <= budget_mib * MIB, "{}", run.peak);
    assert!(run.moves.len() - first <= 3, "it settles: {:?}", run.moves);
    // 150 MiB are there without any sample.
    assert_eq!(
        run.controller.size(),
        run.moves.last().map_or(1, |last| last.to)
    );
}

#[test]
fn beyond_what_was_measured_the_plan_says_what_to_expect() {
    let mut run = Run::new(MACHINE, limits(None, false));
    run.step(|_| 0.0);
    let expected = |size, plan: Option<Forecast>| {
        let bytes = run.controller.expected(size, plan.as_ref());
        bytes.expect("it was measured") / MIB
    };
    let takes = |size: u64| 150 + 4 * size;
    assert_eq!(expected(8, None), takes(8));
    let all_grows = 182 + 7 * 62;
    assert_eq!(expected(64, None), all_grows, "too much");
    for error in [0.5, 1.0] {
        let plan = Some(MACHINE.forecast(64, error));
        assert_eq!(expected(64, plan), takes(64));
        assert_eq!(expected(32, plan), takes(32));
        assert_eq!(expected(8, plan), takes(8));
    }
    let too_much = expected(64, Some(MACHINE.forecast(64, 10.0)));
    assert_eq!(too_much, all_grows, "never more than without a plan");
}

#[test]
fn the_size_follows_the_budget() {
    check_settles(155, 1..=1);
    check_settles(200, 7..=10);
    check_settles(300, 29..=36);
    check_settles(1000, 64..=64);
}

#[test]
fn a_planned_size_is_the_first() {
    let limits = limits(Some(250 * MIB), true);
    let mut run = Run::planned(MACHINE, limits, Some(MACHINE.forecast(64, 1.0)));
    for _ in 0..20 {
        run.step(|_| 0.0);
    }
    // 95 % of the budget less 150 MiB, 4 MiB each.
    let [first] = &run.moves[..] else {
        panic!("it begins with what fits and stays there: {:?}", run.moves);
    };
    assert_eq!((first.from, first.to), (1, 21));
    assert_eq!(
        first.reason,
        Reason::Planned {
            planned: 234 * MIB,
            budget: 250 * MIB
        }
    );
    assert_eq!(run.peak, 234 * MIB);
}

#[test]
fn a_plan_that_was_wrong_is_given_up() {
    let limits = limits(Some(300 * MIB), true);
    let mut controller = Controller::new(limits, Some(MACHINE.forecast(64, 1.0)));
    controller.plan(limits, 100 * MIB, 1);
    assert_eq!(controller.size(), 33);
    assert_eq!(controller.ran_out(33, 1).map(|moved| moved.to), Some(16));
    assert_eq!(controller.plan(limits, 100 * MIB, 1), None);

    // Half of what is measured was planned, and then it follows what is measured.
    let mut run = Run::planned(MACHINE, limits, Some(MACHINE.forecast(64, 2.0)));
    for _ in 0..20 {
        run.step(|_| 0.0);
    }
    assert_eq!(run.moves.first().map(|first| first.to), Some(13));
    assert!(
        (27..=34).contains(&run.controller.size()),
        "{:?}",
        run.moves
    );
    assert!(run.peak <= 300 * MIB);
}

/// The moves of 60 steps whose rounds take up to a hundredth less than they could, when `seed` says so.
fn moves_of(error: f64, seed: usize) -> Vec<(usize, usize)> {
    let limits = limits(Some(300 * MIB), true);
    let mut run = Run::planned(EVEN, limits, Some(EVEN.forecast(64, error)));
    for step in 0..60 {
        run.step(|round| 0.01 * ((seed * (7 * step + 3 * round)) % 11) as f64 / 10.0);
    }
    assert!(run.peak <= 300 * MIB, "{}", run.peak);
    run.moves.iter().map(|one| (one.from, one.to)).collect()
}

#[test]
fn equal_runs_have_equal_sizes_although_they_measure_differently() {
    for (error, count) in [(0.98, 1), (1.0, 1), (1.05, 1), (1.15, 2), (1.4, 3)] {
        let first = moves_of(error, 0);
        assert_eq!(first.len(), count, "{error}: {first:?}");
        for seed in 1..20 {
            assert_eq!(moves_of(error, seed), first, "{error}");
        }
    }
}

#[test]
fn side_by_side_a_low_peak_is_chance_and_changes_nothing() {
    let sizes = [1, 2].map(|parallel| {
        let limits = limits(Some(300 * MIB), true);
        let mut controller = Controller::new(limits, Some(MACHINE.forecast(64, 1.5)));
        for _ in 0..20 {
            controller.plan(limits, MACHINE.weights, parallel);
            let bytes = 30 * MIB + controller.size() as u64 * 4 * MIB;
            controller.measured(controller.size(), bytes, bytes);
            controller.step_ended();
        }
        controller.size()
    });
    assert!(sizes[1] < sizes[0], "{sizes:?}");
    assert_eq!(sizes[1], 20, "as planned");
}

#[test]
fn memory_that_no_plan_knows_of_makes_the_first_size_smaller() {
    let first_size = |more: u64| {
        let limits = limits(Some(300 * MIB), true);
        let mut controller = Controller::new(limits, Some(MACHINE.forecast(64, 1.0)));
        controller.plan(limits, MACHINE.weights + more, 1);
        controller.size()
    };
    assert_eq!(first_size(0), 33);
    assert_eq!(first_size(5 * MIB), 33, "too little to count");
    assert_eq!(first_size(40 * MIB), 23);
}

#[test]
fn a_plan_that_is_too_low_is_given_up_before_the_budget_is_used() {
    let limits = limits(Some(300 * MIB), true);
    let mut run = Run::planned(EVEN, limits, Some(EVEN.forecast(64, 0.93)));
    for _ in 0..20 {
        run.step(|_| 0.0);
    }
    assert!(run.peak <= 300 * MIB, "{}", run.peak);
    assert!(
        run.last_peak as f64 <= 0.98 * 300e6 * 1.048_576,
        "{}",
        run.last_peak
    );
    let reasons: Vec<_> = run.moves.iter().map(|one| &one.reason).collect();
    assert!(
        matches!(
            reasons[..],
            [Reason::Planned { .. }, Reason::Tight { .. }, ..]
        ),
        "{reasons:?}"
    );
}

#[test]
fn what_is_planned_of_smaller_sizes_counts_until_they_are_measured() {
    let limits = limits(Some(300 * MIB), true);
    let mut run = Run::planned(MACHINE, limits, Some(MACHINE.forecast(64, 1.0)));
    run.step(|_| 0.0);
    assert_eq!(run.controller.size(), 33);
    run.machine.weights += 40 * MIB;
    run.step(|_| 0.0);
    assert!(
        (20..=25).contains(&run.controller.size()),
        "{:?}",
        run.moves
    );
    assert!(run.peak <= 300 * MIB, "{}", run.peak);
}

#[test]
fn a_plan_is_for_sizes_that_follow_a_budget() {
    for limits in [limits(None, true), limits(Some(1000 * MIB), false)] {
        let mut controller = Controller::new(limits, Some(MACHINE.forecast(64, 1.0)));
        assert_eq!(controller.plan(limits, MIB, 1), None);
        assert_eq!(controller.size(), 8);
    }
}

#[test]
fn without_budget_or_when_it_is_fixed_the_size_is_as_configured() {
    for limits in [limits(None, true), limits(Some(1000 * MIB), false)] {
        let mut run = Run::new(MACHINE, limits);
        run.step(|_| 0.0);
        assert_eq!(run.controller.size(), 8);
        assert_eq!(run.moves, []);
    }
    let few = Limits {
        most: 3,
        ..limits(None, false)
    };
    assert_eq!(
        Controller::new(few, None).size(),
        3,
        "an effective batch is the most"
    );
}

#[test]
fn more_weights_make_it_shrink_before_it_runs_out() {
    let budget = 300 * MIB;
    let mut run = Run::new(MACHINE, limits(Some(budget), true));
    run.step(|_| 0.0);
    let before = run.controller.size();
    run.machine.weights += 40 * MIB;
    run.step(|_| 0.0);
    assert!(run.controller.size() < before);
    assert!(run.peak <= budget, "{}", run.peak);
    assert!(matches!(
        run.moves.last().map(|last| &last.reason),
        Some(Reason::Tight { .. })
    ));
}

#[test]
fn what_ran_out_is_halved_down_to_one_by_one() {
    let mut controller = Controller::new(limits(None, false), None);
    let sizes: Vec<_> = std::iter::from_fn(|| {
        let moved = controller.ran_out(controller.size(), 2)?;
        assert_eq!(moved.reason, Reason::RanOut);
        Some((moved.to, controller.parallel(2)))
    })
    .collect();
    assert_eq!(sizes, [(4, 2), (2, 2), (1, 2), (1, 1)]);

    // A smaller rest of an effective batch ran out.
    let mut controller = Controller::new(limits(None, false), None);
    controller.ran_out(3, 1);
    assert_eq!(controller.size(), 1);
    for _ in 0..10_000 {
        controller.step_ended();
    }
    assert_eq!(controller.size(), 1, "before the next round");
}

/// Steps without any shortage until sizes are as asked for again, after memory ran out this many times.
fn steps_to_recover(limits: Limits, failures: usize) -> usize {
    let mut controller = Controller::new(limits, None);
    for _ in 0..failures {
        controller.ran_out(controller.size(), 2);
    }
    let whole = |controller: &Controller| controller.size() == 8 && controller.parallel(2) == 2;
    for steps in 0..10_000 {
        if whole(&controller) {
            return steps;
        }
        controller.plan(limits, MIB, 1);
        controller.measured(controller.size(), MIB, MIB);
        controller.step_ended();
    }
    panic!("{controller:?}");
}

#[test]
fn a_size_that_ran_out_goes_back_up_after_a_rest() {
    for limits in [limits(None, true), limits(Some(1000 * MIB), false)] {
        let waited = [1, 2, 3, 4].map(|failures| steps_to_recover(limits, failures));
        assert!(waited.is_sorted(), "{waited:?}");
        assert!(
            waited[0] >= FIRST_REST && waited[0] < 2 * FIRST_REST,
            "{waited:?}"
        );
        assert!(waited[3] < 1000, "{waited:?}");
    }
    let mut controller = Controller::new(limits(None, false), None);
    controller.ran_out(8, 1);
    for _ in 0..FIRST_REST {
        controller.step_ended();
    }
    let moved = controller
        .plan(limits(None, false), MIB, 1)
        .expect("it rested");
    assert_eq!((moved.from, moved.to), (4, 8));
    assert_eq!(moved.reason, Reason::Calm { steps: FIRST_REST });
}

#[test]
fn a_size_that_never_fits_is_tried_ever_more_rarely() {
    let limits = limits(None, false);
    let mut controller = Controller::new(limits, None);
    let mut failures = 0;
    for _ in 0..1500 {
        controller.plan(limits, MIB, 1);
        if controller.size() > 4 {
            failures += 1;
            controller.ran_out(controller.size(), 1);
        }
        controller.step_ended();
    }
    assert!((2..=8).contains(&failures), "{failures} failures");
}

/// The size before something takes memory for one step, right after it, and when a few dozen steps have gone by.
fn sizes_around(transient: impl Fn(&mut Run)) -> [usize; 3] {
    let mut run = Run::new(MACHINE, limits(Some(300 * MIB), true));
    for _ in 0..20 {
        run.step(|_| 0.0);
    }
    let before = run.controller.size();
    transient(&mut run);
    run.machine = MACHINE;
    run.step(|_| 0.0);
    let after = run.controller.size();
    for _ in 0..80 {
        run.step(|_| 0.0);
    }
    assert!(run.last_peak <= 300 * MIB, "{}", run.last_peak);
    [before, after, run.controller.size()]
}

#[test]
fn a_size_that_a_transient_shrank_grows_back() {
    let taken = |bytes: u64| {
        move |run: &mut Run| {
            run.machine.fixed += bytes;
            run.step(|_| 0.0);
        }
    };
    for bytes in [20 * MIB, 60 * MIB, 120 * MIB] {
        let [before, after, later] = sizes_around(taken(bytes));
        assert!(after < before, "{before}, then {after}");
        assert!(later + 2 >= before, "{before}, {after}, then {later}");
    }
    for failures in 1..6 {
        let [before, after, later] = sizes_around(|run| {
            for _ in 0..failures {
                run.controller.ran_out(run.controller.size(), 1);
            }
        });
        assert!(after < before, "{before}, then {after}");
        assert!(after < later, "{before}, {after}, then {later}");
    }
}

#[test]
fn what_ran_out_is_not_tried_again_soon() {
    // Nothing says so, but more than 20 samples do not fit.
    let mut run = Run::new(MACHINE, limits(Some(1000 * MIB), true));
    let mut failures = 0;
    for _ in 0..600 {
        let live = run.machine.weights;
        run.controller.plan(run.limits, live, 1);
        if run.controller.size() > 20 {
            failures += 1;
            run.controller.ran_out(run.controller.size(), 1);
        }
        run.controller
            .measured(run.controller.size(), 10 * MIB, 5 * MIB);
        run.controller.step_ended();
    }
    assert!(run.controller.size() > 10, "{}", run.controller.size());
    assert!(failures <= 6, "{failures} failures");
}

#[test]
fn a_resumed_run_keeps_its_size_unless_another_is_asked_for() {
    let limits = limits(None, false);
    let mut controller = Controller::new(limits, None);
    controller.ran_out(8, 1);
    assert!(controller.suits(limits));
    let json = serde_json::to_string(&controller).expect("plain data");
    assert_eq!(
        serde_json::from_str::<Controller>(&json).expect("it reads back"),
        controller
    );
    let asked = Limits {
        configured: 16,
        ..limits
    };
    assert!(!controller.suits(asked));
    let budgeted = Limits {
        budget: Some(MIB),
        ..limits
    };
    assert!(controller.suits(budgeted));
}

proptest! {
    /// Whatever the machine, as long as one sample fits: never above the budget, near to it where the effective batch
    /// allows, and settled.
    #[test]
    fn never_above_the_budget_and_near_to_it(
        weights in 1..400_u64,
        fixed in 0..200_u64,
        slope in 1..20_u64,
        left in 0..100_u64,
        room in 0..600_u64,
        noise in 0.0..0.04_f64,
        error in proptest::option::of(0.97..1.08_f64),
    ) {
        let machine = Machine { weights: weights * MIB, fixed: fixed * MIB, slope: slope * MIB, left: left * MIB };
        let least = machine.weights + machine.left + machine.fixed + machine.slope;
        let budget = least + room * MIB;
        let limits = limits(Some(budget), true);
        let forecast = error.map(|error| machine.forecast(limits.most, error));
        let mut run = Run::planned(machine, limits, forecast);
        for step in 0..20 {
            run.step(|round| noise * ((step + round) % 3) as f64 / 2.0);
        }
        prop_assert!(run.peak <= budget, "{} of {budget}", run.peak);
        let moves = run.moves.len();
        for step in 0..50 {
            run.step(|round| noise * ((step + round) % 3) as f64 / 2.0);
        }
        prop_assert!(run.peak <= budget, "{} of {budget}", run.peak);
        prop_assert!(run.moves.len() <= moves + 2, "it settles: {:?}", run.moves);
        let used = run.last_peak as f64 / budget as f64;
        let one_more = machine.slope as f64 / budget as f64;
        // All of the effective batch at once.
        let single = run.controller.size() >= limits.most;
        // A plan is lowered by whole sixteenths of the budget.
        let least = if error.is_some() { 0.85 } else { 0.88 };
        prop_assert!(single || used + 2.0 * one_more >= least, "{used} used at {}", run.controller.size());
    }

    #[test]
    fn sizes_stay_within_their_limits(
        configured in 1..100_usize,
        most in 1..100_usize,
        budget in proptest::option::of(0..u64::MAX),
        dynamic: bool,
        events in proptest::collection::vec((0..4_u8, 0..u64::MAX), 0..60),
    ) {
        let limits = Limits { configured, most, budget, dynamic };
        let mut controller = Controller::new(limits, None);
        for (kind, bytes) in events {
            let size = controller.size();
            match kind {
                0 => drop(controller.plan(limits, bytes / 2, 1)),
                1 => controller.measured(size, bytes / 2, bytes / 7),
                2 => drop(controller.ran_out(size, 1)),
                _ => controller.step_ended(),
            }
            prop_assert!((1..=most).contains(&controller.size()));
        }
    }
}
