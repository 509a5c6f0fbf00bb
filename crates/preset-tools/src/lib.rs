//! Tools for people who write presets: check a folder of them, compare configurations, import YAML, and write the pages
//! that are made from presets.
//!
//! [`config_schema`] reads configurations; this crate judges and explains them. It is given text and prints nothing.
//!
//! ```
//! use config_schema::{Layers, Source, presets, resolve};
//! use preset_tools::{compare, import_yaml};
//!
//! // A configuration of another program becomes a preset.
//! let theirs = Source::new("theirs.yaml", "batch_size_train: 8\nepochs: 5\n");
//! let import = import_yaml(theirs);
//! let preset = import.preset?;
//! assert!(preset.contains("batch_size = 8"));
//!
//! // What does it do differently?
//! let lookup = |name: &str| match name {
//!     "theirs" => Some(Source::new("theirs.toml", preset.clone())),
//!     name => presets::lookup(name),
//! };
//! let [ours, theirs] = ["24gb", "theirs"].map(|name| resolve(&Layers::preset(name), &lookup));
//! let rows = compare(&[("24gb", &ours?), ("theirs", &theirs?)]);
//! let epochs = rows.iter().find(|row| row.key == "training.epochs").expect("a key");
//! assert_eq!(epochs.columns[1].toml(), "5");
//! # Ok::<(), config_schema::ConfigErrors>(())
//! ```
//!
//! [`preset_check`] has the rules that keep presets for different memory sizes in agreement.

mod compare;
mod effects;
mod generated;
mod guide;
mod import;
pub mod preset_check;

pub use compare::{Column, Comparison, compare};
pub use effects::Language;
pub use generated::{GENERATE, GeneratedFile, generated_files};
pub use guide::guide;
pub use import::{Became, Import, ImportedKey, import_yaml, import_yaml_for};
