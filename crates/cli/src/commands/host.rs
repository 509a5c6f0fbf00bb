//! Host memory for data: what there is, and what of it is used.

use config_schema::{Config, Device};
use model_api::Model;
use serde::Serialize;
use trainer::TrainError;
use trainer::host::{Data, HostBudget, HostNeeds, HostPlan};
use trainer::memory::{Capacity, budget};
use trainer::plan::WorstCase;

use crate::figures::size;
use crate::output;
use crate::settings::Settings;

/// Host memory for data, and where it comes from.
#[derive(Debug, Clone)]
pub struct Room {
    /// None if it cannot be read.
    pub budget: Option<HostBudget>,
    /// In words.
    pub origin: String,
}

impl Room {
    /// What the machine has that runs these settings: this one, or where it has no GPU for them, the smallest that the preset
    /// is for. `device_memory` is that of the device that trains.
    pub fn of(settings: &Settings, config: &Config, device_memory: Option<Capacity>) -> Self {
        if settings.device == Device::Cpu && config.preset.min_device_memory.bytes().is_none() {
            return Self {
                budget: budget(config, device_memory).map(HostBudget::Shared),
                origin: "the budget of both".to_owned(),
            };
        }
        let here = settings.device != Device::Cpu;
        let stated = config.preset.min_host_memory.bytes().filter(|_| !here);
        let whose = match stated {
            Some(_) => "the smallest host that the preset is for",
            None => "the host",
        };
        let bytes = stated.or(settings.host_memory);
        Self {
            budget: bytes.map(HostBudget::of_free),
            origin: match bytes {
                Some(bytes) => format!("of the {} of {whose}", size(bytes)),
                None => format!("of {whose}, which cannot be read"),
            },
        }
    }
}

/// What data takes, what there is for it, and whether that is enough.
#[derive(Debug, Clone, Serialize)]
pub struct HostAnswer {
    #[serde(flatten)]
    pub plan: HostPlan,
    /// What training takes of the same budget by plan: on the CPU its peak, beside a GPU nothing.
    training_bytes: u64,
    budget_bytes: Option<u64>,
    budget_origin: String,
    /// On the CPU together with what training takes.
    pub fits: Option<bool>,
    /// Which key to change where it does not fit.
    pub help: Option<&'static str>,
}

impl HostAnswer {
    /// Of settings whose training is planned to take this many bytes at its peak.
    pub fn of(settings: &Config, data: &Data, room: &Room, peak_bytes: u64) -> Self {
        let needs = HostNeeds::of(settings, data);
        let (plan, refusal) = needs.beside(room.budget, peak_bytes);
        Self {
            plan,
            training_bytes: match room.budget {
                Some(HostBudget::Shared(_)) => peak_bytes,
                _ => 0,
            },
            budget_bytes: room.budget.map(HostBudget::bytes),
            budget_origin: room.origin.clone(),
            fits: room.budget.map(|_| refusal.is_none()),
            help: refusal.map(|refusal| refusal.help()),
        }
    }

    /// Prints it, a line for each part.
    pub fn show(&self) {
        output::line(format!(
            "{:<60} {:>10}",
            "host memory for data",
            size(self.plan.total_bytes)
        ));
        for (part, bytes) in self.plan.parts() {
            output::line(format!("{:<60} {:>10}", format!("  {part}"), size(bytes)));
        }
        let verdict = match (self.budget_bytes, self.fits) {
            (Some(budget), Some(true)) => format!("fits into {}", size(budget)),
            (Some(budget), _) => format!("does not fit into {}", size(budget)),
            (None, _) => "no host memory to compare with".to_owned(),
        };
        let training = match self.training_bytes {
            0 => String::new(),
            bytes => format!(" beside training's {}", size(bytes)),
        };
        output::line(format!(
            "host memory {}{training}: {verdict} ({})",
            size(self.plan.total_bytes),
            self.budget_origin
        ));
        if let Some(help) = self.help {
            output::line(format!("  {help}"));
        }
    }
}

/// The plan of a run on this machine.
///
/// # Errors
///
/// Where the run cannot hold its data, as training itself would say.
pub fn checked<M: Model>(
    settings: &Settings,
    config: &Config,
    data: &Data,
) -> Result<HostPlan, TrainError> {
    let room = match settings.device {
        Device::Cpu => budget(config, settings.capacity()).map(HostBudget::Shared),
        _ => settings.host_memory.map(HostBudget::of_free),
    };
    let worst = || WorstCase::of(&data.encoder, data.dataset.train.samples());
    HostNeeds::of(config, data).checked::<M>(config, &worst, room)
}
