use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use serde::Serialize;

use crate::{CgroupLimit, Reading, cgroup};

/// Where the kernel shows processes and control groups. The defaults are `/proc` and `/sys/fs/cgroup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRoots {
    /// Mount point of procfs.
    pub proc: PathBuf,
    /// Mount point of the control groups, unified (v2) or with one folder for each controller (v1).
    pub cgroup: PathBuf,
}

impl Default for HostRoots {
    fn default() -> Self {
        Self {
            proc: "/proc".into(),
            cgroup: "/sys/fs/cgroup".into(),
        }
    }
}

/// Memory, in bytes, and cores of the machine as this process may use them. A system without procfs has no memory
/// readings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Host {
    /// Memory of the machine.
    pub total_memory: Reading<u64>,
    /// Memory the kernel could hand out without swapping.
    pub available_memory: Reading<u64>,
    /// The control group that leaves this process the least; `None` where none limits memory.
    pub cgroup: Reading<Option<CgroupLimit>>,
    /// The smaller of `available_memory` and what `cgroup` leaves.
    pub usable_memory: Reading<u64>,
    /// Cores this process may run on, by affinity and control group quota.
    pub cores: Reading<NonZero<usize>>,
}

impl Host {
    /// Reads memory below `roots`, and the cores of this process.
    pub fn read(roots: &HostRoots) -> Self {
        let meminfo = roots.proc.join("meminfo");
        let text = read_text(&meminfo);
        let field = |name| {
            let text = text.as_ref().map_err(String::clone)?;
            meminfo_bytes(text, name)
                .ok_or_else(|| format!("{} has no readable {name}", meminfo.display()))
        };
        let total = field("MemTotal");
        let available = field("MemAvailable");
        let cgroup = total
            .clone()
            .and_then(|total| cgroup::tightest_limit(roots, total));
        let usable = available.clone().and_then(|available| {
            let limit = cgroup.as_ref().map_err(String::clone)?;
            Ok(limit
                .as_ref()
                .map_or(available, |limit| available.min(limit.headroom())))
        });
        Self {
            total_memory: total.into(),
            available_memory: available.into(),
            cgroup: cgroup.into(),
            usable_memory: usable.into(),
            cores: available_parallelism().into(),
        }
    }
}

/// Text of a kernel file, or a reason that names it.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Lines look like `MemTotal:       32589312 kB`, where kB are KiB.
fn meminfo_bytes(text: &str, name: &str) -> Option<u64> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}
