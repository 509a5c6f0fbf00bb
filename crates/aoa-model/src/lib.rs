//! The model: attention-on-attention layers beside an image encoder, for visual question answering.
//!
//! Every module is a pair of a config struct and a module struct, made by `Config::init(&device)`. [`Vqa`] puts them
//! together and is a [`Model`](model_api::Model), which the trainer trains.
//!
//! ```
//! use aoa_model::AttentionOnAttentionConfig;
//! use burn::tensor::{Device, Tensor};
//!
//! let device = Device::flex();
//! // Hidden size 16 in 4 heads of 4 channels.
//! let layer = AttentionOnAttentionConfig::new(16, 4, 4).init(&device);
//! let x = Tensor::zeros([2, 5, 16], &device);
//! let refined = layer.forward(x, None, None, None);
//! assert_eq!(refined.dims(), [2, 5, 16]);
//! ```

mod aoa_stack;
mod attention;
mod bilinear;
pub mod cfr;
mod classifier;
mod compact;
mod fine;
mod fusion;
mod gru;
mod image_encoder;
mod init;
mod settings;
mod vqa;
mod weight_norm;
pub mod weights;
pub mod xvlm;

pub use aoa_stack::{AoaStack, AoaStackConfig, Refined};
pub use attention::{AttentionOnAttention, AttentionOnAttentionConfig};
pub use bilinear::{BilinearAttention, BilinearAttentionConfig};
pub use classifier::{Classifier, ClassifierActivation, ClassifierConfig};
pub use compact::{CompactBranch, CompactBranchConfig};
pub use fine::{CfrBranch, FineBranch, FineBranchConfig};
pub use fusion::{AnswerFusion, AnswerFusionConfig};
pub use gru::{Gru, GruConfig};
pub use image_encoder::{
    GridEncoder, GridEncoderConfig, ImageEncoder, ImageEncoderConfig, ImageEncoderError,
};
pub use settings::xvlm_group;
pub use vqa::{Vqa, VqaConfig};
pub use weight_norm::{WeightNormLinear, WeightNormLinearConfig};
