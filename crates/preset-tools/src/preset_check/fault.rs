//! What can be wrong with a preset, and the rule that it breaks.

use std::{fmt, ops::Range, sync::Arc};

use bytesize::ByteSize;
use config_schema::{LearningRates, Problem, Source, StatedKey, count};

use super::Rule;

/// What is wrong, with the values that show it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The preset does not resolve.
    #[error("{0}")]
    Problem(Problem),
    /// A file that is no preset.
    #[error("not a preset, as its name does not end in \".toml\"")]
    NotToml,
    /// A file that cannot be read.
    #[error("cannot be read: {reason}")]
    Unreadable {
        /// The reason, as a sentence.
        reason: String,
    },
    /// A file that is not text.
    #[error("not UTF-8 from here on")]
    NotUtf8,
    /// No preset was found.
    #[error("there is no preset in it")]
    NoPreset,
    /// A name that would be taken for a path.
    #[error("the name `{name}` would be taken for the path of a file")]
    NameIsPath {
        /// The name.
        name: String,
    },
    /// Two files of one name.
    #[error("`{name}` and {other} have the same name")]
    NameTwice {
        /// The name.
        name: String,
        /// The other file.
        other: String,
    },
    /// A file of the program's folder that is not part of the program.
    #[error("the preset `{name}` cannot be reached, as it is not part of the program")]
    NotEmbedded {
        /// The name.
        name: String,
    },
    /// A preset of the program whose file was not seen.
    #[error("the program has a preset `{name}`, and there is no file of that name")]
    NotSeen {
        /// The name.
        name: String,
    },
    /// No description.
    #[error("preset `{preset}` has no description")]
    NoDescription {
        /// The preset.
        preset: String,
    },
    /// The description of another preset.
    #[error("preset `{preset}` has the same description as `{other}`")]
    SameDescription {
        /// The preset.
        preset: String,
        /// The other.
        other: String,
    },
    /// Two members declare their family differently.
    #[error(
        "preset `{preset}` declares the family `{family}` differently from `{other}`: {here}, {there}"
    )]
    FamilyDiffers {
        /// The family.
        family: String,
        /// A member.
        preset: String,
        /// What it declares.
        here: StatedKey,
        /// Another member.
        other: String,
        /// What that declares.
        there: StatedKey,
    },
    /// A family of one.
    #[error(
        "preset `{preset}` is the only member of the family `{family}`, so nothing is compared with it"
    )]
    LoneMember {
        /// The preset.
        preset: String,
        /// Its family.
        family: String,
    },
    /// Two members would train to different results.
    #[error(
        "presets `{preset}` and `{other}` of the family `{family}` train to different results: {here}, {there}"
    )]
    ResultDiffers {
        /// The family.
        family: String,
        /// A member.
        preset: String,
        /// Its value.
        here: StatedKey,
        /// Another member.
        other: String,
        /// The value of that.
        there: StatedKey,
    },
    /// The effective batch is not that of the family.
    #[error(
        "the effective batch of `{preset}` is {batch_size} x {steps} = {effective}, and its family `{family}` promises \
         {}", promise(*.promised, *.max_distance)
    )]
    EffectiveBatch {
        /// The preset.
        preset: String,
        /// Samples of a micro-batch.
        batch_size: usize,
        /// Micro-batches of a step.
        steps: usize,
        /// Samples of a step.
        effective: usize,
        /// The family.
        family: String,
        /// Samples of a step that it promises.
        promised: usize,
        /// How far a member may lie from it.
        max_distance: usize,
    },
    /// Learning rates are not as the family declares.
    #[error("{}", rates(.lower, .higher, *.declared))]
    LearningRate {
        /// The member with the smaller micro-batch.
        lower: MemberRate,
        /// Another member.
        higher: MemberRate,
        /// What the family declares.
        declared: LearningRates,
    },
    /// A preset for less memory asks for more.
    #[error(
        "preset `{}` is for less memory than `{}` ({} against {}), but {what}: {} against {}",
        .less.preset, .more.preset, .less.memory.display().iec(), .more.memory.display().iec(), .less.key, .more.key
    )]
    MoreWithLess {
        /// The rule about it.
        rule: Rule,
        /// In words, what the one with less memory has.
        what: &'static str,
        /// The preset for less memory.
        less: MemberValue,
        /// The preset for more memory.
        more: MemberValue,
    },
    /// The settings do not describe a model.
    #[error("the model of `{preset}` cannot be built: {reason}")]
    Unbuildable {
        /// The preset.
        preset: String,
        /// The reason, as a sentence.
        reason: String,
    },
    /// The planned peak is above the budget.
    #[error(
        "training with `{preset}` takes {} of memory by plan, and its budget is {} ({budget_of})",
        .peak.display().iec(), .budget.display().iec()
    )]
    AboveBudget {
        /// The preset.
        preset: String,
        /// Planned peak.
        peak: ByteSize,
        /// Budget.
        budget: ByteSize,
        /// What the budget is a part of.
        budget_of: String,
    },
    /// Preloaded images do not fit into host memory.
    #[error(
        "`{preset}` keeps {} of images in host memory, and is for machines with {} of it",
        .images.display().iec(), .host.display().iec()
    )]
    PreloadTooLarge {
        /// The preset.
        preset: String,
        /// Bytes of the images.
        images: ByteSize,
        /// `preset.min_host_memory`.
        host: ByteSize,
    },
    /// Images are preloaded, and nothing says into how much host memory.
    #[error(
        "`{preset}` keeps {} of images in host memory, and does not say how much of it the machine must have",
        .images.display().iec()
    )]
    HostMemoryNotStated {
        /// The preset.
        preset: String,
        /// Bytes of the images.
        images: ByteSize,
    },
    /// What a run keeps does not fit into host memory.
    #[error(
        "`{preset}` keeps {} in host memory, and is for machines with {} of it ({host_of}): up to {} in the \
         prefetch queue",
        .kept.display().iec(), .host.display().iec(), wait(*waiting)
    )]
    QueueTooLarge {
        /// The preset.
        preset: String,
        /// Bytes of the data set, of preloaded images and of samples that wait.
        kept: ByteSize,
        /// Bytes of host memory.
        host: ByteSize,
        /// Where these come from.
        host_of: String,
        /// Samples in the queue at most.
        waiting: usize,
    },
}

