//! What happened to the weights of a file.

use std::fmt;

/// What an import did with each parameter of the model and each tensor of the file. Every name is that of the
/// `PyTorch` model; each parameter is in one of the first five lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Parameters that have the values of the file.
    pub loaded: Vec<String>,
    /// Position bias tables that were resized to the window of the model.
    pub interpolated: Vec<Interpolated>,
    /// Parameters that such a file does not have, which keep the values they had.
    pub fresh: Vec<String>,
    /// Parameters that the file should have and has not; they keep the values they had.
    pub missing: Vec<String>,
    /// Parameters that have another shape in the file; they keep the values they had.
    pub mis_shaped: Vec<MisShaped>,
    /// Tensors of the file that follow from others and were not read: buffers, and second names of tied weights.
    pub implied: Vec<String>,
    /// Tensors of the file that the model has no place for.
    pub unexpected: Vec<String>,
    /// What the file holds beside its tensors, and tensors of forms that are not read.
    pub ignored: Vec<String>,
}

/// A position bias table for windows of another size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpolated {
    /// Its name.
    pub name: String,
    /// Rows and columns of the file's windows.
    pub from: usize,
    /// Rows and columns of the model's windows.
    pub to: usize,
}

/// A parameter of another shape. Both shapes are as `PyTorch` stores them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MisShaped {
    /// Its name.
    pub name: String,
    /// The shape in the file.
    pub file: Vec<usize>,
    /// The shape in the model.
    pub model: Vec<usize>,
}

impl Report {
    /// Whether the file had every parameter that such a file should have, in the right shape.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.mis_shaped.is_empty()
    }
}

impl fmt::Display for Report {
    /// A line of counts, then a line for each name that was not simply loaded. Names of the file have their control
    /// characters escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} loaded, {} interpolated, {} fresh, {} missing, {} mis-shaped; {} implied, {} unexpected, {} ignored",
            self.loaded.len(),
            self.interpolated.len(),
            self.fresh.len(),
            self.missing.len(),
            self.mis_shaped.len(),
            self.implied.len(),
            self.unexpected.len(),
            self.ignored.len(),
        )?;
        for Interpolated { name, from, to } in &self.interpolated {
            write!(f, "\ninterpolated {name}: window {from} to {to}")?;
        }
        for MisShaped { name, file, model } in &self.mis_shaped {
            write!(
                f,
                "\nmis-shaped {name}: {file:?} in the file, {model:?} in the model"
            )?;
        }
        let lists = [
            ("fresh", &self.fresh),
            ("missing", &self.missing),
            ("implied", &self.implied),
            ("unexpected", &self.unexpected),
            ("ignored", &self.ignored),
        ];
        for (kind, names) in lists {
            for name in names {
                write!(f, "\n{kind} {}", name.escape_debug())?;
            }
        }
        Ok(())
    }
}
