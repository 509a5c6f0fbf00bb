mod check;
mod derive;
mod diff;
mod folder;
mod import;

use std::process::ExitCode;

use config_schema::preset_summaries;
use preset_tools::{Language, guide};

use crate::args::{LanguageArg, PresetsCommand};
use crate::failure::Failure;
use crate::figures::gibibytes;
use crate::output;
use crate::settings::preset;
use crate::wiring::Wiring;

pub fn run<W: Wiring>(command: &PresetsCommand) -> Result<ExitCode, Failure> {
    match command {
        PresetsCommand::List { json } => list(*json)?,
        PresetsCommand::Show { name } => output::text(preset(name)?.text),
        PresetsCommand::Check(args) => return check::run::<W>(args),
        PresetsCommand::Rules => check::rules(),
        PresetsCommand::Derive(args) => derive::run::<W>(args)?,
        PresetsCommand::Diff { presets, show } => diff::run(presets, show)?,
        PresetsCommand::Guide { lang } => output::text(guide(match lang {
            LanguageArg::En => Language::En,
            LanguageArg::Zh => Language::Zh,
        })?),
        PresetsCommand::Import {
            file,
            vram,
            to,
            force,
            json,
        } => import::run(file, *vram, to.as_deref(), *force, *json)?,
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
