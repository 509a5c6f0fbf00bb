use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Size of X-VLM: the image encoder "swin" and the coarse branch. The defaults are the published base model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Xvlm {
    /// Word-piece vocabulary: a `vocab.txt` or `tokenizer.json` of an uncased BERT. Empty: the words of the training
    /// questions and answers.
    pub vocabulary: String,
    /// Weights to begin with: a PyTorch checkpoint or safetensors file of X-VLM in the sizes below, and then with the
    /// vocabulary it was trained with. Empty: weights are drawn.
    pub weights: String,
    /// Height and width of a patch, in pixels.
    #[schemars(range(min = 1, max = 64))]
    #[schemars(extend("x-takes-memory" = true))]
    pub patch_size: usize,
    /// Channels of the first stage of the image encoder; each further stage has twice as many.
    #[schemars(range(min = 1, max = 4096))]
    #[schemars(extend("x-takes-memory" = true))]
    pub embed_dim: usize,
    /// Blocks of each stage of the image encoder.
    #[schemars(length(min = 1, max = 8), inner(range(min = 1, max = 256)))]
    #[schemars(extend("x-takes-memory" = true))]
    pub depths: Vec<usize>,
    /// Attention heads of each stage of the image encoder.
    #[schemars(length(min = 1, max = 8), inner(range(min = 1, max = 256)))]
    #[schemars(extend("x-takes-memory" = true))]
    pub image_heads: Vec<usize>,
    /// Height and width of an attention window, in cells. It must divide the grid of every stage that is larger.
    #[schemars(range(min = 1, max = 128))]
    #[schemars(extend("x-takes-memory" = true))]
    pub window: usize,
    /// Probability of dropping the last block of the image encoder for a sample in training; it rises linearly from 0 at the
    /// first block.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub drop_path_rate: f64,
    /// Hidden size of text encoder and decoder. `text_heads` must divide it.
    #[schemars(range(min = 1, max = 16_384))]
    #[schemars(extend("x-takes-memory" = true))]
    pub text_hidden: usize,
    /// Layers of the text encoder.
    #[schemars(range(min = 1, max = 128))]
    #[schemars(extend("x-takes-memory" = true))]
    pub text_layers: usize,
    /// Attention heads of text encoder and decoder.
    #[schemars(range(min = 1, max = 256))]
    #[schemars(extend("x-takes-memory" = true))]
    pub text_heads: usize,
    /// Channels inside the feed-forward networks of text encoder and decoder.
    #[schemars(range(min = 1, max = 65_536))]
    #[schemars(extend("x-takes-memory" = true))]
    pub text_intermediate: usize,
    /// First layer of the text encoder, counted from 0, that looks at the image; all after it do. Less than `text_layers`.
    #[schemars(range(max = 127))]
    #[schemars(extend("x-takes-memory" = true))]
    pub fusion_layer: usize,
    /// Layers of the answer decoder.
    #[schemars(range(min = 1, max = 128))]
    #[schemars(extend("x-takes-memory" = true))]
    pub decoder_layers: usize,
    /// Probability of dropping a unit of text encoder and decoder in training.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub dropout: f64,
    /// Answers that are ranked by their whole text, chosen by their first word. Time of an answer grows in proportion.
    #[schemars(range(min = 1, max = 100_000))]
    #[schemars(extend("x-takes-memory" = true))]
    pub k_test: usize,
}

impl Default for Xvlm {
    fn default() -> Self {
        Self {
            vocabulary: String::new(),
            weights: String::new(),
            patch_size: 4,
            embed_dim: 128,
            depths: vec![2, 2, 18, 2],
            image_heads: vec![4, 8, 16, 32],
            window: 15,
            drop_path_rate: 0.1,
            text_hidden: 768,
            text_layers: 12,
            text_heads: 12,
            text_intermediate: 3072,
            fusion_layer: 6,
            decoder_layers: 6,
            dropout: 0.1,
            k_test: 128,
        }
    }
}
