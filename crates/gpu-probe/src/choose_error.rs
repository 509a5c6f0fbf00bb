//! Why no device or no preset can be chosen.

use crate::cuda_device::gib;
use crate::visible::{BY_BUS, DEVICE_ORDER};

/// Why no preset can be chosen. [`hint`](Self::hint) says what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChooseError {
    /// A GPU was asked for on a machine without driver.
    #[error("a CUDA device was requested, and there is no NVIDIA driver: {reason}")]
    NoDriver {
        /// What looking for the driver gave.
        reason: String,
    },
    /// The driver runs and cannot say what GPUs there are.
    #[error("the NVIDIA driver cannot list its GPUs: {reason}")]
    GpusUnreadable {
        /// The driver's error.
        reason: String,
    },
    /// A GPU was asked for, and the driver has none.
    #[error("a CUDA device was requested, and the NVIDIA driver reports no GPU")]
    NoGpu,
    /// The GPU asked for does not exist.
    #[error("there is no GPU {requested}; the GPUs here are: {}", existing.join(", "))]
    NoSuchGpu {
        /// Index asked for.
        requested: u32,
        /// `index: name` of those that exist.
        existing: Vec<String>,
    },
    /// A GPU was asked for that is not among those that this process may use.
    #[error(
        "there is no cuda:{requested} for this process: {list} leaves {}",
        if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
    )]
    Hidden {
        /// CUDA's ordinal asked for.
        requested: u32,
        /// `CUDA_VISIBLE_DEVICES` with its value.
        list: String,
        /// Each GPU that is left, as `cuda:0 = GPU 1 (name)`.
        shown: Vec<String>,
    },
    /// The environment hides every GPU.
    #[error(
        "{list} hides every GPU from this process, {count} in all{}",
        ignored.as_ref().map_or_else(String::new, |why| format!(": {why}"))
    )]
    AllHidden {
        /// `CUDA_VISIBLE_DEVICES` with its value.
        list: String,
        /// GPUs of the machine.
        count: usize,
        /// What is wrong with the value, if something is.
        ignored: Option<String>,
    },
    /// GPUs are named by number, and the environment has CUDA number them in an order that nobody else knows.
    #[error(
        "{DEVICE_ORDER}=\"{order}\" makes CUDA number these different GPUs by speed, so a number does not say which one is meant"
    )]
    UnknownOrder {
        /// Value of `CUDA_DEVICE_ORDER`.
        order: String,
    },
    /// The size of every GPU in question is unknown.
    #[error("no GPU whose memory can be read: {}", gpus.join("; "))]
    MemoryUnreadable {
        /// Each GPU and the reason.
        gpus: Vec<String>,
    },
    /// The GPU, or the MIG instance of one, is smaller than every preset.
    #[error(
        "no preset fits: {gpu} has {}, and the smallest preset, \"{smallest}\", needs {}",
        gib(*device_memory), gib(*needed)
    )]
    NoPresetFits {
        /// Name of the GPU, or which MIG instance of which GPU it is.
        gpu: String,
        /// Bytes of device memory it has; those of the instance, where it is one.
        device_memory: u64,
        /// The preset that needs least.
        smallest: String,
        /// Bytes of device memory that preset needs.
        needed: u64,
    },
    /// No candidate is for a GPU.
    #[error("none of the presets is for a GPU")]
    NoGpuPreset,
    /// No candidate is for a machine without GPU.
    #[error("none of the presets is for the CPU")]
    NoCpuPreset,
}

const TO_CPU: &str = "to train on the CPU, use `--preset cpu` or set `hardware.device=cpu`";

impl ChooseError {
    /// What a person can do.
    pub fn hint(&self) -> String {
        match self {
            Self::NoDriver { .. } | Self::NoGpu => TO_CPU.into(),
            Self::GpusUnreadable { .. } | Self::MemoryUnreadable { .. } => {
                format!("see whether `nvidia-smi` works; {TO_CPU}")
            }
            Self::NoSuchGpu { .. } => {
                "request one of these, or leave the index out for the one with the most memory"
                    .into()
            }
            Self::Hidden { .. } => {
                "name one of these, or change CUDA_VISIBLE_DEVICES; `aoa probe` marks the GPUs that it hides".into()
            }
            Self::AllHidden { .. } => {
                format!("change CUDA_VISIBLE_DEVICES, or unset it to use every GPU; {TO_CPU}")
            }
            Self::UnknownOrder { .. } => format!(
                "set {DEVICE_ORDER}={BY_BUS}, which numbers GPUs as `nvidia-smi` does, or name the GPU by its UUID in \
                 CUDA_VISIBLE_DEVICES"
            ),
            Self::NoPresetFits { .. } => format!(
                "`aoa presets derive --to gpu.toml` writes a preset for this GPU, to train with `--preset gpu.toml`; {TO_CPU}"
            ),
            Self::NoGpuPreset => {
                format!("name a preset with `min_device_memory`; {TO_CPU}")
            }
            Self::NoCpuPreset => "name a preset without `min_device_memory`".into(),
        }
    }
}
