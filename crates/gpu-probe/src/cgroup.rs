//! Memory limits of control groups, v1 and v2.

use std::path::{Component, Path, PathBuf};

use serde::Serialize;

use crate::kernel_files::{HostRoots, if_exists, number, read_text};

/// The memory limit of one control group, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CgroupLimit {
    /// Folder of the group.
    pub path: PathBuf,
    /// Most that the processes of the group may hold together.
    pub limit: u64,
    /// What they hold, file cache included.
    pub current: u64,
    /// The part of `current` that is file cache not in active use. The kernel drops it before it refuses memory.
    pub reclaimable: u64,
}

impl CgroupLimit {
    /// Bytes left to the processes of the group.
    pub fn headroom(&self) -> u64 {
        let held = self.current.saturating_sub(self.reclaimable);
        self.limit.saturating_sub(held)
    }
}

/// What the two versions call the same things.
struct Files {
    limit: &'static str,
    current: &'static str,
    reclaimable: &'static str,
}

const V1: Files = Files {
    limit: "memory.limit_in_bytes",
    current: "memory.usage_in_bytes",
    reclaimable: "total_inactive_file",
};

const V2: Files = Files {
    limit: "memory.max",
    current: "memory.current",
    reclaimable: "inactive_file",
};

/// The group, from that of this process up to the root, that leaves the least memory. A limit of `total` or more limits
/// nothing (v1 writes "no limit" as a number near 2^63).
pub(crate) fn tightest_limit(roots: &HostRoots, total: u64) -> Result<Option<CgroupLimit>, String> {
    let membership = roots.proc.join("self/cgroup");
    let Some(text) = if_exists(&membership)? else {
        return Ok(None);
    };
    let mut tightest: Option<CgroupLimit> = None;
    // Lines are `0::/path` for v2 and `4:memory:/path` for a v1 controller; both occur on a hybrid system.
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(group)) =
            (fields.next(), fields.next(), fields.next())
        else {
            return Err(format!("{}: cannot read {line:?}", membership.display()));
        };
        let (root, files) = if controllers.is_empty() {
            (roots.cgroup.clone(), V2)
        } else if controllers.split(',').any(|name| name == "memory") {
            (roots.cgroup.join("memory"), V1)
        } else {
            continue;
        };
        for folder in lineage(&root, Path::new(group)) {
            if let Some(limit) = read_limit(folder, &files)?
                && limit.limit < total
                && tightest
                    .as_ref()
                    .is_none_or(|least| limit.headroom() < least.headroom())
            {
                tightest = Some(limit);
            }
        }
    }
    Ok(tightest)
}

/// The folders of `group` and its parents below `root`, innermost first, `root` last. A path with `..` leads out of the
/// namespace that is mounted at `root`, where only `root` itself can be seen.
fn lineage(root: &Path, group: &Path) -> Vec<PathBuf> {
    let names: Vec<_> = group
        .components()
        .filter(|part| *part != Component::RootDir)
        .collect();
    let depth = if names.contains(&Component::ParentDir) {
        0
    } else {
        names.len()
    };
    (0..=depth)
        .rev()
        .map(|depth| {
            let mut folder = root.to_owned();
            folder.extend(&names[..depth]);
            folder
        })
        .collect()
}

/// `None` where the folder is not visible, as in a container that sees only its own group, or sets no limit.
fn read_limit(folder: PathBuf, files: &Files) -> Result<Option<CgroupLimit>, String> {
    let limit_file = folder.join(files.limit);
    let Some(text) = if_exists(&limit_file)? else {
        return Ok(None);
    };
    if text.trim() == "max" {
        return Ok(None);
    }
    let limit = number(&text, &limit_file)?;
    let current_file = folder.join(files.current);
    let current = number(&read_text(&current_file)?, &current_file)?;
    let stat_file = folder.join("memory.stat");
    let stat = read_text(&stat_file)?;
    let reclaimable = stat
        .lines()
        .find_map(|line| line.strip_prefix(files.reclaimable)?.strip_prefix(' '))
        .ok_or_else(|| format!("{} has no {}", stat_file.display(), files.reclaimable))
        .and_then(|value| number(value, &stat_file))?;
    Ok(Some(CgroupLimit {
        path: folder,
        limit,
        current,
        reclaimable,
    }))
}
