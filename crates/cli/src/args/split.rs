//! A split, as arguments name it.

use clap::ValueEnum;

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SplitArg {
    /// The split that trains the model
    Train,
    /// The split that selects the best checkpoint
    Validation,
    /// The split that gives the reported result
    Test,
}

impl From<SplitArg> for data_pipeline::Split {
    fn from(split: SplitArg) -> Self {
        match split {
            SplitArg::Train => Self::Train,
            SplitArg::Validation => Self::Validation,
            SplitArg::Test => Self::Test,
        }
    }
}

impl SplitArg {
    /// Its name in the output.
    pub fn name(self) -> &'static str {
        data_pipeline::Split::from(self).name()
    }
}
