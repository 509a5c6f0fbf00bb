//! What a failure of the device means.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitStatus;

use thiserror::Error;

use super::{Bytes, Phase};

/// More memory was needed than there is or than the budget has. The work may fit in smaller parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{}", self.describe())]
pub struct OutOfMemory {
    /// What was being done, where it is known.
    pub phase: Option<Phase>,
    /// Bytes in use at the peak, where they were measured.
    pub wanted: Option<u64>,
    /// Bytes that may be used, where there is a budget.
    pub budget: Option<u64>,
}

impl OutOfMemory {
    fn describe(&self) -> String {
        let place = self
            .phase
            .map(|phase| format!(" ({phase})"))
            .unwrap_or_default();
        match (self.wanted, self.budget) {
            (Some(wanted), Some(budget)) => {
                let (wanted, budget) = (Bytes(wanted), Bytes(budget));
                format!("out of memory{place}: {wanted} in use, the budget is {budget}")
            }
            _ => format!("out of memory{place}"),
        }
    }
}

/// Why some work on the device failed.
#[derive(Debug)]
pub enum DeviceFailure {
    /// Memory ran out. The same work may fit in smaller parts.
    OutOfMemory(OutOfMemory),
    /// The device is of no use to this process any more.
    Poisoned {
        /// What the backend says.
        reason: String,
    },
    /// Anything else, for which there is no cure here: the panic as it was.
    Other(Box<dyn Any + Send>),
}

/// How backends say that memory ran out, in small letters.
const OUT_OF_MEMORY: [&str; 9] = [
    // CubeCL
    "can't allocate",
    "out of device memory",
    "no room for",
    "memory page",
    // CUDA, wgpu
    "out of memory",
    "out_of_memory",
    "not enough memory",
    // Rust's own allocations
    "memory allocation of",
    "memory allocation failed",
];

/// How backends say that the device has to be given up, in small letters.
const POISONED: [&str; 5] = [
    "device is poisoned",
    "device was poisoned",
    "illegal memory access",
    "device is lost",
    "device lost",
];

impl DeviceFailure {
    /// What a panic means.
    pub fn of_panic(payload: Box<dyn Any + Send>) -> Self {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied());
        match text.and_then(Self::known) {
            Some(known) => known,
            None => Self::Other(payload),
        }
    }

    /// What an error of the backend means, from its message and those of its causes. One that is not known says nothing of
    /// what still works, so the device is given up.
    pub fn of_error(message: &str) -> Self {
        Self::known(message).unwrap_or_else(|| Self::Poisoned {
            reason: message.to_owned(),
        })
    }

    /// What the end of another process means, from its status and what it wrote to standard error. None if it ended
    /// well.
    pub fn of_process(status: ExitStatus, stderr: &str) -> Option<Self> {
        if status.success() {
            return None;
        }
        // The kernel kills what the machine has no memory for, without a word.
        if killed(status) {
            return Some(Self::OutOfMemory(unmeasured()));
        }
        Some(Self::known(stderr).unwrap_or_else(|| Self::Other(Box::new(stderr.to_owned()))))
    }

    fn known(message: &str) -> Option<Self> {
        let message = message.to_lowercase();
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| message.contains(phrase));
        // A poisoned device also fails to allocate, so this comes first.
        if says(&POISONED) {
            Some(Self::Poisoned { reason: message })
        } else if says(&OUT_OF_MEMORY) {
            Some(Self::OutOfMemory(unmeasured()))
        } else {
            None
        }
    }
}

impl From<OutOfMemory> for DeviceFailure {
    fn from(out_of_memory: OutOfMemory) -> Self {
        Self::OutOfMemory(out_of_memory)
    }
}

/// Does work on the device and tells what its failure means: backends panic. The work must leave nothing half-done behind
/// that is used again.
///
/// # Errors
///
/// When the work fails, panics, or the backend reports an error.
pub(crate) fn catch_failure<T>(
    work: impl FnOnce() -> Result<T, DeviceFailure>,
) -> Result<T, DeviceFailure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(DeviceFailure::of_panic(panic)))
}

fn unmeasured() -> OutOfMemory {
    OutOfMemory {
        phase: None,
        wanted: None,
        budget: None,
    }
}

