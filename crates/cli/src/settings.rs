//! From arguments, files and environment to a configuration and a device.

use std::path::{Path, PathBuf};

use config_schema::{
    Config, DatasetName, Device, Hardware, Layers, PrecisionMode, Resolved, Source,
    fixed_differences, preset_summaries, presets, record, resolve, resolve_record, stated_preset,
    unread_variables,
};
use gpu_probe::{
    Candidate, ChooseError, CudaDevice, DeviceRequest, Driver, Host, Inventory, choose_preset,
};
use trainer::choose_precision;
use trainer::memory::Capacity;

use crate::args::ConfigArgs;
use crate::environment::{cuda_environment, variables};
use crate::failure::Failure;
use crate::found::{Found, device_for, place, taken};
use crate::restart::restart_with;
use crate::source_files::read_source;
use crate::wiring::Wiring;

const ROUNDED_BY_CUDA: &str = "on CUDA, GPUs that support TF32 round the factors of f32 products to 19 bits; set \
    `precision.mode = \"tf32\"` to accept this without a warning";

/// What a command works with.
#[derive(Debug)]
pub struct Settings {
    /// The configuration.
    pub resolved: Resolved,
    /// The chosen device; GPUs are numbered by CUDA ordinal.
    pub device: Device,
    /// The GPU that `device` is.
    pub card: Option<CudaDevice>,
    /// The device for a person, and why it and the preset.
    pub reason: String,
    /// Bytes of memory of the device; on the CPU those that the machine has to give. None if they cannot be read.
    pub device_memory: Option<u64>,
    /// Bytes of host memory that this process may still take. None if they cannot be read.
    pub host_memory: Option<u64>,
    /// The command that sets the limit which `host_memory` follows from, where one does.
    pub host_limit: Option<&'static str>,
    /// Major number of the compute capability of `card`, where it can be read.
    capability: Option<u32>,
    /// Why nothing can be computed on `device`.
    problem: Option<ChooseError>,
    /// What the environment's list of GPUs has that takes no effect.
    ignored: Option<String>,
}

impl ConfigArgs {
    /// Resolves the configuration and decides on preset and device.
    pub fn settings<W: Wiring>(&self) -> Result<Settings, Failure> {
        let mut layers = self.layers()?;
        // The probe may itself be configured (`hardware`), so the layers are resolved once without its answer.
        let first = resolve(&layers, &lookup)?;
        require_read(self, &first.config)?;
        let hardware = &first.config.hardware;
        let inventory = W::probe(configured_library(hardware), &cuda_environment())?;
        if stated_preset(&layers).is_some() {
            let mut found = device_for(&first, &inventory);
            found.why = format!("you named the preset, and {}", found.why);
            return Ok(Settings::new(first, found, &inventory));
        }
        let request = match hardware.device {
            Device::Auto => None,
            Device::Cpu | Device::Wgpu => Some(DeviceRequest::Cpu),
            Device::Cuda(ordinal) => Some(DeviceRequest::Cuda(Some(ordinal))),
        };
        let choice = choose_preset(&inventory, &candidates()?, request)?;
        let device = match (&hardware.device, &choice.device) {
            (Device::Wgpu, _) => Device::Wgpu,
            (_, None) => Device::Cpu,
            (_, Some(card)) => Device::Cuda(card.ordinal),
        };
        layers.fallback_preset = choice.preset;
        let found = Found {
            device,
            card: choice.device,
            why: choice.reason,
            problem: None,
        };
        let resolved = resolve(&layers, &lookup)?;
        Ok(Settings::new(resolved, found, &inventory))
    }

    fn layers(&self) -> Result<Layers, Failure> {
        if let Some(path) = self.preset.as_deref().filter(|name| presets::is_path(name)) {
            // The resolution would only say that there is no such preset.
            preset(path)?;
        }
        Ok(Layers {
            preset: self.preset.clone(),
            fallback_preset: "cpu".to_owned(),
            user: self.config.as_deref().map(read_source).transpose()?,
            environment: variables(),
            sets: self.sets(),
        })
    }

    /// Assignments on top of all else.
    pub fn sets(&self) -> Vec<String> {
        let string = |key: &str, value: &Option<String>| {
            value
                .as_ref()
                .map(|value| format!("{key}={}", serde_json::Value::from(value.as_str())))
        };
        let shorthands = [
            string("dataset.name", &self.dataset),
            string("dataset.root", &self.data_root),
            string("dataset.cache", &self.cache),
            string("hardware.memory_budget", &self.memory_budget),
        ];
        shorthands
            .into_iter()
            .flatten()
            .chain(self.set.iter().cloned())
            .collect()
    }
}

