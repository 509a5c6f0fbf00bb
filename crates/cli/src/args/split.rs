//! A split, as arguments name it.

use clap::ValueEnum;

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SplitArg {
    /// Trains the model
    Train,
    /// Selects the best checkpoint
    Validation,
    /// Gives the reported result
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
