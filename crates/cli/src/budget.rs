//! Stated budgets that cannot be meant.

use config_schema::DeviceMemory;

use crate::failure::{BadBudget, Failure};
use crate::figures::gibibytes;
use crate::output;
use crate::settings::Settings;

/// Bytes that no run is content with.
const LEAST: u64 = 1 << 20;

/// Refuses a stated budget that no run fits into, and one of more than the device has, which would bind nothing.
///
/// # Errors
///
/// With either, before any work.
pub fn check(settings: &Settings) -> Result<(), Failure> {
    let Some(budget) = stated(settings)? else {
        return Ok(());
    };
    let (memory, device) = match settings.device_memory {
        Some(memory) => (memory, settings.device.to_string()),
        None => (
            DeviceMemory::MORE_THAN_ANY_MACHINE,
            "any machine".to_owned(),
        ),
    };
    if budget > memory {
        return Err(Failure::Budget {
            budget: text(settings),
            why: BadBudget::TooLarge { device, memory },
        });
    }
    Ok(())
}

/// As [`check`] for a plan, which may be made for another machine: more than the device here has is a warning, and where there
/// is none, more than the smallest card that the preset is for.
///
/// # Errors
///
/// With a budget that no run fits into.
pub fn check_plan(settings: &Settings) -> Result<(), Failure> {
    let Some(budget) = stated(settings)? else {
        return Ok(());
    };
    let here = settings.device_memory;
    let (memory, end) = match (here, settings.planned_memory()) {
        (Some(memory), _) => (
            memory,
            format!(
                "{} has here; `aoa train` refuses it on this machine",
                settings.device
            ),
        ),
        (None, (Some(smallest), whose)) => (smallest.total, format!("{whose} has")),
        (None, (None, _)) => (
            DeviceMemory::MORE_THAN_ANY_MACHINE,
            "any machine has".to_owned(),
        ),
    };
    if budget > memory {
        output::note(format!(
            "warning: {} is more than the {} that {end}",
            text(settings),
            gibibytes(memory)
        ));
    }
    Ok(())
}

/// The budget that the configuration states.
fn stated(settings: &Settings) -> Result<Option<u64>, Failure> {
    let budget = settings.resolved.config.hardware.memory_budget.bytes();
    match budget {
        Some(bytes) if bytes < LEAST => Err(Failure::Budget {
            budget: text(settings),
            why: BadBudget::TooSmall,
        }),
        budget => Ok(budget),
    }
}

/// The budget as an assignment, and who made it.
fn text(settings: &Settings) -> String {
    const KEY: &str = "hardware.memory_budget";
    let resolved = &settings.resolved;
    let assignment = format!("`{KEY} = {}`", resolved.config.hardware.memory_budget);
    match resolved.origins.get(KEY) {
        Some(origin) => format!("{assignment} ({origin})"),
        None => assignment,
    }
}
