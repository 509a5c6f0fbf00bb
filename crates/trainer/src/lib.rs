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
mod dropout;
mod durable;
mod error;
mod evaluate;
mod event;
pub mod fit;
pub mod host;
mod json_lines;
pub mod memory;
pub mod optim;
mod optimizers;
mod pace;
mod parameters;
pub mod plan;
pub mod products;
pub mod randomness;
mod rendezvous;
mod run_dir;
mod run_files;
mod scheduler;
mod standing;
mod start;
mod step;
mod steps;
mod stopwatch;
mod trained;
mod training;
mod usable;
mod window;

pub use checkpoint::{Best, Checkpoints, Flaw, Rejected, RunState, Sums, Verified, Weights};
pub use dataset::{
    Dataset, Fingerprints, OpenDataset, ReadableSplits, evaluation_loader, training_encoder,
    training_loader, validation_loader,
};
pub use dropout::dropout_keys;
pub use durable::write as write_whole;
pub use error::TrainError;
pub use evaluate::Accuracy;
pub use event::{Event, Observer, Purpose, Summary};
pub use optimizers::{Optimizers, Update};
pub use pace::Pace;
pub use parameters::{count, materialize};
pub use run_dir::{
    RunDir, changed_splits, newest_run, read_config, require_same_data, write_fingerprints,
};
pub use run_files::{ADVICE, CONFIG};
pub use scheduler::Slicing;
pub use step::{EffectiveGradient, effective_gradient};
pub use steps::Steps;
pub use trained::{Answer, Trained};
pub use training::{Run, preflight, train};
pub use usable::{Skipped, SkippedSample, Usable, data_report, usable};
