//! What happened to the weights of a file.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
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
    /// A line of counts, then a line for each name that was not simply loaded, or for each group of names of a long list. Names of the file have their control
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
            if names.len() <= MOST_NAMED {
                for name in names {
                    write!(f, "\n{kind} {}", name.escape_debug())?;
                }
                continue;
            }
            for (prefix, count, first) in by_prefix(names) {
                let first = first.escape_debug();
                match (prefix, count) {
                    (_, 1) => write!(f, "\n{kind} {first}")?,
                    (None, _) => write!(f, "\n{kind} {count} others, such as {first}")?,
                    (Some(prefix), _) => {
                        let prefix = prefix.escape_debug();
                        write!(
                            f,
                            "\n{kind} {count} that begin with {prefix}, such as {first}"
                        )?;
                    }
                }
            }
        }
        if let Some((prefix, count)) = self.surplus_prefix() {
            let prefix = prefix.escape_debug();
            write!(
                f,
                "\n{count} of the missing have the prefix {prefix} in the file: save it with names that lack it"
            )?;
        }
        Ok(())
    }
}

/// Most names of a list that are told one by one.
const MOST_NAMED: usize = 12;
/// Most groups of names that are told of a long list; the last is of all others.
const MOST_GROUPS: usize = 8;

/// The groups of names that share their first part: this part, how many there are, and the first. Large groups come first, and
/// the last is of all names that are in no group of their own.
fn by_prefix(names: &[String]) -> Vec<(Option<&str>, usize, &str)> {
    let mut counts: HashMap<&str, (usize, &str)> = HashMap::new();
    for name in names {
        counts.entry(first_part(name)).or_insert((0, name)).0 += 1;
    }
    let mut groups: Vec<_> = counts.into_iter().collect();
    groups.sort_by_key(|(prefix, (count, _))| (Reverse(*count), *prefix));
    let rest = groups.split_off(groups.len().min(MOST_GROUPS - 1));
    let others: usize = rest.iter().map(|(_, (count, _))| count).sum();
    let last = rest.first().map(|(_, (_, first))| (None, others, *first));
    let told = groups.into_iter();
    told.map(|(prefix, (count, first))| (Some(prefix), count, first))
        .chain(last)
        .collect()
}

/// A name up to its first dot, which is part of it.
fn first_part(name: &str) -> &str {
    name.find('.').map_or(name, |at| &name[..=at])
}

impl Report {
    /// What the file has in front of names that are missing, and of how many, where that is most of them.
    fn surplus_prefix(&self) -> Option<(&str, usize)> {
        let prefix = first_part(self.unexpected.first()?);
        let there: HashSet<&str> = self.unexpected.iter().map(String::as_str).collect();
        let found = self.missing.iter();
        let found = found.filter(|name| there.contains(format!("{prefix}{name}").as_str()));
        let found = found.count();
        (2 * found > self.missing.len()).then_some((prefix, found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(prefix: &str, count: usize) -> Vec<String> {
        (0..count)
            .map(|at| format!("{prefix}{at}.weight"))
            .collect()
    }

    #[test]
    fn long_lists_are_told_by_prefix() {
        let mut unexpected = names("model.layer", 240);
        unexpected.extend(names("head", 20));
        let report = Report {
            missing: names("layer", 240),
            unexpected,
            ignored: names("a", 3),
            ..Report::default()
        };
        let text = report.to_string();
        assert!(text.lines().count() < 26, "{text}");
        for words in [
            "240 missing",
            "unexpected 240 that begin with model., such as model.layer0.weight",
            "ignored a2.weight",
            "240 of the missing have the prefix model. in the file",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let few = Report {
            missing: names("layer", 3),
            ..Report::default()
        };
        assert!(
            few.to_string()
                .ends_with("missing layer0.weight\nmissing layer1.weight\nmissing layer2.weight")
        );
    }
}