/// A preset for a device, and a value of its.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberValue {
    /// The preset.
    pub preset: String,
    /// `preset.min_device_memory`.
    pub memory: ByteSize,
    /// The value.
    pub key: StatedKey,
}

/// A preset's micro-batch and learning rate.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberRate {
    /// The preset.
    pub preset: String,
    /// `training.batch_size`.
    pub batch_size: usize,
    /// The learning rate.
    pub key: StatedKey,
}

fn promise(promised: usize, max_distance: usize) -> String {
    match max_distance {
        0 => format!("exactly {promised}"),
        _ => format!("{promised} ± {max_distance} (`family.max_distance`)"),
    }
}

fn rates(lower: &MemberRate, higher: &MemberRate, declared: LearningRates) -> String {
    let both = format!("{} against {}", lower.key, higher.key);
    if declared == LearningRates::Equal {
        return format!(
            "learning rates of `{}` and `{}` differ, and their family declares them equal: {both}",
            lower.preset, higher.preset
        );
    }
    format!(
        "preset `{}` has smaller micro-batches than `{}` ({} against {}), but a higher learning rate: {both}",
        lower.preset,
        higher.preset,
        count(lower.batch_size, "sample"),
        higher.batch_size
    )
}

/// `1 sample waits`, or `2 samples wait`.
fn wait(samples: usize) -> String {
    let verb = if samples == 1 { "waits" } else { "wait" };
    format!("{} {verb}", count(samples, "sample"))
}

impl Fault {
    /// The rule that is broken. `before` is that of the fault before it in the same text, for a note that more follow.
    pub(super) fn rule(&self, before: Option<Rule>) -> Rule {
        match self {
            Self::Problem(problem) => rule_of(problem, before),
            Self::NotToml => Rule::TomlFile,
            Self::Unreadable { .. } | Self::NotUtf8 | Self::NoPreset => Rule::Readable,
            Self::NameIsPath { .. }
            | Self::NameTwice { .. }
            | Self::NotEmbedded { .. }
            | Self::NotSeen { .. } => Rule::Reachable,
            Self::NoDescription { .. } | Self::SameDescription { .. } => Rule::Described,
            Self::FamilyDiffers { .. } => Rule::FamilyAgrees,
            Self::LoneMember { .. } => Rule::FamilyMembers,
            Self::ResultDiffers { .. } => Rule::FamilyResult,
            Self::EffectiveBatch { .. } => Rule::EffectiveBatch,
            Self::LearningRate { .. } => Rule::LearningRates,
            Self::MoreWithLess { rule, .. } => *rule,
            Self::Unbuildable { .. } => Rule::ModelBuilds,
            Self::AboveBudget { .. } => Rule::PlannedPeak,
            Self::PreloadTooLarge { .. } | Self::HostMemoryNotStated { .. } => Rule::PreloadFits,
            Self::QueueTooLarge { .. } => Rule::QueueFits,
        }
    }
}

fn rule_of(problem: &Problem, before: Option<Rule>) -> Rule {
    match problem {
        Problem::TooLarge { .. } => Rule::Readable,
        Problem::TooDeep | Problem::Syntax { .. } | Problem::Yaml { .. } => Rule::ValidToml,
        Problem::TooMany => before.unwrap_or(Rule::ValidToml),
        Problem::DuplicateKey { .. } => Rule::NoKeyTwice,
        Problem::UnknownSection { .. } | Problem::UnknownKey { .. } | Problem::NothingTaken => {
            Rule::KnownKeys
        }
        Problem::WrongType { .. } | Problem::NotAnAssignment { .. } => Rule::ValueType,
        Problem::OutOfRange { .. }
        | Problem::WrongLength { .. }
        | Problem::UnknownValue { .. }
        | Problem::Malformed { .. } => Rule::ValueRange,
        Problem::UnknownPreset { .. }
        | Problem::ExtendsCycle { .. }
        | Problem::PresetConflict { .. }
        | Problem::ExtendsOutsideFile => Rule::ExtendsResolves,
        Problem::AccumulationDiffers { .. } => Rule::AccumulationAgrees,
        Problem::Incompatible {
            verb: Problem::DOES_NOT_DIVIDE,
            ..
        } => Rule::HeadsDivide,
        Problem::Incompatible { .. } | Problem::Inconsistent { .. } => Rule::KeysCompatible,
    }
}

/// A breach of a rule, its place and its cure.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// The file with its text, which is empty where the file cannot be read.
    pub source: Arc<Source>,
    /// Bytes of the text that are at fault; `None` where the text is not known.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub fault: Fault,
    /// How to cure it.
    pub help: Option<String>,
}

impl Finding {
    /// What is wrong, in one line, without place and cure.
    pub fn message(&self) -> String {
        self.fault.to_string()
    }

    /// Line and column, both counted from 1.
    pub fn line_column(&self) -> Option<(usize, usize)> {
        let span = self.span.as_ref()?;
        Some(self.source.line_column(span.start))
    }
}

/// File, line, column, rule and message, with colons between them.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.source.name)?;
        if let Some((line, column)) = self.line_column() {
            write!(f, "{line}:{column}:")?;
        }
        write!(f, " {}: {}", self.rule, self.fault)
    }
}
