//! Whether a folder of presets is sound: each preset by itself, and the members of a family beside one another.
//!
//! [`PresetCheck`] is given the files as text and, for what only the model and the data set can tell, a function from a
//! preset to its [`Demand`]. It gives back every [`Finding`] at once, each with the [`Rule`] that it breaks.
//! [`rules_page`] documents the rules.

mod catalogue;
mod check;
mod family;
mod fault;
mod files;
mod findings;
mod members;
mod order;
mod page;
mod rule;
mod single;

pub use check::{CheckedPreset, PresetCheck, Verdict};
pub use fault::{Fault, Finding};
pub use files::PresetFile;
pub use members::Demand;
pub use page::rules_page;
pub use rule::{Example, Rule, RuleDoc};
