//! The card that a run trains on, as its driver reports it.

use std::fmt;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use gpu_probe::{GpuSample, GpuSampler, SamplerError};
use serde::Serialize;

use super::meter::{Meter, Usage, sampled};
use crate::time::Pace;

/// What a card said, and when: what `aoa monitor --json` prints of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CardSample {
    /// Since the meter began to take samples, to the millisecond.
    pub seconds: f64,
    /// What it said.
    #[serde(flatten)]
    pub sample: GpuSample,
}

/// An NVIDIA card as a whole, whoever uses it. Reading it takes milliseconds.
pub struct CardMeter {
    sampler: Arc<Mutex<GpuSampler>>,
    before: AtomicU64,
    sampling: Option<Sampling>,
}

/// A thread that takes samples until its channel closes.
struct Sampling {
    taken: Arc<Mutex<Vec<CardSample>>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl CardMeter {
    /// A meter of card `index`, counted as the driver does, through this management library or the system's.
    ///
    /// # Errors
    ///
    /// When there is no driver or no such card.
    pub fn open(index: u32, library: Option<&Path>) -> Result<Self, SamplerError> {
        Ok(Self {
            sampler: Arc::new(Mutex::new(GpuSampler::open(library, &[index])?)),
            before: AtomicU64::new(0),
            sampling: None,
        })
    }

    /// Starts a thread that takes a sample now and at each interval; [`samples`](Self::samples) returns them.
    #[must_use]
    pub fn sampling(mut self, every: Duration) -> Self {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = channel();
        let (sampler, list) = (self.sampler.clone(), taken.clone());
        let thread = thread::spawn(move || {
            let mut pace = Pace::start(every);
            loop {
                let seconds = (pace.seconds() * 1000.0).round() / 1000.0;
                let read = lock(&sampler).read().pop();
                lock(&list).extend(read.map(|sample| CardSample { seconds, sample }));
                if stopped.recv_timeout(pace.until_next_beat()) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
        });
        self.sampling = Some(Sampling {
            taken,
            stop: Some(stop),
            thread: Some(thread),
        });
        self
    }

    /// The samples since the last call.
    pub fn samples(&self) -> Vec<CardSample> {
        let sampling = self.sampling.as_ref();
        sampling.map_or_else(Vec::new, |sampling| {
            std::mem::take(&mut *lock(&sampling.taken))
        })
    }
}

impl Meter for CardMeter {
    fn take(&self) -> Option<Usage> {
        let sample = lock(&self.sampler).read().pop()?;
        let memory = sample.memory?;
        let reserved_bytes = memory.total.saturating_sub(memory.free);
        Some(sampled(&self.before, memory.used, reserved_bytes))
    }
}

impl Drop for Sampling {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for CardMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CardMeter").finish_non_exhaustive()
    }
}

/// What is in there is whole even where a thread panicked that held it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