/// Refuses a folder of data that the data set would not read.
fn require_read(asked: &ConfigArgs, config: &Config) -> Result<(), Failure> {
    match &asked.data_root {
        Some(root) if config.dataset.name == DatasetName::Shapes => {
            Err(Failure::UnreadRoot { root: root.clone() })
        }
        _ => Ok(()),
    }
}

impl Settings {
    fn new(resolved: Resolved, found: Found, inventory: &Inventory) -> Self {
        let Found {
            device,
            card,
            why,
            problem,
        } = found;
        let (host_memory, host_limit) = host_memory(&inventory.host).unzip();
        let device_memory = match (device, &card) {
            (Device::Cpu, _) => host_memory,
            (_, card) => card.as_ref().map(|card| card.memory.total),
        };
        let ignored = match &inventory.driver {
            Driver::Present { visibility, .. } if card.is_some() => visibility.ignored.clone(),
            _ => None,
        };
        Self {
            reason: format!("{}: {why}", place(device, card.as_ref())),
            capability: card.as_ref().and_then(|card| capability(inventory, card)),
            resolved,
            device,
            card,
            device_memory,
            host_memory,
            host_limit: host_limit.flatten(),
            problem,
            ignored,
        }
    }

    /// Memory of the device, for a budget.
    pub fn capacity(&self) -> Option<Capacity> {
        let total = self.device_memory?;
        let free = self.card.as_ref().map_or(total, |card| card.memory.free);
        Some(Capacity { total, free })
    }

    /// Memory of the device that would train, or of the smallest card that the preset is for where there is no GPU; and which
    /// that is.
    pub fn planned_memory(&self) -> (Option<Capacity>, String) {
        let memory = self.capacity();
        if let Some(card) = &self.card {
            return (memory, card.place());
        }
        let least = self.resolved.config.preset.min_device_memory.bytes();
        if least.is_some() {
            return (
                least.map(Capacity::from),
                "the smallest card that the preset is for".to_owned(),
            );
        }
        let whose = match (self.device, memory) {
            (Device::Cpu, Some(_)) => match self.host_limit {
                Some(command) => format!("the host under `{command}`"),
                None => "the host".to_owned(),
            },
            (Device::Cpu, None) => "the host, which cannot be read".to_owned(),
            _ => "the device, which cannot be read".to_owned(),
        };
        (memory, whose)
    }

    /// The settings of a process that can compute on the device. Where CUDA would show this process another device, the program
    /// starts anew with the variables that make it show this one.
    ///
    /// # Errors
    ///
    /// When there is no such device for this process.
    pub fn ready(mut self) -> Result<Self, Failure> {
        if let Some(problem) = &self.problem {
            return Err(problem.clone().into());
        }
        let environment = self.card.iter().flat_map(|card| &card.environment);
        if let Some(variable) = environment.clone().next() {
            let failed = restart_with(environment);
            return Err(Failure::Environment {
                variable: variable.clone(),
                source: failed,
            });
        }
        self.choose_precision();
        Ok(self)
    }

    fn choose_precision(&mut self) {
        let (device, capability) = (self.device, self.capability);
        self.resolved
            .choose_precision(|| choose_precision(device, capability));
    }

    /// The settings to plan with. A GPU may be planned for where there is no driver.
    ///
    /// # Errors
    ///
    /// When there is a driver, and no such device for this process.
    pub fn planned(mut self) -> Result<Self, Failure> {
        match &self.problem {
            Some(problem) if !matches!(problem, ChooseError::NoDriver { .. }) => {
                Err(problem.clone().into())
            }
            _ => {
                // A preset for GPUs is planned as on one, wherever that is done.
                let for_gpus = self
                    .resolved
                    .config
                    .preset
                    .min_device_memory
                    .bytes()
                    .is_some();
                if self.card.is_some() || !for_gpus {
                    self.choose_precision();
                }
                Ok(self)
            }
        }
    }

    /// Which preset on which device, and why, in a sentence.
    pub fn summary(&self) -> String {
        format!("preset {} on {}", self.resolved.preset, self.reason)
    }

    /// What a person should know of the configuration and the GPU.
    pub fn warnings(&self) -> Vec<String> {
        let card = self.card.iter();
        let taken = card.filter_map(|card| taken(card, &self.resolved.config));
        let own = self
            .ignored
            .iter()
            .map(|why| format!("CUDA_VISIBLE_DEVICES: {why}"));
        let configured = self.resolved.warnings.iter().map(ToString::to_string);
        let variables = variables();
        let unread = unread_variables(&variables).into_iter().map(|name| {
            format!("environment variable {name} is not read: a key is set by AOA_SECTION__KEY, with two underscores between them")
        });
        let rounded = (matches!(self.device, Device::Cuda(_))
            && self.resolved.config.precision.mode == PrecisionMode::F32)
            .then(|| ROUNDED_BY_CUDA.to_owned());
        let own = own.chain(rounded);
        configured.chain(own).chain(taken).chain(unread).collect()
    }
}

