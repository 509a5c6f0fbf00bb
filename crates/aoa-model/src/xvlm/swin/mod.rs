//! The image encoder: a Swin transformer (Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted
//! Windows", ICCV 2021) in the form that X-VLM uses.
//!
//! Between the layers an image is a grid of cells, `[batch, rows, columns, channels]`.

mod attention;
mod block;
mod buffers;
mod config;
mod encoder;
mod init;
mod patches;
mod resize;
mod window;

pub use block::Block;
pub use block::drop_path;
pub use buffers::BUFFERS;
pub use config::SwinConfig;
pub use encoder::{Stage, Swin, pytorch_name};
pub use patches::{PatchEmbedding, PatchMerging};
pub use resize::{ResizeError, resize_bias_table};
