mod check;
mod derive;
mod folder;

use std::process::ExitCode;

use config_schema::{preset_summaries, presets};

use crate::args::PresetsCommand;
use crate::failure::Failure;
use crate::output;
use crate::progress::gibibytes;
use crate::settings::lookup;

pub fn run(command: &PresetsCommand) -> Result<ExitCode, Failure> {
    match command {
        PresetsCommand::List { json } => list(*json)?,
        PresetsCommand::Check(args) => return check::run(args),
        PresetsCommand::Rules => check::rules(),
        PresetsCommand::Derive(args) => derive::run(args)?,
        PresetsCommand::Show { name } => {
            let known = || {
                presets::embedded()
                    .iter()
                    .map(|preset| preset.name)
                    .collect()
            };
            let preset = lookup(name).ok_or_else(|| Failure::Preset {
                name: name.clone(),
                known: known(),
            })?;
            output::text(preset.text);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(json: bool) -> Result<(), Failure> {
    for preset in preset_summaries()? {
        if json {
            output::json(&serde_json::json!({
                "name": preset.name,
                "description": preset.description,
                "min_device_memory": preset.min_device_memory,
            }));
        } else {
            let memory = preset
                .min_device_memory
                .map_or_else(|| "no GPU".to_owned(), gibibytes);
            output::line(format!(
                "{:<14}{memory:>9}  {}",
                preset.name, preset.description
            ));
        }
    }
    Ok(())
}
