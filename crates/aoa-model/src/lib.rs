//! The model: attention-on-attention layers beside an image encoder, for visual question answering.
//!
//! Every module is a pair of a config struct and a module struct, made by `Config::init(&device)`. The crate
//! knows tensors and nothing of data sets, devices or training.
//!
//! ```
//! use aoa_model::{CompactBranchConfig, FineBranchConfig, GridEncoderConfig, ImageEncoderConfig, VqaConfig, VqaInput};
//! use burn::tensor::{Device, Tensor};
//!
//! let device = Device::flex();
//! let encoder = GridEncoderConfig::new(32, 8);
//! // 100 word ids, 13 answers, embeddings of 12 channels, hidden size 16, 2 AoA layers of 4 heads, 2 glimpses.
//! let fine = CompactBranchConfig::new(100, encoder.channels(), 13, 12, 16, 2, 4, 2, 0.1);
//! let model = VqaConfig::new(13)
//!     .with_image_encoder(Some(ImageEncoderConfig::Grid(encoder)))
//!     .with_fine(Some(FineBranchConfig::Compact(fine)))
//!     .init(&device);
//! let output = model.forward(VqaInput {
//!     images: Some(Tensor::zeros([1, 3, 32, 32], &device)),
//!     image_of: Tensor::from_ints([0, 0], &device),
//!     questions: Tensor::from_ints([[5, 6, 7, 0], [8, 9, 0, 0]], &device),
//!     entities: None,
//!     regions: None,
//!     statistical_words: None,
//!     pieces: None,
//! });
//! assert_eq!(output.probabilities.dims(), [2, 13]);
//! ```

mod aoa_stack;
mod attention;
mod bilinear;
pub mod capture;
pub mod cfr;
mod checkpointing;
mod classifier;
mod compact;
mod dropout;
mod fine;
mod fusion;
mod gru;
mod image_encoder;
mod init;
mod loss;
mod ops;
mod segments;
mod vqa;
mod weight_norm;
pub mod weights;
pub mod xvlm;

pub use aoa_stack::{AoaStack, AoaStackConfig, Refined};
pub use attention::{AttentionOnAttention, AttentionOnAttentionConfig};
pub use bilinear::{BilinearAttention, BilinearAttentionConfig};
pub use checkpointing::Checkpointing;
pub use classifier::{Classifier, ClassifierActivation, ClassifierConfig};
pub use compact::{CompactBranch, CompactBranchConfig};
pub use dropout::{DropoutKeys, RowKeys};
pub use fine::{CfrBranch, FineBranch, FineBranchConfig};
pub use fusion::{AnswerFusion, AnswerFusionConfig};
pub use gru::{Gru, GruConfig};
pub use image_encoder::{
    GridEncoder, GridEncoderConfig, ImageEncoder, ImageEncoderConfig, ImageEncoderError,
};
pub use loss::{binary_cross_entropy, cross_entropy_of_probabilities};
pub use segments::{SegmentWatch, SegmentWork, watch_segments};
pub use vqa::{Regions, Vqa, VqaConfig, VqaInput, VqaOutput, VqaTargets, WordPieces};
pub use weight_norm::{WeightNormLinear, WeightNormLinearConfig};
