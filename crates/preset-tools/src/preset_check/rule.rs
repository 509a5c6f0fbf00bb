//! The rules by name.

use std::fmt;

use serde::{Serialize, Serializer};

/// A rule that presets keep. Its id is part of the interface and never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Only TOML files.
    TomlFile,
    /// Every file can be read.
    Readable,
    /// Every preset can be named.
    Reachable,
    /// The text is TOML.
    ValidToml,
    /// No key twice.
    NoKeyTwice,
    /// No unknown section or key.
    KnownKeys,
    /// Values of the right type.
    ValueType,
    /// Values within range.
    ValueRange,
    /// `extends` leads to a preset that extends none.
    ExtendsResolves,
    /// Both spellings of accumulation agree.
    AccumulationAgrees,
    /// Heads divide the hidden size.
    HeadsDivide,
    /// Keys work together.
    KeysCompatible,
    /// A description of its own.
    Described,
    /// One declaration of a family.
    FamilyAgrees,
    /// A family has more than one member.
    FamilyMembers,
    /// Members agree in what decides the result.
    FamilyResult,
    /// The effective batch that the family promises.
    EffectiveBatch,
    /// Learning rates as the family declares.
    LearningRates,
    /// No larger micro-batch with less memory.
    MonotoneBatch,
    /// No more layers with less memory.
    MonotoneLayers,
    /// No wider model with less memory.
    MonotoneWidth,
    /// No more workers with less memory.
    MonotoneWorkers,
    /// No deeper prefetch with less memory.
    MonotonePrefetch,
    /// No larger shuffle buffer with less memory.
    MonotoneShuffleBuffer,
    /// No higher memory use with less memory.
    MonotoneMemoryUse,
    /// No fewer savings with less memory.
    MonotoneSavings,
    /// The model can be built.
    ModelBuilds,
    /// The planned peak is within the budget.
    PlannedPeak,
    /// Host memory has room for preloaded images.
    PreloadFits,
    /// Host memory has room for samples that wait.
    QueueFits,
}

/// What the page of rules says of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleDoc {
    /// Name in output, kebab-case.
    pub id: &'static str,
    /// The rule in a sentence.
    pub title: &'static str,
    /// What goes wrong without it, and how it is applied.
    pub why: &'static str,
    /// A breach of it and its cure.
    pub example: Example,
}

/// A breach of a rule and its cure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Example {
    /// Texts of an overlay on `24gb`, or of presets that say what they extend.
    Toml {
        /// The breach.
        wrong: &'static str,
        /// The cure.
        mended: &'static str,
    },
    /// Files, where no text shows it.
    Files {
        /// The breach.
        wrong: &'static str,
        /// The cure.
        mended: &'static str,
    },
}

impl Rule {
    /// Every rule, in the order of the page.
    pub const ALL: [Self; 30] = [
        Self::TomlFile,
        Self::Readable,
        Self::Reachable,
        Self::ValidToml,
        Self::NoKeyTwice,
        Self::KnownKeys,
        Self::ValueType,
        Self::ValueRange,
        Self::ExtendsResolves,
        Self::AccumulationAgrees,
        Self::HeadsDivide,
        Self::KeysCompatible,
        Self::Described,
        Self::FamilyAgrees,
        Self::FamilyMembers,
        Self::FamilyResult,
        Self::EffectiveBatch,
        Self::LearningRates,
        Self::MonotoneBatch,
        Self::MonotoneLayers,
        Self::MonotoneWidth,
        Self::MonotoneWorkers,
        Self::MonotonePrefetch,
        Self::MonotoneShuffleBuffer,
        Self::MonotoneMemoryUse,
        Self::MonotoneSavings,
        Self::ModelBuilds,
        Self::PlannedPeak,
        Self::PreloadFits,
        Self::QueueFits,
    ];

    /// Name in output, kebab-case.
    pub fn id(self) -> &'static str {
        self.doc().id
    }

    /// Whether a breach is a warning, since it may be meant.
    pub fn warns(self) -> bool {
        self == Self::FamilyMembers
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}
