/// Limits of the figures of a [`DataReport`](crate::DataReport): beyond them a figure is a warning. Parts are `0.0..=1.0`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Least part of a split's score that the answer list can reach.
    pub reachable: f64,
    /// Largest part of a split's questions that are cut.
    pub cut: f64,
    /// Largest part of a split's words that are unknown.
    pub unknown: f64,
    /// Largest part of the answer list that occurs in one training sample only.
    pub once: f64,
    /// Most images that a split shares with one before it.
    pub shared_images: usize,
}

impl Thresholds {
    /// What the program warns of.
    pub const DEFAULT: Self = Self {
        reachable: 0.9,
        cut: 0.001,
        unknown: 0.05,
        once: 0.5,
        shared_images: 0,
    };
}
