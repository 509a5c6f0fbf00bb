//! What a run takes, put together.

use std::collections::BTreeMap;

use config_schema::{Config, Device, MAX_UPDATE_FREQ};
use memory_planner::{Peak, Profile};
use model_api::Model;
use serde::Serialize;

use super::pass::{Pass, side_by_side};
use super::recording::Recording;
use super::worst_case::WorstCase;
use crate::error::TrainError;
use crate::plan::products::thread_buffers_bytes;

/// What a run does when its memory is at its most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannedPhase {
    /// The forward pass of a micro-batch in training.
    Forward,
    /// Its backward pass.
    Backward,
    /// The update of the parameters.
    Update,
    /// A forward pass without a graph.
    Evaluation,
}

/// The most memory in a phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PhasePeak {
    /// When.
    pub phase: PlannedPhase,
    /// The most bytes at any time of it.
    pub bytes: u64,
    /// The part of the model at work then, and what it does.
    pub at: String,
}

/// Bytes of a part of the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartBytes {
    /// Its path.
    pub part: String,
    /// The bytes.
    pub bytes: u64,
}

/// What a run takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The most bytes at any time.
    pub peak_bytes: u64,
    /// When that is.
    pub worst_phase: PlannedPhase,
    /// The most of every phase.
    pub phases: Vec<PhasePeak>,
    /// Samples of a micro-batch.
    pub micro_batch: usize,
    /// Samples of an evaluation batch.
    pub evaluation_batch: usize,
    /// Parameters and constants of the model.
    pub parameter_bytes: u64,
    /// The same by part.
    pub parameters: Vec<PartBytes>,
    /// One set of gradients.
    pub gradient_bytes: u64,
    /// A second set, where several micro-batches are added up.
    pub accumulated_bytes: u64,
    /// State of the optimizers.
    pub optimizer_bytes: u64,
    /// The moving average of the weights; 0 without one.
    pub average_bytes: u64,
    /// Buffers that the CPU backend's threads keep; none for a run on a GPU.
    pub thread_buffer_bytes: u64,
    /// What the forward pass of one sample leaves for the backward pass.
    pub activation_bytes_per_sample: u64,
    /// The same by part.
    pub activations: Vec<PartBytes>,
    /// What is there at the peak for a short time only: results on their way, gradients of activations, copies.
    pub workspace_bytes: u64,
}

/// What a switch saves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Saving {
    /// The assignment that makes it.
    pub set: String,
    /// The peak with it.
    pub peak_bytes: u64,
    /// How much less that is.
    pub saved_bytes: u64,
}

/// Plans a run on inputs of at most the given sizes.
///
/// # Errors
///
/// When the settings do not describe a model that can be built.
pub fn plan<M: Model>(settings: &Config, worst: &WorstCase) -> Result<Plan, TrainError> {
    let config = M::configure(settings, &worst.shape).map_err(TrainError::Model)?;
    let built = (settings, &config);
    let micro_batch = settings.training.batch_size;
    let evaluation_batch = settings.evaluation_batch_size();
    let single = Pass::of_training::<M>(built, worst, 1)?;
    let whole = Pass::of_training::<M>(built, worst, micro_batch)?;
    let answering = Pass::of_evaluation::<M>(built, worst, evaluation_batch)?;

    let side_by_side = side_by_side(settings, micro_batch);
    let gradients = whole.gradients();
    let accumulated = whole.accumulated(settings, micro_batch);
    let thread_buffer_bytes = thread_buffers(settings);
    let updating = whole.held() + whole.optimizer_state() + thread_buffer_bytes;
    let resting = updating + accumulated;
    let of_pass = |peak: Peak| resting + whole.moving(peak, side_by_side);
    let kept: u64 = whole.profile.between.values().sum();
    let phases = vec![
        PhasePeak {
            phase: PlannedPhase::Forward,
            bytes: of_pass(whole.profile.forward),
            at: place(&whole.recording, whole.profile.forward),
        },
        PhasePeak {
            phase: PlannedPhase::Backward,
            bytes: of_pass(whole.profile.backward),
            at: place(&whole.recording, whole.profile.backward),
        },
        PhasePeak {
            phase: PlannedPhase::Update,
            bytes: updating + gradients,
            at: "in place".to_owned(),
        },
        PhasePeak {
            phase: PlannedPhase::Evaluation,
            bytes: answering.held()
                + whole.optimizer_state()
                + thread_buffer_bytes
                + answering.answering(),
            at: place(&answering.recording, answering.profile.forward),
        },
    ];
    let worst_phase = phases
        .iter()
        .max_by_key(|phase| phase.bytes)
        .unwrap_or_else(|| unreachable!("there are four"));
    Ok(Plan {
        peak_bytes: worst_phase.bytes,
        worst_phase: worst_phase.phase,
        workspace_bytes: worst_phase
            .bytes
            .saturating_sub(resting + side_by_side as u64 * kept),
        micro_batch,
        evaluation_batch,
        parameter_bytes: whole.held(),
        parameters: by_part(&whole.recording),
        gradient_bytes: gradients,
        accumulated_bytes: accumulated,
        optimizer_bytes: whole.moments(),
        average_bytes: whole.average(),
        thread_buffer_bytes,
        activation_bytes_per_sample: single.profile.between.values().sum(),
        activations: activations(&single.recording, &single.profile),
        phases,
    })
}

