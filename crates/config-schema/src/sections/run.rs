use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::values::{Device, DeviceMemory, KeyPath};

/// What the preset is for. Two presets may differ in this section and still train the same model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PresetInfo {
    /// One line on the device and the trade the preset makes, shown in listings.
    pub description: String,
    /// The least total device memory the preset is meant for, in bytes with a unit such as "22GiB". Empty: the preset
    /// is not for a GPU, and is never picked for one.
    pub min_device_memory: DeviceMemory,
    /// The least host memory that a machine needs for the preset, in bytes with a unit such as "30GiB": what `aoa presets
    /// check` compares with the host memory that a run keeps (preloaded images, the prefetch queue, the data set) and, for
    /// a preset without GPU, with the planned peak on top. Empty: not stated.
    pub min_host_memory: DeviceMemory,
}

/// How the learning rates of a family go with its micro-batches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LearningRates {
    /// A member with smaller micro-batches never has a higher rate.
    #[default]
    Falling,
    /// All members have the same rates.
    Equal,
    /// Nothing is promised.
    Free,
}

/// The promise a set of presets makes together: the same effective batch on every device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Family {
    /// Name of the family; presets with the same name are compared with one another.
    pub name: String,
    /// Samples of one optimizer update that every member of the family promises.
    #[schemars(range(min = 1, max = 268_435_456))]
    pub effective_batch: usize,
    /// How many samples a member's effective batch may lie from `effective_batch`. 0: members must match exactly.
    #[schemars(range(max = 268_435_456))]
    pub max_distance: usize,
    /// How `training.lr` and `training.xvlm_lr` of the members go with their `training.batch_size`: "falling" (smaller
    /// micro-batches never have a higher rate), "equal" (all have the same) or "free".
    pub learning_rates: LearningRates,
    /// Keys, as `section.key`, that may differ between members although they change the result. All other keys that
    /// decide the result and take no memory, such as epochs and seed, have the same value in every member.
    #[schemars(length(max = 100))]
    pub may_differ: Vec<KeyPath>,
}

impl Default for Family {
    fn default() -> Self {
        Self {
            name: "vqa".to_owned(),
            effective_batch: 32,
            max_distance: 2,
            learning_rates: LearningRates::Falling,
            may_differ: vec![KeyPath("model.dropout".to_owned())],
        }
    }
}

/// The device that trains and how it is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Hardware {
    /// Where to train: "auto" (the best GPU that `CUDA_VISIBLE_DEVICES` leaves to the run, where there is one and the preset is
    /// for GPUs, otherwise the CPU), "cpu", "cuda:N" (GPU N of those that `CUDA_VISIBLE_DEVICES` leaves, counted from 0), "cuda"
    /// (the first of them) or "wgpu".
    pub device: Device,
    /// Path of the NVIDIA management library (libnvidia-ml) that the device probe loads. Empty: the system's.
    pub nvml_library: String,
    /// Device memory that the run may use, in bytes with a unit such as "12GiB". Empty: the fraction
    /// `memory_optimization.max_memory_usage` of the device's memory and no more than is free of it; on the CPU the fraction of what
    /// the machine has to give.
    pub memory_budget: DeviceMemory,
    /// Micro-batches computed at the same time, each on a thread of its own: uses more CPU cores and memory, changes
    /// no result. On the CPU only. At most as many as an effective batch has micro-batches of `training.batch_size` samples.
    #[schemars(range(min = 1, max = 256))]
    pub parallel_micro_batches: usize,
}

impl Default for Hardware {
    fn default() -> Self {
        Self {
            device: Device::default(),
            nvml_library: String::new(),
            memory_budget: DeviceMemory::default(),
            parallel_micro_batches: 1,
        }
    }
}

/// How the model is measured while it trains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Evaluation {
    /// Samples of one forward pass in evaluation. 0: as `training.batch_size`. No gradients are kept, so a larger
    /// value fits than in training; it changes the speed, not the result.
    #[schemars(range(max = 65_536))]
    pub batch_size: usize,
    /// Epochs from one evaluation on the validation split to the next.
    #[schemars(range(min = 1, max = 100_000))]
    pub every_epochs: usize,
    /// Steps from one evaluation on the validation split to the next, beside those by epoch. 0: by epoch alone.
    #[schemars(range(max = 1_000_000_000))]
    pub every_steps: usize,
    /// Evaluations on the validation split without a better accuracy after which training ends; the best checkpoint is the
    /// result. 0: training takes all of its steps.
    #[schemars(range(max = 100_000))]
    pub patience: usize,
    /// Epochs for which a baseline is trained that sees the question and a zeroed image; the margin to it shows that the
    /// model looks at the image. Takes the time of this many epochs, after the run. 0: none.
    #[schemars(range(max = 100_000))]
    pub question_only_epochs: usize,
}

impl Default for Evaluation {
    fn default() -> Self {
        Self {
            batch_size: 0,
            every_epochs: 1,
            every_steps: 0,
            patience: 0,
            question_only_epochs: 1,
        }
    }
}

/// When the state of a run is saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Checkpoint {
    /// Steps (optimizer updates) from one checkpoint to the next. 0: at the end of every epoch only.
    #[schemars(range(max = 1_000_000_000))]
    pub every_steps: usize,
    /// Checkpoints kept besides the best one; older ones are deleted. Each holds the weights and the optimizer state,
    /// about three times the size of the weights.
    #[schemars(range(min = 1, max = 10_000))]
    pub keep_last: usize,
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self {
            every_steps: 0,
            keep_last: 2,
        }
    }
}

/// Where a run writes and how often it reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Logging {
    /// Folder of the run. Empty: a new folder under `runs/`.
    pub run_dir: String,
    /// Steps (optimizer updates) from one line of metrics to the next.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub every_steps: usize,
    /// Seconds from one sample of the GPU to the next, with memory, utilisation, temperature, power and processes, for
    /// `memory.jsonl`. 0: none.
    #[schemars(range(max = 86_400))]
    pub card_seconds: u64,
}

impl Default for Logging {
    fn default() -> Self {
        Self {
            run_dir: String::new(),
            every_steps: 10,
            card_seconds: 10,
        }
    }
}
