//! One configuration planned and measured, for `cargo xtask bench memory-plan`. Arguments: a preset and assignments on top
//! of it. The result is a line of JSON.
#![expect(clippy::print_stdout, reason = "its result is its output")]

use integration_tests::{compare, configuration};

fn main() {
    // Cargo itself adds `--bench`.
    let mut arguments = std::env::args().skip(1).filter(|one| one != "--bench");
    let Some(preset) = arguments.next() else {
        return;
    };
    let sets: Vec<_> = arguments.collect();
    let comparison = compare(&configuration(&preset, &sets));
    let report = serde_json::json!({
        "planned": comparison.planned.peak_bytes,
        "phase": comparison.planned.worst_phase,
        "measured": comparison.measured(),
        "forward": comparison.forward,
        "backward": comparison.backward,
        "update": comparison.update,
        "evaluation": comparison.evaluation,
    });
    println!("{report}");
}
