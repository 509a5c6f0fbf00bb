//! BERT as X-VLM uses it: a text encoder whose upper layers also look at an image.

mod attention;
mod embeddings;
mod encoder;
mod init;
mod layer;
mod model;
mod names;
mod tokens;

pub use attention::Context;
pub use model::{Bert, BertConfig};
pub use names::{BUFFERS, pytorch_name};
pub use tokens::{PADDING_ID, Tokens};

pub(super) use init::{layer_norm, linear};
