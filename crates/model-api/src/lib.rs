//! What the trainer and a model share.
//!
//! A model implements [`Model`]. The trainer hands it a [`DeviceBatch`] and knows nothing else of it: not its modules, not
//! its parameters' names, not its optimizers' settings, which are those of its [`ParameterGroup`]s.

mod batch;
mod dropout;
mod groups;
mod loss;
mod model;

pub use batch::{
    DeviceBatch, Regions, RightAnswers, Sight, WordPieces, normalise, normalise_pixels, pixel_type,
};
pub use dropout::DropoutKeys;
pub use groups::{Exception, OptimizerKind, OptimizerSettings, ParameterGroup, Paths};
pub use loss::{binary_cross_entropy, cross_entropy_of_probabilities};
pub use model::{
    ConfigureError, DataShape, Model, ModelOutput, Pretrained, PretrainedError, PretrainedFault,
    Texts,
};
