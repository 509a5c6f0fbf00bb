//! Advice from measurements that are made up.

use std::collections::BTreeMap;

use config_schema::{Config, Layers, presets, resolve};
use serde_json::{Value, json};

use super::{Advice, MeasuredRun, Sizes, advise};

const GIB: u64 = 1 << 30;

fn settings(sets: &[&str]) -> Config {
    let layers = Layers {
        sets: sets.iter().map(ToString::to_string).collect(),
        ..Layers::preset("24gb")
    };
    let resolved = resolve(&layers, &presets::lookup).expect("a configuration");
    resolved.config
}

/// Four GiB and one for each sample.
fn sizes(micro_batch: usize, ran_out_at: Option<usize>) -> Sizes {
    let expected = [1, 2, 4, 8, 16, 32].map(|size| (size, (4 + size as u64) * GIB));
    Sizes {
        micro_batch,
        ran_out_at,
        expected_peak_bytes: expected.into(),
    }
}

/// A run in micro-batches of 8 whose steps hardly waited.
fn measured(budget_gib: u64) -> MeasuredRun {
    MeasuredRun {
        budget_bytes: Some(budget_gib * GIB),
        phase_peak_bytes: BTreeMap::from(
            [("forward", 10), ("backward", 12)].map(|(phase, gib)| (phase.to_owned(), gib * GIB)),
        ),
        ran_out: 0,
        training: sizes(8, None),
        evaluation: sizes(8, None),
        timed_steps: 100,
        waiting: Some(0.01),
    }
}

