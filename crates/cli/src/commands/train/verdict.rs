//! The end of a dry run.

use std::fmt::{self, Display, Formatter};
use std::path::Path;

use trainer::memory::Bytes;
use trainer::plan::PlannedStart;

use crate::figures::begins;

/// What a dry run found, in the last lines that it prints.
pub(super) struct Verdict<'a> {
    pub(super) begins: String,
    pub(super) learns: String,
    pub(super) planned_bytes: u64,
    pub(super) budget_bytes: Option<u64>,
    /// What training begins with, where that is not as configured.
    pub(super) start: Option<PlannedStart>,
    pub(super) host_bytes: u64,
    pub(super) run_dir: &'a Path,
}

impl Display for Verdict<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "dry run: all checks passed; nothing was trained")?;
        writeln!(f, "  {}", self.begins)?;
        writeln!(f, "  {}", self.learns)?;
        let planned = Bytes(self.planned_bytes);
        match self.budget_bytes {
            None => writeln!(f, "  planned peak {planned}, no memory budget")?,
            Some(budget) if budget < self.planned_bytes => writeln!(
                f,
                "  planned peak {planned}, over the budget of {}: micro-batches are smaller than configured",
                Bytes(budget)
            )?,
            Some(budget) => {
                writeln!(
                    f,
                    "  planned peak {planned}, within the budget of {}",
                    Bytes(budget)
                )?;
            }
        }
        if let Some(start) = &self.start {
            writeln!(f, "  {}", begins(start))?;
        }
        writeln!(f, "  data takes {} of host memory", Bytes(self.host_bytes))?;
        write!(f, "  run directory {}", self.run_dir.display())
    }
}
