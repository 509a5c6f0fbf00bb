//! Rules on one preset.

use bytesize::ByteSize;
use config_schema::{Place, Stated};

use super::{
    Demand, Fault,
    findings::Findings,
    members::{Member, Presets},
};

const DESCRIPTION: &str = "preset.description";

const MIN_HOST_MEMORY: &str = "preset.min_host_memory";

/// Bytes of host memory that a machine has where a preset does not say.
const ASSUMED_HOST: u64 = 4 << 30;

/// Every preset has a description, and none that of another.
pub(super) fn described(presets: &Presets, findings: &mut Findings) {
    let given = || {
        presets
            .members
            .iter()
            .filter(|member| presets.is_given(member))
    };
    for member in given() {
        let description = &member.config.preset.description;
        let preset = member.name.clone();
        let own = member.stated(DESCRIPTION).map(|stated| &stated.place);
        let own = own.filter(|(source, _)| source.name == member.home.0.name);
        let place = own.unwrap_or(&member.home).clone();
        if description.trim().is_empty() {
            let help =
                "say for which device it is and what it trades, as `description` under [preset]";
            findings.at(place, Fault::NoDescription { preset }, help);
            continue;
        }
        let same = |other: &&Member| {
            other.name != member.name && other.config.preset.description == *description
        };
        // Of two that state it the second is at fault, of one that extends another the first.
        let owner = presets.members.iter().filter(same).find(|other| {
            let states = other
                .stated(DESCRIPTION)
                .is_some_and(|stated| stated.place.0.name == other.home.0.name);
            let after = presets.is_given(other) && other.name > member.name;
            states && !(own.is_some() && after)
        });
        if let Some(other) = owner {
            let other = other.name.clone();
            let help = "say what is different about it, as `description` under [preset]";
            findings.at(place, Fault::SameDescription { preset, other }, help);
        }
    }
}

/// What a preset asks for is there.
pub(super) fn demand(member: &Member, demand: &Demand, presets: &Presets, findings: &mut Findings) {
    let preset = member.name.clone();
    let place = |keys: &[&str]| {
        let values: Vec<(&Member, &str)> = keys.iter().map(|key| (member, *key)).collect();
        presets.place(&values)
    };
    if let Some(reason) = &demand.unbuildable {
        let reason = reason.clone();
        let help = "`aoa plan` fails with this message too; change one of the sizes that it names";
        let fault = Fault::Unbuildable { preset, reason };
        findings.at(place(&["dataset.image_size"]), fault, help);
        return;
    }
    let found = host_memory(member, demand, &place, findings);
    // Host memory that is too small by itself is no fault of training.
    let needed = if found {
        demand.peak_bytes
    } else {
        demand.needed_bytes()
    };
    if let (Some(needed), Some(budget)) = (needed, demand.budget_bytes)
        && needed > budget
    {
        let fault = Fault::AboveBudget {
            preset,
            peak: ByteSize(needed),
            budget: ByteSize(budget),
            budget_of: budget_of(member),
        };
        let help = format!(
            "smaller micro-batches and more of them take less; `aoa plan --preset {}` says what takes the memory and what \
             each switch would save",
            member.home.0.name
        );
        findings.at(place(&["training.batch_size"]), fault, help);
    }
}

/// Whether what a preset keeps in host memory is too much, or is not stated.
fn host_memory(
    member: &Member,
    demand: &Demand,
    place: &dyn Fn(&[&str]) -> Place,
    findings: &mut Findings,
) -> bool {
    let preset = member.name.clone();
    let stated = member.config.preset.min_host_memory.bytes();
    let preload = "data_loading.preload_data";
    let images = demand.preload_bytes.map(ByteSize);
    match (images, stated) {
        (Some(images), None) => {
            let fault = Fault::HostMemoryNotStated { preset, images };
            let help = "state it as `min_host_memory` under [preset], or set `preload_data` to false or \"auto\"";
            findings.at(place(&[preload]), fault, help);
            return true;
        }
        (Some(images), Some(host)) if images.as_u64() > host => {
            let host = ByteSize(host);
            let fault = Fault::PreloadTooLarge {
                preset,
                images,
                host,
            };
            let help = "set `preload_data` to false or \"auto\", or ask for more with `min_host_memory` under [preset]";
            findings.at(place(&[MIN_HOST_MEMORY, preload]), fault, help);
            return true;
        }
        _ => {}
    }
    let (kept, host) = (demand.host_bytes(), stated.unwrap_or(ASSUMED_HOST));
    if kept <= host {
        return false;
    }
    let keys = &member.config.memory_optimization;
    let fault = Fault::QueueTooLarge {
        preset,
        kept: ByteSize(kept),
        host: ByteSize(host),
        host_of: match stated {
            Some(_) => format!("`{MIN_HOST_MEMORY}`"),
            None => format!("`{MIN_HOST_MEMORY}` is not stated"),
        },
        waiting: keys.num_workers * keys.prefetch_factor * member.config.training.batch_size,
    };
    let help = "lower `prefetch_factor` or `num_workers` under [memory_optimization], or ask for more with `min_host_memory` \
                under [preset]";
    let mut queue = [
        "memory_optimization.prefetch_factor",
        "memory_optimization.num_workers",
        MIN_HOST_MEMORY,
    ];
    // What the preset states itself is shown before what it takes over.
    queue.sort_by_key(|key| {
        let own = |stated: &&Stated| stated.place.0.name == member.home.0.name;
        member
            .stated(key)
            .as_ref()
            .is_none_or(|stated| !own(stated))
    });
    findings.at(place(&queue), fault, help);
    true
}

/// In words, what the budget of a preset is a part of.
fn budget_of(member: &Member) -> String {
    let stated = "hardware.memory_budget";
    if member.config.hardware.memory_budget.bytes().is_some() {
        return member.key(stated).to_string();
    }
    let memory = match member.config.preset.min_device_memory.bytes() {
        Some(_) => "preset.min_device_memory",
        None => "preset.min_host_memory",
    };
    let usage = member.config.memory_optimization.max_memory_usage;
    format!("{usage} of {}", member.key(memory))
}
