//! From arguments, files and environment to a configuration and a device.

use std::env;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use config_schema::{
    Device, Hardware, Layers, MAX_TEXT_BYTES, Resolved, Source, fixed_differences,
    preset_summaries, presets, resolve, resolve_record, stated_preset,
};
use gpu_probe::{Candidate, DeviceRequest, Driver, Inventory, choose_preset, probe};

use crate::args::ConfigArgs;
use crate::failure::Failure;

/// What a command works with.
#[derive(Debug)]
pub struct Settings {
    /// The configuration.
    pub resolved: Resolved,
    /// The device, decided.
    pub device: Device,
    /// Why this preset and this device, in a sentence.
    pub reason: String,
    /// Bytes of memory of the device; on the CPU those that the machine has to give. None where they cannot be read.
    pub device_memory: Option<u64>,
    /// Bytes of host memory that this process may still take. None where they cannot be read.
    pub host_memory: Option<u64>,
}

impl ConfigArgs {
    /// Resolves the configuration and decides on preset and device.
    pub fn settings(&self) -> Result<Settings, Failure> {
        let mut layers = self.layers()?;
        // The probe may itself be configured (`hardware`), so the layers are resolved once without its answer.
        let first = resolve(&layers, &lookup)?;
        let hardware = &first.config.hardware;
        let inventory = probe(configured_library(hardware))?;
        if let Some(preset) = stated_preset(&layers) {
            let (device, found) = device_for(&first, &inventory);
            return Ok(Settings {
                device_memory: memory_of(device, &inventory),
                host_memory: memory_of(Device::Cpu, &inventory),
                device,
                reason: format!("preset \"{preset}\" was asked for; {found}"),
                resolved: first,
            });
        }
        let request = match hardware.device {
            Device::Auto => None,
            Device::Cpu | Device::Wgpu => Some(DeviceRequest::Cpu),
            Device::Cuda(index) => Some(DeviceRequest::Cuda(Some(index))),
        };
        let choice = choose_preset(&inventory, &candidates()?, request)?;
        let device = match (&hardware.device, choice.device) {
            (Device::Wgpu, _) => Device::Wgpu,
            (_, gpu_probe::Device::Cpu) => Device::Cpu,
            (_, gpu_probe::Device::Cuda { index }) => Device::Cuda(index),
        };
        layers.fallback_preset = choice.preset;
        Ok(Settings {
            resolved: resolve(&layers, &lookup)?,
            device_memory: memory_of(device, &inventory),
            host_memory: memory_of(Device::Cpu, &inventory),
            device,
            reason: choice.reason,
        })
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
            environment: environment(),
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
            string("hardware.memory_budget", &self.memory_budget),
        ];
        shorthands
            .into_iter()
            .flatten()
            .chain(self.set.iter().cloned())
            .collect()
    }
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
pub fn of_run(run_dir: &Path, on_top: &ConfigArgs) -> Result<Settings, Failure> {
    let own = Layers {
        user: Some(run_record(run_dir)?),
        fallback_preset: "cpu".to_owned(),
        ..Layers::default()
    };
    let asked = Layers {
        environment: environment(),
        sets: on_top.sets(),
        ..own.clone()
    };
    // The run's file states every key, so the preset that it names need not exist any more.
    let nothing_below = |name: &str| Some(Source::new(name, ""));
    let resolved = resolve(&asked, &nothing_below)?;
    let own = resolve(&own, &nothing_below)?;
    let fixed = fixed_differences(&own.config, &resolved.config);
    if !fixed.is_empty() {
        return Err(Failure::AnotherRun {
            run_dir: run_dir.to_owned(),
            fixed,
        });
    }
    let inventory = probe(configured_library(&resolved.config.hardware))?;
    let (device, found) = device_for(&resolved, &inventory);
    Ok(Settings {
        device_memory: memory_of(device, &inventory),
        host_memory: memory_of(Device::Cpu, &inventory),
        device,
        reason: found,
        resolved,
    })
}

/// Bytes of memory of a device, where they can be read.
pub fn memory_of(device: Device, inventory: &Inventory) -> Option<u64> {
    match (device, &inventory.driver) {
        (Device::Cpu, _) => inventory.host.usable_memory.as_result().ok().copied(),
        (Device::Cuda(index), Driver::Present { gpus, .. }) => {
            let card = gpus.as_result().ok()?.iter().find(|gpu| gpu.index == index);
            card?.device_memory().as_result().ok().copied()
        }
        _ => None,
    }
}

/// The device for a preset that somebody chose.
fn device_for(resolved: &Resolved, inventory: &Inventory) -> (Device, String) {
    let config = &resolved.config;
    if config.hardware.device != Device::Auto {
        return (
            config.hardware.device,
            format!("device {} was asked for", config.hardware.device),
        );
    }
    if config.preset.min_device_memory.bytes().is_none() {
        return (Device::Cpu, "it is not for a GPU".to_owned());
    }
    match choose_preset(
        inventory,
        &[Candidate {
            name: resolved.preset.clone(),
            min_device_memory: Some(0),
        }],
        None,
    ) {
        Ok(choice) => match choice.device {
            gpu_probe::Device::Cuda { index } => (
                Device::Cuda(index),
                format!("GPU {index} has the most memory"),
            ),
            gpu_probe::Device::Cpu => (Device::Cpu, "there is no GPU".to_owned()),
        },
        Err(_) => (Device::Cpu, no_gpu(inventory)),
    }
}

fn no_gpu(inventory: &Inventory) -> String {
    match &inventory.driver {
        Driver::Absent { reason } => format!("there is no GPU ({reason})"),
        Driver::Present { .. } => "there is no GPU whose memory can be read".to_owned(),
    }
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
    Ok(Source::new(path.display().to_string(), text))
}

/// Reads a file that an argument names, if it is of a size that configurations have.
pub fn read_source(path: &Path) -> Result<Source, Failure> {
    let text = read_bounded(path, MAX_TEXT_BYTES as u64)
        .and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other));
    let text = text.map_err(|source| Failure::Config {
        path: path.to_owned(),
        source,
    })?;
    Ok(Source::new(path.display().to_string(), text))
}

/// Reads a regular file of at most `limit` bytes. Whatever else there is may have no end, or may never begin.
pub fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(limit + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has more than {limit} bytes"),
        ));
    }
    Ok(bytes)
}

/// The only reader of the environment. A variable that is not UTF-8 cannot be a configuration key.
#[expect(
    clippy::disallowed_methods,
    reason = "the one owner of the environment"
)]
fn environment() -> Vec<(String, String)> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
