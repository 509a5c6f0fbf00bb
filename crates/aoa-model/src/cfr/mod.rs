//! The fine branch of coarse-to-fine reasoning (Nguyen et al., "Coarse-to-Fine Reasoning for Visual Question Answering",
//! 2022) and the parts of bilinear attention networks (Kim et al., 2018) that it is made of.

mod bc_net;
mod bi_attention;
mod counter;
mod fc_net;
mod fine_branch;
mod fusion;
mod masked;
mod piecewise_linear;
mod question_embedding;
mod word_embedding;

pub use bc_net::{BcNet, BcNetConfig};
pub use bi_attention::{AttentionMaps, BiAttention, BiAttentionConfig};
pub use counter::{Counter, CounterConfig};
pub use fc_net::{FcNet, FcNetConfig};
pub use fine_branch::{
    Entities, FineBranch, FineBranchConfig, FineInput, ImageSide, StatisticalWords, pytorch_name,
};
pub use fusion::{BanFusion, BanFusionConfig};
pub use masked::Masked;
pub use piecewise_linear::PiecewiseLinear;
pub use question_embedding::{QuestionEmbedding, QuestionEmbeddingConfig};
pub use word_embedding::{WordEmbedding, WordEmbeddingConfig};
