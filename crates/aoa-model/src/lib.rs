//! The model: attention-on-attention layers beside an image encoder, for visual question answering.
//!
//! Every module is a pair of a config struct and a module struct, made by `Config::init(&device)`. The crate
//! knows tensors and nothing of data sets, devices or training.
//!
//! ```
//! use aoa_model::{FineBranchConfig, GridEncoderConfig, VqaConfig, VqaInput};
//! use burn::tensor::{Device, Tensor};
//!
//! let device = Device::flex();
//! let encoder = GridEncoderConfig::new(32, 8);
//! let fine = FineBranchConfig::new(12, 16, 2, 4, 0.1);
//! let model = VqaConfig::new(100, 13, encoder, fine).init(&device);
//! let logits = model.forward(VqaInput {
//!     images: Tensor::zeros([1, 3, 32, 32], &device),
//!     image_of: Tensor::from_ints([0, 0], &device),
//!     questions: Tensor::from_ints([[5, 6, 7, 0], [8, 9, 0, 0]], &device),
//! });
//! assert_eq!(logits.dims(), [2, 13]);
//! ```

mod aoa_stack;
mod attention;
mod bilinear;
pub mod cfr;
mod classifier;
mod fusion;
mod gru;
mod image_encoder;
mod init;
mod vqa;
mod weight_norm;
pub mod xvlm;

pub use aoa_stack::{AoaStack, AoaStackConfig, Refined};
pub use attention::{AttentionOnAttention, AttentionOnAttentionConfig};
pub use bilinear::{BilinearAttention, BilinearAttentionConfig};
pub use classifier::{Classifier, ClassifierActivation, ClassifierConfig};
pub use fusion::{AnswerFusion, AnswerFusionConfig};
pub use gru::{Gru, GruConfig};
pub use image_encoder::{GridEncoder, GridEncoderConfig};
pub use vqa::{FineBranch, FineBranchConfig, Vqa, VqaConfig, VqaInput};
pub use weight_norm::{WeightNormLinear, WeightNormLinearConfig};
