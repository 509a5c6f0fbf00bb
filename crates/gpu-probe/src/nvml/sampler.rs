//! The same few values, again and again.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process;

use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;
use nvml_wrapper::{Device, Nvml};

use super::library;
use crate::{GpuProcess, GpuSample, SamplerError};

/// Reads cards again and again: those that were there when it was opened, by UUID, even if the driver comes to count
/// them differently.
///
/// A card that is lost stays in the answers as lost. Until all cards are back the sampler holds no session with the
/// driver between reads and opens a new one at each: a session knows the cards of its beginning, and while somebody
/// holds one a card cannot be reset.
///
/// ```
/// use gpu_probe::{GpuSampler, SamplerError};
///
/// match GpuSampler::open(None, &[]) {
///     Ok(mut sampler) => println!("{:?}", sampler.read()),
///     Err(error @ SamplerError::NoDriver { .. }) => println!("{error}"),
///     Err(error) => println!("{error}; {}", error.hint()),
/// }
/// ```
pub struct GpuSampler {
    library: Option<PathBuf>,
    session: Option<Nvml>,
    cards: Vec<Card>,
    /// File name of this program.
    program: Option<OsString>,
}

/// A card that is watched.
struct Card {
    index: u32,
    uuid: Option<String>,
    name: Option<String>,
}

/// A card that the driver lists at this moment.
struct Listed<'nvml> {
    index: u32,
    device: Result<Device<'nvml>, NvmlError>,
    uuid: Option<String>,
}

impl GpuSampler {
    /// Opens the driver, through the library at `nvml_library` if one is named, and notes the cards with these indices,
    /// or all for none, in the order of the driver. A card that is lost already counts.
    ///
    /// # Errors
    ///
    /// [`SamplerError`] where there is no driver or no such card.
    pub fn open(nvml_library: Option<&Path>, indices: &[u32]) -> Result<Self, SamplerError> {
        let session =
            library::open(nvml_library)?.map_err(|reason| SamplerError::NoDriver { reason })?;
        let listed = list(&session).map_err(|error| SamplerError::GpusUnreadable {
            reason: library::reason(&error),
        })?;
        if listed.is_empty() {
            return Err(SamplerError::NoGpu);
        }
        let mut cards: Vec<_> = listed.iter().map(Card::new).collect();
        for &requested in indices {
            if cards.iter().all(|card| card.index != requested) {
                return Err(SamplerError::NoSuchGpu {
                    requested,
                    existing: cards.iter().map(Card::describe).collect(),
                });
            }
        }
        cards.retain(|card| indices.is_empty() || indices.contains(&card.index));
        drop(listed);
        let program = env::current_exe().ok();
        Ok(Self {
            library: nvml_library.map(Path::to_owned),
            session: Some(session),
            cards,
            program: program.and_then(|path| path.file_name().map(OsString::from)),
        })
    }

    /// One sample of each card, in the same order each time.
    pub fn read(&mut self) -> Vec<GpuSample> {
        let session = self.session.take().or_else(|| self.reopened());
        let mut samples = Vec::with_capacity(self.cards.len());
        {
            let listed = session.as_ref().map(list).and_then(Result::ok);
            let listed = listed.unwrap_or_default();
            for card in &mut self.cards {
                samples.push(card.sample(&listed, self.program.as_ref()));
            }
        }
        self.session = session.filter(|_| samples.iter().all(|sample| !sample.lost));
        samples
    }

    fn reopened(&self) -> Option<Nvml> {
        library::open(self.library.as_deref()).ok()?.ok()
    }
}

fn list(session: &Nvml) -> Result<Vec<Listed<'_>>, NvmlError> {
    let listed = (0..session.device_count()?).map(|index| {
        let device = session.device_by_index(index);
        Listed {
            index,
            uuid: device.as_ref().ok().and_then(|device| device.uuid().ok()),
            device,
        }
    });
    Ok(listed.collect())
}

impl Card {
    fn new(listed: &Listed<'_>) -> Self {
        Self {
            index: listed.index,
            uuid: listed.uuid.clone(),
            name: listed.name(),
        }
    }

    fn describe(&self) -> String {
        let name = self.name.as_deref().unwrap_or("unknown");
        format!("{}: {name}", self.index)
    }

    /// Whether this is it, by index where a UUID is missing.
    fn is(&self, listed: &Listed<'_>) -> bool {
        match (&self.uuid, &listed.uuid) {
            (Some(own), Some(other)) => own == other,
            _ => self.index == listed.index,
        }
    }

    fn sample(&mut self, listed: &[Listed<'_>], program: Option<&OsString>) -> GpuSample {
        let found = listed.iter().find(|one| self.is(one));
        if let Some(found) = found {
            // A card that was lost at first says who it is once it is back.
            self.uuid = self.uuid.take().or_else(|| found.uuid.clone());
            self.name = self.name.take().or_else(|| found.name());
        }
        let identity = GpuSample {
            index: self.index,
            name: self.name.clone(),
            uuid: self.uuid.clone(),
            ..GpuSample::default()
        };
        let read = match found.map(|found| &found.device) {
            Some(Ok(device)) => values(device, program, identity.clone()).ok(),
            Some(Err(error)) if !is_lost(error) => Some(identity.clone()),
            Some(Err(_)) | None => None,
        };
        read.unwrap_or(GpuSample {
            lost: true,
            ..identity
        })
    }
}

impl Listed<'_> {
    fn name(&self) -> Option<String> {
        self.device.as_ref().ok()?.name().ok()
    }
}

/// The error is that of a card that is lost.
fn values(
    device: &Device<'_>,
    program: Option<&OsString>,
    identity: GpuSample,
) -> Result<GpuSample, NvmlError> {
    let processes = given(library::processes(device))?;
    Ok(GpuSample {
        memory: given(library::memory(device))?,
        utilization: given(library::utilization(device))?,
        temperature_celsius: given(device.temperature(TemperatureSensor::Gpu))?,
        power_watts: given(library::power(device))?,
        processes: processes.map(|found| {
            let found = found.iter();
            found
                .map(|one| described(device.nvml(), one, program))
                .collect()
        }),
        ..identity
    })
}

/// `None` for a value that the card does not give; an error only for a card that is lost.
fn given<T>(answer: Result<T, NvmlError>) -> Result<Option<T>, NvmlError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_lost(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

fn is_lost(error: &NvmlError) -> bool {
    matches!(error, NvmlError::GpuLost | NvmlError::ResetRequired)
}

fn described(session: &Nvml, process: &ProcessInfo, program: Option<&OsString>) -> GpuProcess {
    let name = library::process_name(session, process).ok();
    let file = name.as_ref().and_then(|name| Path::new(name).file_name());
    let same_program = file.zip(program).is_some_and(|(file, own)| file == own);
    GpuProcess {
        pid: process.pid,
        used_memory: match process.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(bytes),
            UsedGpuMemory::Unavailable => None,
        },
        own: process.pid == process::id() || same_program,
        name,
    }
}