/// Major number of the compute capability of a card.
fn capability(inventory: &Inventory, card: &CudaDevice) -> Option<u32> {
    let Driver::Present { gpus, .. } = &inventory.driver else {
        return None;
    };
    let mut gpus = gpus.as_result().ok()?.iter();
    let gpu = gpus.find(|gpu| gpu.index == card.gpu)?;
    u32::try_from(gpu.compute_capability.as_result().ok()?.major).ok()
}

/// Bytes of the host that this process may still use, and the command that limits them, if it is one that limits what is
/// mapped. Blocks cannot fill all that such a limit leaves.
fn host_memory(host: &Host) -> Option<(u64, Option<&'static str>)> {
    let usable = host.usable_memory.as_result().ok().copied()?;
    let limit = host.address_space.as_result().ok().copied().flatten();
    let within = limit.map(|limit| {
        let bytes = allocator::live_bytes_within(limit.headroom());
        (bytes, Some(limit.kind.command()))
    });
    let least = within.filter(|(bytes, _)| *bytes < usable);
    Some(least.unwrap_or((usable, None)))
}

/// The libnvidia-ml that was named, or that the environment configures; `None` for the system's.
pub fn nvml_library(named: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    if let Some(named) = named {
        return Ok(Some(named.to_owned()));
    }
    let resolved = resolve(&ConfigArgs::default().layers()?, &lookup)?;
    Ok(configured_library(&resolved.config.hardware).map(Path::to_owned))
}

/// The management library that the configuration names, if it names one.
pub fn configured_library(hardware: &Hardware) -> Option<&Path> {
    let library = hardware.nvml_library.as_str();
    (!library.is_empty()).then(|| Path::new(library))
}

/// The configuration of a run that exists, with what is set on top of it, which must not make it another run.
pub fn of_run<W: Wiring>(run_dir: &Path, on_top: &ConfigArgs) -> Result<Settings, Failure> {
    let own = Layers {
        user: Some(run_record(run_dir)?),
        fallback_preset: "cpu".to_owned(),
        ..Layers::default()
    };
    let asked = Layers {
        environment: variables(),
        sets: on_top.sets(),
        ..own.clone()
    };
    // The run's file states every key, so the preset that it names need not exist any more.
    let nothing_below = |name: &str| Some(Source::new(name, ""));
    let resolved = resolve(&asked, &nothing_below)?;
    require_read(on_top, &resolved.config)?;
    let own = resolve(&own, &nothing_below)?;
    let fixed = fixed_differences(&own.config, &resolved.config);
    if !fixed.is_empty() {
        return Err(Failure::AnotherRun {
            run_dir: run_dir.to_owned(),
            fixed,
        });
    }
    let inventory = W::probe(
        configured_library(&resolved.config.hardware),
        &cuda_environment(),
    )?;
    let mut found = device_for(&resolved, &inventory);
    found.why = format!("it is the preset of the run, and {}", found.why);
    Ok(Settings::new(resolved, found, &inventory))
}

fn candidates() -> Result<Vec<Candidate>, Failure> {
    let candidate = |summary: config_schema::PresetSummary| Candidate {
        name: summary.name,
        min_device_memory: summary.min_device_memory,
    };
    Ok(preset_summaries()?.into_iter().map(candidate).collect())
}

/// A preset by name or, when it looks like a path, from its file.
pub fn lookup(name: &str) -> Option<Source> {
    preset(name).ok()
}

/// [`lookup`], or why there is none.
pub fn preset(name: &str) -> Result<Source, Failure> {
    if presets::is_path(name) {
        return read_source(Path::new(name));
    }
    presets::lookup(name).ok_or_else(|| Failure::Preset {
        name: name.to_owned(),
        help: presets::suggestion(name),
    })
}

/// The configuration of a run as it recorded it, each value with the origin that it had.
pub fn recorded(run_dir: &Path) -> Result<Resolved, Failure> {
    Ok(resolve_record(run_record(run_dir)?)?)
}

fn run_record(run_dir: &Path) -> Result<Source, Failure> {
    let text = trainer::read_config(run_dir)?;
    let path = run_dir.join(trainer::CONFIG);
    Ok(record(path.display().to_string(), &text))
}