/// The peak of a run that takes one sample at a time: where that is above the budget, no micro-batch fits.
///
/// # Errors
///
/// As [`plan`].
pub fn least<M: Model>(settings: &Config, worst: &WorstCase) -> Result<u64, TrainError> {
    let steps = Some(settings.effective_batch());
    let mut one = settings.clone();
    one.training.batch_size = 1;
    one.training.update_freq = steps;
    one.memory_optimization.gradient_accumulation_steps = steps;
    one.evaluation.batch_size = 1;
    one.hardware.parallel_micro_batches = 1;
    Ok(plan::<M>(&one, worst)?.peak_bytes)
}

/// Bytes of the buffers that threads keep from the start of a run on. A preset for GPUs says how much memory these have.
pub(super) fn thread_buffers(settings: &Config) -> u64 {
    let on_cpu = match settings.hardware.device {
        Device::Cpu => true,
        Device::Auto => settings.preset.min_device_memory.bytes().is_none(),
        Device::Cuda(_) | Device::Wgpu => false,
    };
    if on_cpu {
        thread_buffers_bytes() as u64
    } else {
        0
    }
}

/// Memory that each unused memory-saving switch would save, largest first. Switches
/// that are on already, or save nothing, are left out.
///
/// # Errors
///
/// As [`plan`].
pub fn savings<M: Model>(
    settings: &Config,
    worst: &WorstCase,
    planned: &Plan,
) -> Result<Vec<Saving>, TrainError> {
    let mut savings = Vec::new();
    for (set, switched) in switches::<M>(settings) {
        let peak_bytes = plan::<M>(&switched, worst)?.peak_bytes;
        let saved_bytes = planned.peak_bytes.saturating_sub(peak_bytes);
        if saved_bytes > 0 {
            savings.push(Saving {
                set,
                peak_bytes,
                saved_bytes,
            });
        }
    }
    savings.sort_by_key(|saving| std::cmp::Reverse(saving.saved_bytes));
    Ok(savings)
}

/// The configuration with one switch turned, and the assignments that turn it.
fn switches<M: Model>(settings: &Config) -> Vec<(String, Config)> {
    let turned = |set: String, turn: &dyn Fn(&mut Config)| {
        let mut config = settings.clone();
        turn(&mut config);
        (set, config)
    };
    let memory = &settings.memory_optimization;
    let mut switches = Vec::new();
    if !memory.gradient_checkpointing {
        let key = "memory_optimization.gradient_checkpointing";
        switches.push(turned(format!("{key}=true"), &|config| {
            config.memory_optimization.gradient_checkpointing = true;
        }));
    }
    if !memory.memory_efficient_attention {
        let key = "memory_optimization.memory_efficient_attention";
        switches.push(turned(format!("{key}=true"), &|config| {
            config.memory_optimization.memory_efficient_attention = true;
        }));
    }
    if settings.parallel_micro_batches() > 1 {
        switches.push(turned(
            "hardware.parallel_micro_batches=1".to_owned(),
            &|config| {
                config.hardware.parallel_micro_batches = 1;
            },
        ));
    }
    let own = M::memory_switches(settings).into_iter();
    switches.extend(own.map(|(set, switched)| (set.to_owned(), switched)));
    let half = settings.training.batch_size / 2;
    let effective = settings.effective_batch();
    let steps = effective.checked_div(half).unwrap_or(0);
    if half > 0 && effective.is_multiple_of(half) && steps <= MAX_UPDATE_FREQ {
        let sets = format!("training.batch_size={half}, training.update_freq={steps}");
        switches.push(turned(sets, &|config| {
            config.training.batch_size = half;
            config.training.update_freq = Some(steps);
            config.memory_optimization.gradient_accumulation_steps = Some(steps);
        }));
    }
    switches
}

/// The part of the model at a peak, and what it does there.
fn place(recording: &Recording, peak: Peak) -> String {
    let operation = recording.trace.operations.get(peak.operation);
    operation.map_or_else(String::new, |operation| {
        format!("{}: {}", recording.parts[operation.part], operation.name)
    })
}

fn by_part(recording: &Recording) -> Vec<PartBytes> {
    let mut parts: BTreeMap<&str, u64> = BTreeMap::new();
    for parameter in &recording.parameters {
        *parts.entry(&parameter.part).or_default() += parameter.bytes;
    }
    let parts = parts.into_iter().map(|(part, bytes)| PartBytes {
        part: part.to_owned(),
        bytes,
    });
    parts.collect()
}

fn activations(recording: &Recording, profile: &Profile) -> Vec<PartBytes> {
    let parts = recording.parts.iter().enumerate();
    let bytes = parts.filter_map(|(index, part)| {
        let bytes = *profile.between.get(&index)?;
        let part = part.clone();
        Some(PartBytes { part, bytes })
    });
    bytes.filter(|part| part.bytes > 0).collect()
}
