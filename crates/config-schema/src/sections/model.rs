use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Size of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Model {
    /// Attention-on-attention layers in each stack. Parameters, time and activation memory grow in proportion.
    #[schemars(range(min = 1, max = 64))]
    pub aoa_layers: usize,
    /// Hidden size of the fine branch. Parameters grow with its square. `heads` must divide it.
    #[schemars(range(min = 1, max = 16_384))]
    pub num_hid: usize,
    /// Attention heads; each works on `num_hid / heads` channels.
    #[schemars(range(min = 1, max = 256))]
    pub heads: usize,
    /// Probability of dropping a unit in training. Larger values regularise more and train slower.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub dropout: f64,
    /// Size of a word embedding.
    #[schemars(range(min = 1, max = 16_384))]
    pub word_dim: usize,
    /// Channels of the image encoder. Its time and activation memory grow in proportion or faster.
    #[schemars(range(min = 1, max = 8192))]
    pub image_width: usize,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            aoa_layers: 4,
            num_hid: 768,
            heads: 8,
            dropout: 0.4,
            word_dim: 300,
            image_width: 128,
        }
    }
}

/// Number formats of the forward and backward pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionMode {
    /// 32-bit floats throughout.
    #[default]
    F32,
    /// bfloat16 activations: half the activation memory, the range of f32, fewer digits.
    Bf16,
    /// 16-bit floats with loss scaling: half the activation memory, a narrow range.
    F16,
}

/// Numeric precision of training.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Precision {
    /// Number format of activations; parameters and optimizer state stay f32.
    pub mode: PrecisionMode,
}

/// What is traded against device memory, and how samples are fetched ahead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MemoryOptimization {
    /// Let the micro-batch shrink when memory runs out and grow when there is room. The effective batch stays exact.
    pub dynamic_batch_size: bool,
    /// Part of the device memory that is the budget. What is left over is for the system and other programs.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub max_memory_usage: f64,
    /// Micro-batches of one optimizer update; the same fact as `training.update_freq`. Not stated: as that key, and 1
    /// where neither is stated.
    #[schemars(range(min = 1, max = 4096))]
    pub gradient_accumulation_steps: Option<usize>,
    /// Compute attention in blocks so that no whole score matrix is kept: less activation memory for a little time.
    pub memory_efficient_attention: bool,
    /// Keep only segment borders in the forward pass and rebuild each segment in the backward pass: much less
    /// activation memory for about a third more time.
    pub gradient_checkpointing: bool,
    /// Threads that decode images. More keep a fast device busy and cost host memory; the order of samples is the same.
    #[schemars(range(min = 1, max = 1024))]
    pub num_workers: usize,
    /// Micro-batches each worker may have ready: at most `num_workers` × `prefetch_factor` × `training.batch_size`
    /// samples wait in host memory.
    #[schemars(range(min = 1, max = 1024))]
    pub prefetch_factor: usize,
}

impl Default for MemoryOptimization {
    fn default() -> Self {
        Self {
            dynamic_batch_size: false,
            max_memory_usage: 0.85,
            gradient_accumulation_steps: None,
            memory_efficient_attention: false,
            gradient_checkpointing: false,
            num_workers: 8,
            prefetch_factor: 2,
        }
    }
}