#[cfg(unix)]
fn killed(status: ExitStatus) -> bool {
    const SIGKILL: i32 = 9;
    std::os::unix::process::ExitStatusExt::signal(&status) == Some(SIGKILL)
}

#[cfg(not(unix))]
fn killed(_status: ExitStatus) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;
    use std::process::Command;

    use super::*;

    #[derive(Debug, PartialEq, Clone, Copy)]
    enum Kind {
        OutOfMemory,
        Poisoned,
        Other,
    }

    fn kind(failure: &DeviceFailure) -> Kind {
        match failure {
            DeviceFailure::OutOfMemory(_) => Kind::OutOfMemory,
            DeviceFailure::Poisoned { .. } => Kind::Poisoned,
            DeviceFailure::Other(_) => Kind::Other,
        }
    }

    #[track_caller]
    fn check(message: &str, expected: Kind) {
        let of_error = match expected {
            Kind::Other => Kind::Poisoned,
            known => known,
        };
        assert_eq!(
            kind(&DeviceFailure::of_error(message)),
            of_error,
            "{message}"
        );
        let payload: Box<dyn Any + Send> = Box::new(message.to_owned());
        assert_eq!(
            kind(&DeviceFailure::of_panic(payload)),
            expected,
            "{message}"
        );
    }

    #[test]
    fn messages_of_the_backends() {
        for message in [
            "An error happened during execution\nCaused by:\n  can't allocate buffer of size: 34359738368\nBacktrace: ..",
            "out of device memory allocating 1024 bytes",
            "Can't allocate 64 bytes: every page size the memory tracks still holds live allocations",
            "No room for 64 bytes in the memory held, and no page may be added",
            "Memory page 3 doesn't exist",
            "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")",
            "wgpu error: Out of Memory",
            "Not enough memory left.",
            "memory allocation of 137438953472 bytes failed",
        ] {
            check(message, Kind::OutOfMemory);
        }
        for message in [
            "The device is poisoned\nCaused by:\n  CUDA_ERROR_ILLEGAL_ADDRESS",
            "The device was poisoned during launch\nCaused by:\n  can't allocate buffer of size: 12",
            "an illegal memory access was encountered",
            "Parent device is lost",
        ] {
            check(message, Kind::Poisoned);
        }
        for message in [
            "index out of bounds: the len is 3 but the index is 3",
            "called `Option::unwrap()` on a `None` value",
            "=== Tensor Operation Error === the tensor's memory layout",
        ] {
            check(message, Kind::Other);
        }
    }

    #[test]
    fn panics() {
        let ours = OutOfMemory {
            phase: Some(Phase::Backward),
            wanted: Some(12 << 20),
            budget: Some(10 << 20),
        };
        assert_eq!(
            ours.to_string(),
            "out of memory (backward): 12.0 MiB in use, the budget is 10.0 MiB"
        );

        let literal = catch_unwind(|| panic!("can't allocate buffer of size: 7"));
        assert_eq!(
            kind(&DeviceFailure::of_panic(literal.unwrap_err())),
            Kind::OutOfMemory
        );
        let DeviceFailure::Other(payload) = DeviceFailure::of_panic(Box::new(17_u8)) else {
            panic!("a number means nothing");
        };
        assert_eq!(payload.downcast_ref(), Some(&17_u8), "the panic as it was");
    }

    #[cfg(unix)]
    #[test]
    fn ends_of_processes() {
        let end = |script: &str| {
            let output = Command::new("sh").args(["-c", script]).output();
            let output = output.expect("a shell");
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            DeviceFailure::of_process(output.status, &stderr).map(|failure| kind(&failure))
        };
        assert_eq!(end("exit 0"), None);
        assert_eq!(end("kill -KILL $$"), Some(Kind::OutOfMemory));
        assert_eq!(
            end("echo memory allocation of 64 bytes failed >&2; kill -ABRT $$"),
            Some(Kind::OutOfMemory)
        );
        assert_eq!(
            end("echo the device is poisoned >&2; exit 101"),
            Some(Kind::Poisoned)
        );
        assert_eq!(end("exit 3"), Some(Kind::Other));
    }
}
