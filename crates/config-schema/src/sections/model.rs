use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The branches a model may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Branches {
    /// Bilinear attention and attention on attention over words and regions, and a classifier.
    Fine,
    /// X-VLM: reads the question while looking at the image, then generates and ranks answers.
    Coarse,
    /// Both, joined by weights that are learned for every answer.
    #[default]
    Both,
}

/// Forms of the fine branch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FineForm {
    /// A smaller one that learns from few samples.
    Compact,
    /// As published for coarse-to-fine reasoning.
    #[default]
    Cfr,
}

/// The image encoders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImageEncoder {
    /// A small convolutional one, which learns from few images.
    Grid,
    /// That of X-VLM.
    #[default]
    Swin,
}

/// The branches of the model, and the size of the fine one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Model {
    /// Which branches there are: "fine", "coarse" or "both".
    #[schemars(extend("x-takes-memory" = true))]
    pub branches: Branches,
    /// Form of the fine branch: "cfr", as published, or "compact", which learns faster on small data sets.
    #[schemars(extend("x-takes-memory" = true))]
    pub fine_form: FineForm,
    /// What encodes images for both branches: "swin", sized by the keys of `xvlm`, or "grid", sized by `image_width`.
    #[schemars(extend("x-takes-memory" = true))]
    pub image_encoder: ImageEncoder,
    /// Weight of the fused answer in the loss of "both"; either branch has weight 1.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub fusion_ratio: f64,
    /// Attention-on-attention layers, shared by question and image. Parameters, time and activation memory grow in
    /// proportion.
    #[schemars(range(min = 1, max = 64))]
    #[schemars(extend("x-takes-memory" = true))]
    pub aoa_layers: usize,
    /// Hidden size of the fine branch. Parameters grow with its square. `heads` must divide it.
    #[schemars(range(min = 1, max = 16_384))]
    #[schemars(extend("x-takes-memory" = true))]
    pub num_hid: usize,
    /// Attention heads; each works on `num_hid / heads` channels.
    #[schemars(range(min = 1, max = 256))]
    #[schemars(extend("x-takes-memory" = true))]
    pub heads: usize,
    /// Bilinear attention maps that join question and image, one after the other.
    #[schemars(range(min = 1, max = 64))]
    #[schemars(extend("x-takes-memory" = true))]
    pub glimpses: usize,
    /// Probability of dropping a unit of the attention-on-attention layers and the classifier in training. Larger values
    /// regularise more and train slower.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub dropout: f64,
    /// The same in the bilinear attention of the form "cfr": in front of its projections, and on its attention maps.
    #[schemars(inner(range(min = 0.0, max = 0.999_999)))]
    pub fusion_dropout: [f64; 2],
    /// Whether the fine branch looks at region features where the data set has them. Otherwise, and where it has none, the
    /// cells of the image encoder take their place.
    pub region_features: bool,
    /// Whether the edges and the size of a region are appended to its features, also where it is a cell of a "swin" image
    /// encoder; cells of a "grid" have learned their position. Published weights of "cfr" need it off.
    pub region_boxes: bool,
    /// Weight of a question's entities in the form "cfr", where the data set has them; 0 does without.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub entity_weight: f64,
    /// Weight of the regions in an image's statistical words in the form "cfr", where the data set has such words; 0 does
    /// without the words.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub statistical_weight: f64,
    /// Channels of a table of word embeddings; the form "cfr" has two.
    #[schemars(range(min = 1, max = 16_384))]
    #[schemars(extend("x-takes-memory" = true))]
    pub word_dim: usize,
    /// Channels of the image encoder "grid". Its time and activation memory grow in proportion or faster.
    #[schemars(range(min = 1, max = 8192))]
    #[schemars(extend("x-takes-memory" = true))]
    pub image_width: usize,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            branches: Branches::Both,
            fine_form: FineForm::Cfr,
            image_encoder: ImageEncoder::Swin,
            fusion_ratio: 0.1,
            aoa_layers: 4,
            num_hid: 768,
            heads: 8,
            glimpses: 2,
            dropout: 0.4,
            fusion_dropout: [0.2, 0.5],
            region_features: true,
            region_boxes: true,
            entity_weight: 0.1,
            statistical_weight: 0.01,
            word_dim: 300,
            image_width: 128,
        }
    }
}

/// Number formats of products: projections, attention and convolutions. All else is f32 in every mode.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionMode {
    /// 32-bit floats throughout.
    #[default]
    F32,
    /// 32-bit floats in memory, of which NVIDIA's matrix units multiply 19 bits. CUDA only.
    Tf32,
    /// bfloat16: half the memory of what products keep, the range of f32, 8 bits of precision.
    Bf16,
    /// 16-bit floats with loss scaling: half the memory of what products keep, 11 bits of precision, up to 65504.
    F16,
    /// What the device is best at: `bf16` on NVIDIA GPUs from compute capability 8.0 on, `f16` on other GPUs that have it,
    /// `f32` elsewhere. A run keeps what it began with.
    Auto,
}

impl PrecisionMode {
    /// What the configuration calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::Auto => "auto",
        }
    }
}

/// Numeric precision of training.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Precision {
    /// Number format of products in training, evaluation and predictions. Weights, gradients and optimizer state stay f32.
    #[schemars(extend("x-takes-memory" = true))]
    pub mode: PrecisionMode,
    /// Exponent of the power of two that the loss is multiplied by at first with `f16`, so that small gradients do not
    /// vanish. It is divided out of the gradients. If a gradient overflows, the scale is halved and the step is repeated.
    #[schemars(range(min = 0, max = 24))]
    pub loss_scale_exponent: u32,
    /// Steps without an overflow after which the loss scale is doubled; 0: never.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub loss_scale_growth_steps: usize,
}

impl Default for Precision {
    fn default() -> Self {
        Self {
            mode: PrecisionMode::F32,
            loss_scale_exponent: 16,
            loss_scale_growth_steps: 2000,
        }
    }
}

/// What is traded against device memory, and how samples are fetched ahead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MemoryOptimization {
    /// Let the budget decide how many samples a micro-batch has: as many as fit by plan. Off: `training.batch_size`
    /// samples, or fewer where these do not fit by plan. Where memory runs out, a micro-batch is halved, and grows back after
    /// a while. The effective batch stays exact.
    pub dynamic_batch_size: bool,
    /// Part of the device memory that is the budget, unless `hardware.memory_budget` states it. What is left over is for
    /// the system and other programs.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub max_memory_usage: f64,
    /// Micro-batches of one optimizer update; the same fact as `training.update_freq`. Not stated: as that key, and 1
    /// where neither is stated.
    #[schemars(range(min = 1, max = super::training::MAX_UPDATE_FREQ))]
    pub gradient_accumulation_steps: Option<usize>,
    /// Compute attention in blocks so that no whole score matrix is kept: less activation memory, slightly slower.
    pub memory_efficient_attention: bool,
    /// Keep only segment borders in the forward pass and rebuild each segment in the backward pass: much less
    /// activation memory for about a third more time.
    pub gradient_checkpointing: bool,
    /// Layers of a segment. The last segment of each stack of layers is kept, not rebuilt. 1 saves most memory; longer
    /// segments rebuild fewer layers, for less time. 0 leaves the length to the memory budget: least is rebuilt that fits
    /// with `training.batch_size` samples by plan, and a resumed run keeps the length it began with. Without a budget it
    /// is 1.
    #[schemars(range(min = 0, max = 1000))]
    pub checkpoint_segment: usize,
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
            checkpoint_segment: 1,
            num_workers: 8,
            prefetch_factor: 2,
        }
    }
}
