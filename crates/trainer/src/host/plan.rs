//! The plan of host memory.

use config_schema::{Preload, count};
use serde::Serialize;
use thiserror::Error;

use crate::memory::Bytes;

/// Part of the free memory of a host that data may take beside a GPU. The rest is for the driver, other programs, and what
/// the allocator rounds up: with preloaded images a process was seen to grow by 1.2 times what it asked for.
const OF_HOST: f64 = 0.75;

/// What a run keeps in host memory, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct HostPlan {
    /// The most at any time.
    pub total_bytes: u64,
    /// Questions, answers, names and vocabulary.
    pub data_bytes: u64,
    /// Images that can be preloaded: of the training and validation split, which are read every epoch.
    pub images: usize,
    /// Bytes of host memory that all of these images take.
    pub images_bytes: u64,
    /// How many of them are kept.
    pub preloaded_images: usize,
    /// Bytes of host memory that the preloaded images take.
    pub preloaded_bytes: u64,
    /// Samples that wait in the prefetch queues of training and evaluation.
    pub queue_bytes: u64,
    /// What workers take while they read images.
    pub decoding_bytes: u64,
    /// Batches on their way to the model.
    pub batch_bytes: u64,
    /// The order of the samples.
    pub order_bytes: u64,
    /// Encoded images of the samples in the shuffle buffer.
    pub buffer_bytes: u64,
    /// Bytes of images that the training split may keep.
    #[serde(skip)]
    pub training_limit: u64,
    /// Bytes of images that the validation split may keep.
    #[serde(skip)]
    pub validation_limit: u64,
}

/// Memory for data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostBudget {
    /// Host memory beside a GPU, in bytes.
    Own(u64),
    /// On the CPU: bytes that data and training share.
    Shared(u64),
}

impl HostBudget {
    /// Of this many bytes of host memory that are free beside a GPU.
    pub fn of_free(bytes: u64) -> Self {
        Self::Own((bytes as f64 * OF_HOST) as u64)
    }

    /// The bytes.
    pub fn bytes(self) -> u64 {
        match self {
            Self::Own(bytes) | Self::Shared(bytes) => bytes,
        }
    }
}

impl HostPlan {
    /// The plan, where it fits a budget of which training takes a part.
    pub(super) fn within(
        self,
        budget: HostBudget,
        training_bytes: u64,
        keys: HostKeys,
    ) -> Result<Self, Box<HostRefusal>> {
        if self.total_bytes.saturating_add(training_bytes) <= budget.bytes() {
            return Ok(self);
        }
        Err(Box::new(HostRefusal {
            plan: self,
            budget,
            training_bytes,
            keys,
        }))
    }

    /// What takes the memory, in words, the most first.
    pub fn parts(&self) -> Vec<(String, u64)> {
        let mut parts = vec![
            ("data set and vocabulary".to_owned(), self.data_bytes),
            (
                count(self.preloaded_images, "preloaded image"),
                self.preloaded_bytes,
            ),
            ("prefetch queue".to_owned(), self.queue_bytes),
            ("images being read".to_owned(), self.decoding_bytes),
            ("batches".to_owned(), self.batch_bytes),
            ("order of samples".to_owned(), self.order_bytes),
            ("shuffle buffer".to_owned(), self.buffer_bytes),
        ];
        parts.retain(|(_, bytes)| *bytes > 0);
        parts.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        parts
    }
}

/// A run whose data does not fit into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{}", self.describe())]
pub struct HostRefusal {
    /// What it would keep.
    pub plan: HostPlan,
    /// What there is.
    pub budget: HostBudget,
    /// What training takes of the budget with micro-batches of one sample, by plan.
    pub training_bytes: u64,
    pub(super) keys: HostKeys,
}

/// The settings that decide which cure there is for a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HostKeys {
    pub(super) preload: Preload,
    pub(super) use_compression: bool,
}

impl HostRefusal {
    fn describe(&self) -> String {
        let plan = &self.plan;
        let data = Bytes(plan.total_bytes);
        let parts = plan.parts().into_iter().take(3);
        let parts: Vec<_> = parts
            .map(|(part, bytes)| format!("{part} {}", Bytes(bytes)))
            .collect();
        let parts = parts.join(", ");
        let bytes = Bytes(self.budget.bytes());
        match self.budget {
            HostBudget::Own(_) => {
                format!("data takes {data} of host memory, and there are {bytes} for it ({parts})")
            }
            HostBudget::Shared(_) => format!(
                "data takes {data} and training {}, and the memory budget is {bytes} ({parts})",
                Bytes(self.training_bytes)
            ),
        }
    }

    /// Which key to change.
    pub fn help(&self) -> &'static str {
        let plan = &self.plan;
        let queue = plan.queue_bytes.max(plan.decoding_bytes);
        let HostKeys {
            preload,
            use_compression,
        } = self.keys;
        if preload == Preload::On && use_compression {
            "set `data_loading.preload_data` to \"auto\", which keeps as many images as fit, or to false"
        } else if preload == Preload::On {
            "set `data_loading.preload_data` to \"auto\", which keeps as many images as fit, or to false; \
             `data_loading.use_compression=true` keeps images in less memory"
        } else if plan.buffer_bytes > queue.max(plan.batch_bytes).max(plan.data_bytes) {
            "lower `data_loading.shuffle_buffer_size`, so that fewer images wait in memory to be mixed"
        } else if queue >= plan.batch_bytes.max(plan.data_bytes) {
            "lower `memory_optimization.prefetch_factor` or `memory_optimization.num_workers`, so that fewer samples wait in \
             memory; a smaller `dataset.image_size` makes each of them smaller"
        } else if plan.batch_bytes >= plan.data_bytes {
            "lower `training.batch_size`, `training.update_freq` or `evaluation.batch_size`, or `dataset.image_size`"
        } else {
            "the questions and answers alone take this: train on a part of them, or with more memory"
        }
    }
}