#[track_caller]
fn check(settings: &Config, measured: MeasuredRun, changes: &Value, words: &[&str]) -> Advice {
    let advice = advise(settings, measured, Some(16));
    let found = advice.changes.iter();
    let found: Value = found
        .map(|one| (one.key.clone(), one.value.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    assert_eq!(&found, changes, "{:?}", advice.findings);
    for word in words {
        let mut findings = advice.findings.iter();
        assert!(
            findings.any(|finding| finding.contains(word)),
            "{word}: {:?}",
            advice.findings
        );
    }
    for change in &advice.changes {
        assert!(!change.reason.is_empty(), "{change:?}");
    }
    advice
}

fn micro_batches(size: usize) -> Value {
    json!({ "training.batch_size": size, "training.update_freq": 32 / size })
}

/// `changes` and one more.
fn and(mut changes: Value, key: &str, value: impl Into<Value>) -> Value {
    changes[key] = value.into();
    changes
}

#[test]
fn room_is_for_larger_micro_batches() {
    let fixed = settings(&["memory_optimization.dynamic_batch_size=false"]);
    let words = ["the peak was 12.00 GiB (backward) of a budget of 22.00 GiB"];
    let advice = check(&fixed, measured(22), &micro_batches(16), &words);
    let reason = "they fit: a peak of 20.00 GiB is expected in 22.00 GiB";
    assert_eq!(advice.changes[0].reason, reason);
    assert_eq!(advice.changes[1].reason, "16 x 2 = 32");
    check(
        &fixed,
        measured(40),
        &micro_batches(32),
        &["room for micro-batches of 32 samples"],
    );
    // Nineteen parts in twenty of the budget are planned with.
    check(&fixed, measured(21), &json!({}), &["no room for more"]);
    check(&settings(&[]), measured(22), &micro_batches(16), &[]);
    let all = settings(&["training.batch_size=32", "training.update_freq=1"]);
    check(&all, measured(90), &json!({}), &["as large as they can be"]);
}

#[test]
fn the_effective_batch_is_kept_whatever_it_is() {
    let another = settings(&["training.batch_size=8", "training.update_freq=6"]);
    let expected = [1, 2, 3, 4, 6, 8, 12, 16, 24, 48].map(|size| (size, (4 + size as u64) * GIB));
    let mut measured = measured(22);
    measured.training.expected_peak_bytes = expected.into();
    let changes = json!({ "training.batch_size": 16, "training.update_freq": 3 });
    check(&another, measured, &changes, &[]);
}

#[test]
fn what_ran_out_gets_smaller_micro_batches() {
    let fixed = settings(&["memory_optimization.dynamic_batch_size=false"]);
    // Over its budget: that is no fault of the budget.
    let over = MeasuredRun {
        ran_out: 1,
        training: sizes(4, Some(8)),
        ..measured(11)
    };
    let words = ["memory ran out with larger ones than 4"];
    check(&fixed, over, &micro_batches(4), &words);
    // Below its budget: others need more of the card.
    let refused = MeasuredRun {
        ran_out: 1,
        training: sizes(4, Some(8)),
        ..measured(13)
    };
    let lowered = and(
        micro_batches(4),
        "memory_optimization.max_memory_usage",
        0.8,
    );
    check(
        &fixed,
        refused.clone(),
        &lowered,
        &["no memory left although"],
    );
    let stated = settings(&["hardware.memory_budget=13GiB"]);
    check(&stated, refused, &micro_batches(4), &[]);
    // Not even one sample beside what others have: one is all that can be said.
    let worst = MeasuredRun {
        ran_out: 3,
        training: sizes(1, Some(2)),
        ..measured(13)
    };
    let lowered = and(
        micro_batches(1),
        "memory_optimization.max_memory_usage",
        0.8,
    );
    check(&fixed, worst, &lowered, &[]);
}

#[test]
fn a_size_that_the_budget_kept_down_is_configured_so() {
    let kept_down = MeasuredRun {
        training: sizes(3, None),
        ..measured(8)
    };
    let words = ["the budget has no room for larger ones than 2"];
    check(&settings(&[]), kept_down.clone(), &micro_batches(2), &words);
    // Where the size is fixed, it was kept without running out.
    let fixed = settings(&["memory_optimization.dynamic_batch_size=false"]);
    let kept = MeasuredRun {
        training: sizes(8, None),
        ..kept_down
    };
    check(&fixed, kept, &json!({}), &["no room for more"]);
}

#[test]
fn a_dynamic_size_is_advised_nothing_that_it_ran_with() {
    let ran = |size: usize, budget_gib: u64| MeasuredRun {
        training: sizes(size, None),
        ..measured(budget_gib)
    };
    let dynamic = settings(&[]);
    let all = ["micro-batches of 32 samples are as large as they can be"];
    check(&dynamic, ran(32, 90), &json!({}), &all);
    let most = ["no room for more than micro-batches of 16 samples"];
    check(&dynamic, ran(16, 22), &json!({}), &most);
    check(&dynamic, ran(21, 27), &json!({}), &["micro-batches of 21"]);
    // It began small and had no time to grow.
    check(&dynamic, ran(1, 40), &micro_batches(32), &["room for"]);
    // A fixed size ran as configured, whatever was kept down.
    let fixed = settings(&["memory_optimization.dynamic_batch_size=false"]);
    check(&fixed, ran(8, 90), &micro_batches(32), &["room for"]);
}

#[test]
fn what_ran_out_side_by_side_runs_one_after_another() {
    let sets = [
        "memory_optimization.dynamic_batch_size=false",
        "hardware.parallel_micro_batches=2",
    ];
    let alone = MeasuredRun {
        ran_out: 1,
        training: sizes(1, None),
        ..measured(5)
    };
    let changes = and(micro_batches(1), "hardware.parallel_micro_batches", 1);
    check(&settings(&sets), alone.clone(), &changes, &[]);
    check(&settings(&sets[..1]), alone, &micro_batches(1), &[]);
}

#[test]
fn evaluation_stays_within_its_memory() {
    let fixed = settings(&["memory_optimization.dynamic_batch_size=false"]);
    let mut large = measured(22);
    large.evaluation.expected_peak_bytes.insert(16, 30 * GIB);
    let changes = and(micro_batches(16), "evaluation.batch_size", 8);
    check(&fixed, large.clone(), &changes, &[]);
    // It has a size of its own, which the advice does not touch.
    let own = settings(&[
        "memory_optimization.dynamic_batch_size=false",
        "evaluation.batch_size=8",
    ]);
    check(&own, large, &micro_batches(16), &[]);
    let ran_out = MeasuredRun {
        evaluation: sizes(4, Some(8)),
        ..measured(13)
    };
    check(&fixed, ran_out, &json!({ "evaluation.batch_size": 4 }), &[]);
}

#[test]
fn steps_that_wait_get_more_workers() {
    let waiting = |part: f64| MeasuredRun {
        waiting: Some(part),
        ..measured(13)
    };
    let workers = |workers: usize| json!({ "memory_optimization.num_workers": workers });
    let eight = settings(&[]);
    check(
        &eight,
        waiting(0.2),
        &workers(10),
        &["waited for samples 20 %"],
    );
    check(&eight, waiting(0.9), &workers(16), &[]);
    check(
        &eight,
        waiting(0.04),
        &json!({}),
        &["waited for samples 4 %"],
    );
    let all_cores = settings(&["memory_optimization.num_workers=16"]);
    check(
        &all_cores,
        waiting(0.5),
        &json!({}),
        &["no cores for more workers"],
    );
    let few = MeasuredRun {
        timed_steps: 9,
        ..waiting(0.5)
    };
    check(&eight, few, &json!({}), &["too few steps"]);
}

#[test]
fn nothing_is_advised_that_was_not_measured() {
    let unknown = MeasuredRun {
        budget_bytes: None,
        waiting: None,
        ..measured(22)
    };
    let words = ["the memory budget is unknown", "too few steps"];
    check(&settings(&[]), unknown, &json!({}), &words);
    let mut unseen = measured(22);
    unseen.training.expected_peak_bytes.clear();
    check(&settings(&[]), unseen, &json!({}), &["none was measured"]);
}
