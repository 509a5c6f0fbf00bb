use std::path::Path;

use config_schema::DeviceMemory;
use preset_tools::{Became, ImportedKey, import_yaml_for};

use crate::commands::common::{may_write, write_text};
use crate::failure::Failure;
use crate::output;
use crate::source_files::read_source;

pub fn run(
    file: &Path,
    vram: Option<DeviceMemory>,
    to: Option<&Path>,
    force: bool,
    json: bool,
) -> Result<(), Failure> {
    if let Some(to) = to {
        may_write(to, force)?;
    }
    let import = import_yaml_for(read_source(file)?, vram.unwrap_or_default());
    if json {
        output::json(&import.keys);
    } else {
        // The report is what the command answers where the preset goes to a file.
        let say: fn(String) = match to {
            Some(_) => |line| output::line(line),
            None => |line| output::note(line),
        };
        for key in &import.keys {
            say(format!("{}:{}: {}", file.display(), key.line, fate(key)));
        }
    }
    let preset = import.preset?;
    match to {
        None => output::text(&preset),
        Some(to) => write_text(to, &preset)?,
    }
    if !preset.contains("\nmin_device_memory = ") {
        output::note(
            "note: this preset is for machines without GPU; import it with `--vram 24GiB` for GPUs with at least 24 GiB",
        );
    }
    Ok(())
}

fn fate(key: &ImportedKey) -> String {
    let name = &key.name;
    match &key.became {
        Became::Taken => format!("`{name}` taken"),
        Became::Renamed { to } => format!("`{name}` taken as `{to}`"),
        Became::Unset => format!("`{name}` left out, it has no value"),
        Became::Left { reason } => format!("`{name}` left out: {reason}"),
        Became::Unknown { help: None } => format!("`{name}` left out, it is not known"),
        Became::Unknown { help: Some(help) } => {
            format!("`{name}` left out, it is not known: {help}")
        }
        Became::Refused => format!("`{name}` refused, see below"),
    }
}
