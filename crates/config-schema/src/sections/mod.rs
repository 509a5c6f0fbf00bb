//! One struct a section. The doc comments are the reference: schema, generated defaults and error help quote them.

mod data;
mod model;
mod run;
mod training;
mod xvlm;

pub use data::{
    AnswerNormalisation, Answers, Augmentation, DataLoading, Dataset, DatasetName, ExifOrientation,
    OnBadSample, ShapesLanguage,
};
pub use model::{
    Branches, FineForm, ImageEncoder, MemoryOptimization, Model, Precision, PrecisionMode,
};
pub use run::{Checkpoint, Evaluation, Family, Hardware, LearningRates, Logging, PresetInfo};
pub use training::{MAX_UPDATE_FREQ, Optimizer, OptimizerForm, Schedule, ScheduleKind, Training};
pub use xvlm::Xvlm;
