use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most micro-batches of one optimizer update.
pub const MAX_UPDATE_FREQ: usize = 4096;

/// How much is trained, and how fast it learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Training {
    /// Samples of a micro-batch, one forward and backward pass. Activation memory grows in proportion.
    #[schemars(range(min = 1, max = 65_536))]
    #[schemars(extend("x-takes-memory" = true))]
    pub batch_size: usize,
    /// Micro-batches of one optimizer update; the same fact as `memory_optimization.gradient_accumulation_steps`. Not
    /// stated: as that key, and 1 where neither is stated. Effective batch = `batch_size` × `update_freq`.
    #[schemars(range(min = 1, max = MAX_UPDATE_FREQ))]
    #[schemars(extend("x-takes-memory" = true))]
    pub update_freq: Option<usize>,
    /// Peak learning rate of the fine branch and the fusion.
    #[schemars(range(max = 10.0), extend("exclusiveMinimum" = 0.0))]
    pub lr: f64,
    /// Peak learning rate of image encoder and coarse branch. 0 freezes them.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub xvlm_lr: f64,
    /// Whether image encoder and coarse branch are trained. Off: they keep neither gradients nor optimizer state nor
    /// activations, which is most of the memory.
    #[schemars(extend("x-takes-memory" = true))]
    pub tune_xvlm: bool,
    /// Passes over the training split.
    #[schemars(range(min = 1, max = 100_000))]
    pub epochs: usize,
    /// Steps (optimizer updates) after which training stops, even within an epoch. 0: no limit.
    #[schemars(range(max = 1_000_000_000))]
    pub max_steps: usize,
    /// Decay of the moving average of the weights (EMA), such as 0.999. The average is what is evaluated, tested and exported; it
    /// takes as much memory as the trained weights. 0: none.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub ema: f64,
    /// Seed of initial weights, sample order and dropout.
    #[schemars(range(max = 9_223_372_036_854_775_807_u64))]
    pub seed: u64,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            batch_size: 8,
            update_freq: None,
            lr: 2.5e-4,
            xvlm_lr: 5e-5,
            tune_xvlm: true,
            epochs: 20,
            max_steps: 0,
            ema: 0.0,
            seed: 1,
        }
    }
}

/// The published forms of `AdamW`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerForm {
    /// As X-VLM was trained.
    Xvlm,
    /// As `torch.optim.AdamW`.
    Torch,
}

/// The two optimizers: Adamax for the fine branch (`fine_*`), `AdamW` for the X-VLM encoders (`xvlm_*`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Optimizer {
    /// Decay rates of the first and the second moment of the fine branch.
    #[schemars(inner(range(min = 0.0, max = 0.999_999)))]
    pub fine_betas: [f64; 2],
    /// Added to the denominator of the fine branch's update.
    #[schemars(range(min = 1e-16, max = 1.0))]
    pub fine_eps: f64,
    /// Weight decay of the fine branch, per unit of learning rate.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub fine_weight_decay: f64,
    /// Decay rates of the first and the second moment of the encoders.
    #[schemars(inner(range(min = 0.0, max = 0.999_999)))]
    pub xvlm_betas: [f64; 2],
    /// Added to the denominator of the encoders' update.
    #[schemars(range(min = 1e-16, max = 1.0))]
    pub xvlm_eps: f64,
    /// Decoupled weight decay of the encoders, per unit of learning rate.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub xvlm_weight_decay: f64,
    /// Form of `AdamW`: "xvlm" adds epsilon before bias correction and decays after the update, as X-VLM was trained;
    /// "torch" does both the other way round.
    pub xvlm_form: OptimizerForm,
    /// Largest global norm of the gradient; a longer gradient is scaled down to it. 0: no clipping.
    #[schemars(range(min = 0.0, max = 1e6))]
    pub clip_norm: f64,
}

impl Default for Optimizer {
    fn default() -> Self {
        Self {
            fine_betas: [0.9, 0.999],
            fine_eps: 1e-8,
            fine_weight_decay: 0.0,
            xvlm_betas: [0.9, 0.98],
            xvlm_eps: 1e-8,
            xvlm_weight_decay: 0.01,
            xvlm_form: OptimizerForm::Xvlm,
            clip_norm: 0.25,
        }
    }
}

/// Shapes of a learning-rate schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleKind {
    /// By epoch: the `cfr_warmup_factors` in turn, then decay by `cfr_decay_factor`.
    Cfr,
    /// By step: linear warm-up, then linear decay to 0.
    Linear,
    /// By step: linear warm-up, then half a cosine down to 0.
    Cosine,
    /// No change.
    Constant,
}

/// How the learning rates change over the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// Schedule of `training.lr`.
    pub fine: ScheduleKind,
    /// Schedule of `training.xvlm_lr`.
    pub xvlm: ScheduleKind,
    /// Part of all steps spent warming up, for "linear" and "cosine".
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub warmup_fraction: f64,
    /// Factors of the learning rate in the first epochs of "cfr", one an epoch; the last one holds until decay begins.
    #[schemars(length(min = 1, max = 1000), inner(range(min = 0.0, max = 1000.0)))]
    pub cfr_warmup_factors: Vec<f64>,
    /// What each decay of "cfr" multiplies the learning rate by.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub cfr_decay_factor: f64,
    /// Epoch, counted from 0, at which the decay of "cfr" begins.
    #[schemars(range(max = 100_000))]
    pub cfr_decay_start: usize,
    /// Epochs from one decay of "cfr" to the next.
    #[schemars(range(min = 1, max = 100_000))]
    pub cfr_decay_every: usize,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            fine: ScheduleKind::Cfr,
            xvlm: ScheduleKind::Linear,
            warmup_fraction: 0.1,
            cfr_warmup_factors: vec![0.5, 1.0, 1.5, 2.0],
            cfr_decay_factor: 0.25,
            cfr_decay_start: 10,
            cfr_decay_every: 2,
        }
    }
}
