//! The configuration of a training run: which keys there are, how layers of them become one [`Config`], and which
//! presets come with the program. The crate `preset-tools` judges, compares and imports presets.
//!
//! Layers, lowest first: [`Config::default`], a preset with all it `extends`, the user's file, environment variables
//! `AOA_SECTION__KEY`, and `--set section.key=value`. [`resolve()`] merges them and remembers who decided each key; or
//! it reports everything that is wrong at once, each error with its text, place and cure.
//!
//! ```
//! use config_schema::{Layers, Source, presets, resolve};
//!
//! let layers = Layers {
//!     fallback_preset: "24gb".to_owned(),
//!     user: Some(Source::new("my.toml", "[training]\nbatch_size = 16\nupdate_freq = 2\n")),
//!     sets: vec!["training.lr=1e-4".to_owned()],
//!     ..Layers::default()
//! };
//! let resolved = resolve(&layers, &presets::lookup)?;
//! assert_eq!(resolved.config.effective_batch(), 32);
//! assert_eq!(resolved.config.memory_optimization.gradient_accumulation_steps, Some(2));
//! assert_eq!(resolved.origins["training.batch_size"].to_string(), "my.toml:2");
//! assert_eq!(resolved.origins["training.lr"].to_string(), "--set training.lr=1e-4");
//!
//! let typo = Layers {
//!     sets: vec!["training.bach_size=16".to_owned()],
//!     ..layers
//! };
//! let errors = resolve(&typo, &presets::lookup).unwrap_err();
//! assert_eq!(errors.to_string(), "--set:1:1: unknown key `training.bach_size`");
//! # Ok::<(), config_schema::ConfigErrors>(())
//! ```
//!
//! The structs of the sections are the one source of all facts about keys: their doc comments, types, ranges and
//! defaults become [`json_schema()`], which [`sections()`] reads back, and from which the checks, the suggestions and
//! [`default_toml()`] are made. To add a key, add a field.
//!
//! The crate reads no files and no environment; it is given text.

mod accumulation;
mod check;
mod config;
mod count;
mod draft;
mod error;
mod layer;
mod overlay;
mod overrides;
pub mod presets;
mod provenance;
mod record;
mod render;
mod resolve;
mod resume;
mod rules;
mod schema;
mod sections;
mod source;
mod stack;
pub mod suggest;
mod summary;
mod values;
mod warning;

pub use accumulation::ACCUMULATION;
pub use config::Config;
pub use count::count;
pub use draft::Draft;
pub use error::{
    ConfigError, ConfigErrors, MAX_DEPTH, MAX_ERRORS, MAX_TEXT_BYTES, Problem, excerpt,
};
pub use overlay::{Decision, differences, overlay_toml, preset_toml, sections_toml, value};
pub use overrides::unread_variables;
pub use provenance::Provenance;
pub use record::{record, resolve_record};
pub use render::{default_toml, to_toml, toml_value, value_toml, values};
pub use resolve::{Layers, Places, Resolved, resolve, resolve_with_places, stated_preset};
pub use resume::{FixedKey, fixed_differences};
pub use schema::{Bounds, Key, Kind, Section, json_schema, keys, schema_text, sections};
pub use sections::{
    AnswerNormalisation, Answers, Augmentation, Branches, Checkpoint, DataLoading, Dataset,
    DatasetName, Evaluation, ExifOrientation, Family, FineForm, Hardware, ImageEncoder,
    LearningRates, Logging, MAX_UPDATE_FREQ, MemoryOptimization, Model, OnBadSample, Optimizer,
    OptimizerForm, Precision, PrecisionMode, PresetInfo, Schedule, ScheduleKind, ShapesLanguage,
    Training, Xvlm,
};
pub use source::{Layered, Origin, Place, Source, StatedKey};
pub use stack::Stated;
pub use summary::{PresetSummary, preset_summaries};
pub use values::{Device, DeviceMemory, KeyPath, MalformedValue, Preload, Streaming};
pub use warning::Warning;
