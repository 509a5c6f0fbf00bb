use std::num::NonZero;
use std::path::Path;
use std::thread::available_parallelism;

use serde::Serialize;

use crate::kernel_files::{HostRoots, if_exists, number, read_text};
use crate::{CgroupLimit, Reading, cgroup};

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
    /// The limit of what this process maps: of its address space (`ulimit -v`) or of its data (`ulimit -d`), whichever leaves
    /// less; `None` where there is neither.
    pub address_space: Reading<Option<AddressSpace>>,
    /// The least of `available_memory` and what `cgroup` and `address_space` leave.
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
        let address_space = AddressSpace::read(&roots.proc);
        let usable = available.clone().and_then(|available| {
            let group = cgroup.as_ref().map_err(String::clone)?;
            let space = address_space.as_ref().map_err(String::clone)?;
            let left = [
                group.as_ref().map(CgroupLimit::headroom),
                space.as_ref().map(AddressSpace::headroom),
            ];
            Ok(left.into_iter().flatten().fold(available, u64::min))
        });
        Self {
            total_memory: total.into(),
            available_memory: available.into(),
            cgroup: cgroup.into(),
            address_space: address_space.into(),
            usable_memory: usable.into(),
            cores: available_parallelism().into(),
        }
    }
}

/// A limit of what this process maps, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AddressSpace {
    /// Which limit it is.
    pub kind: LimitKind,
    /// Most bytes that it may map.
    pub limit: u64,
    /// Bytes that it maps, whether it uses them or not.
    pub mapped: u64,
}

impl AddressSpace {
    /// Bytes left to map.
    pub fn headroom(&self) -> u64 {
        self.limit.saturating_sub(self.mapped)
    }

    /// The limit that leaves less. `None` where nothing limits it, or the kernel does not say.
    fn read(proc: &Path) -> Result<Option<Self>, String> {
        let limits = proc.join("self/limits");
        let Some(text) = if_exists(&limits)? else {
            return Ok(None);
        };
        let mut tightest: Option<Self> = None;
        for kind in LimitKind::ALL {
            let Some(limit) = kind.soft_limit(&text, &limits)? else {
                continue;
            };
            let mapped = kind.mapped(proc)?;
            let limit = Self {
                kind,
                limit,
                mapped,
            };
            if tightest.is_none_or(|least| limit.headroom() < least.headroom()) {
                tightest = Some(limit);
            }
        }
        Ok(tightest)
    }
}

/// What a limit of mapped bytes counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// All that is mapped, `RLIMIT_AS`.
    AddressSpace,
    /// What is mapped to be written by this process alone, `RLIMIT_DATA`.
    Data,
}

impl LimitKind {
    const ALL: [Self; 2] = [Self::AddressSpace, Self::Data];

    /// The command of a shell that sets the limit.
    pub fn command(self) -> &'static str {
        match self {
            Self::AddressSpace => "ulimit -v",
            Self::Data => "ulimit -d",
        }
    }

    /// `Max address space         unlimited            unlimited            bytes`: the soft limit comes first.
    fn soft_limit(self, text: &str, path: &Path) -> Result<Option<u64>, String> {
        let name = match self {
            Self::AddressSpace => "Max address space",
            Self::Data => "Max data size",
        };
        let row = text.lines().find_map(|line| line.strip_prefix(name));
        match row.and_then(|row| row.split_whitespace().next()) {
            None | Some("unlimited") => Ok(None),
            Some(bytes) => number(bytes, path).map(Some),
        }
    }

    fn mapped(self, proc: &Path) -> Result<u64, String> {
        let name = match self {
            Self::AddressSpace => "VmSize",
            Self::Data => "VmData",
        };
        let status = proc.join("self/status");
        let mapped = meminfo_bytes(&read_text(&status)?, name);
        mapped.ok_or_else(|| format!("{} has no readable {name}", status.display()))
    }
}

/// Lines look like `MemTotal:       32589312 kB`, where kB are KiB.
fn meminfo_bytes(text: &str, name: &str) -> Option<u64> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}
