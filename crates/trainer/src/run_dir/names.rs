//! The names of all that a run writes.

/// Declares the names, and the list of all of them.
macro_rules! names {
    ($($(#[$doc:meta])* $visibility:vis $name:ident = $text:literal;)*) => {
        $($(#[$doc])* $visibility const $name: &str = $text;)*

        /// All files and folders that a run writes to its directory. Whatever writes there takes its name from here.
        pub(crate) const ALL: &[&str] = &[$($name),*];
    };
}

names! {
    /// Held locked by the process that writes to the directory.
    pub(crate) LOCK = ".lock";
    /// The resolved configuration, every value with its origin.
    pub CONFIG = "config.toml";
    pub(crate) DATA = "data.json";
    pub(crate) START_WEIGHTS = "start.bpk";
    pub(crate) START_REPORT = "start.json";
    /// The samples that a run leaves out, by split.
    pub(crate) SKIPPED = "skipped.json";
    pub(crate) VOCABULARY = "vocabulary.json";
    pub(crate) ANSWERS = "answers.json";
    pub(crate) WORD_PIECES = "vocab.txt";
    pub(crate) INPUTS = "inputs.json";
    pub(crate) MODEL = "model.json";
    pub(crate) SEAL = "seal.json";
    pub(crate) METRICS = "metrics.jsonl";
    pub(crate) MEMORY = "memory.jsonl";
    /// What was told of steps that were taken again, as it was told the first time.
    pub(crate) UNDONE = "undone.jsonl";
    /// The length of segments that the plan chose.
    pub(crate) SEGMENTS = "segments.json";
    pub(crate) CHECKPOINTS = "checkpoints";
    pub(crate) SUMMARY = "summary.json";
    /// The settings of the run with the advice for the next one.
    pub ADVICE = "advice.toml";
}

/// Begins the name of a checkpoint's folder.
pub(crate) const STEP: &str = "step-";
