//! Figures as a person reads them.

use config_schema::count;
use trainer::memory::Bytes;
use trainer::plan::{PlannedStart, SegmentChoice};

/// What was chosen of `checkpoint_segment`, in words.
pub fn segments(choice: &SegmentChoice) -> String {
    format!(
        "checkpoint_segment {}: planned peak {}, budget {}",
        choice.checkpoint_segment,
        Bytes(choice.planned_bytes),
        Bytes(choice.budget_bytes)
    )
}

/// What training begins with by plan, in words.
pub fn begins(start: &PlannedStart) -> String {
    let why = match (start.one_after_another, start.dynamic) {
        (true, _) => ", one after another as with `hardware.parallel_micro_batches=1`",
        (false, true) => " (`memory_optimization.dynamic_batch_size`)",
        (false, false) => "",
    };
    format!(
        "training begins with micro-batches of {}{why}, planned peak {}",
        count(start.micro_batch, "sample"),
        Bytes(start.peak_bytes)
    )
}

/// A share as a percentage.
pub fn percent(share: f64) -> String {
    let text = format!("{:.2} %", 100.0 * share);
    // A share of nothing, or one that rounds to it, may have a sign.
    if text == "-0.00 %" {
        "0.00 %".to_owned()
    } else {
        text
    }
}

/// Bytes in GiB, or in TiB where those are many.
pub fn gibibytes(bytes: u64) -> String {
    let gibibytes = bytes as f64 / f64::from(1 << 30);
    if gibibytes < 10_240.0 {
        format!("{gibibytes:.1} GiB")
    } else {
        format!("{:.1} TiB", gibibytes / 1024.0)
    }
}

/// Seconds in words.
pub fn duration(seconds: f64) -> String {
    indicatif::HumanDuration(std::time::Duration::from_secs_f64(seconds.clamp(0.0, 1e9)))
        .to_string()
}

/// Bytes in GiB, or in MiB where those are few.
pub fn size(bytes: u64) -> String {
    if bytes >= 1 << 30 {
        gibibytes(bytes)
    } else {
        format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
    }
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn nothing_has_no_sign() {
        let shown = [0.0, -0.0, -1e-9, -0.001, 0.5].map(percent);
        assert_eq!(shown, ["0.00 %", "0.00 %", "0.00 %", "-0.10 %", "50.00 %"]);
    }
}
