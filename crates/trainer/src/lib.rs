//! Trains a visual-question-answering model: the only crate where model, data and device meet.
//!
//! A run takes steps over effective batches. The loader hands over a whole effective batch, the trainer slices it
//! into micro-batches ([`effective_gradient`]), clips the gradient and updates every parameter group
//! ([`Optimizers`]), evaluates, and writes checkpoints that are whole or absent ([`Checkpoints`]). What happens is
//! reported as [`Event`]s to an [`Observer`] and to the run directory.
//!
//! Any [`Model`](model_api::Model) can be trained; the crate knows none.
//!
//! ```
//! use trainer::optim::{Progress, Schedule};
//!
//! let schedule = Schedule::Linear { warmup_fraction: 0.1 };
//! let halfway_up = Progress { step: 5, total_steps: 100, epoch: 0 };
//! assert_eq!(schedule.factor(halfway_up), 0.5);
//! ```

pub mod advice;
mod checkpoint;
mod dataset;
pub mod derive;
pub mod device;
mod error;
mod evaluate;
mod event;
pub mod fit;
pub mod host;
pub mod memory;
pub mod optim;
mod parameters;
pub mod plan;
mod precision;
pub mod randomness;
mod run_dir;
mod step;
mod time;
mod trained;
mod training;

pub use checkpoint::{Best, Checkpoints, Flaw, Rejected, RunState, Sums, Verified, Weights};
pub use dataset::usable::{Skipped, SkippedSample, Usable, data_report, usable};
pub use dataset::{
    Dataset, Fingerprints, OpenDataset, ReadableSplits, evaluation_loader, order_in_words,
    training_encoder, training_loader, validation_loader,
};
pub use error::TrainError;
pub use evaluate::Accuracy;
pub use event::{Event, Observer, Purpose, Summary};
pub use optim::{Optimizers, Update};
pub use parameters::{count, materialize};
pub use precision::{choose_precision, precision, require_possible};
pub use run_dir::durable::write as write_whole;
pub use run_dir::names::{ADVICE, CONFIG};
pub use run_dir::{
    RunDir, changed_splits, newest_run, read_config, require_same_data, write_fingerprints,
};
pub use step::dropout::dropout_keys;
pub use step::scheduler::Slicing;
pub use step::{EffectiveGradient, effective_gradient};
pub use time::Pace;
pub use trained::{Answer, Prediction, Trained};
pub use training::{Run, Steps, preflight, train};
