use config_schema::schema_text;

use crate::args::{ConfigArgs, ConfigCommand};
use crate::failure::Failure;
use crate::output;
use crate::wiring::Wiring;

pub fn run<W: Wiring>(command: &ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Schema => {
            output::text(schema_text());
            Ok(())
        }
        ConfigCommand::Show {
            config,
            origin,
            json,
        } => show::<W>(config, *origin, *json),
    }
}

fn show<W: Wiring>(config: &ConfigArgs, origin: bool, json: bool) -> Result<(), Failure> {
    let settings = config.settings::<W>()?;
    let resolved = &settings.resolved;
    match (json, origin) {
        (true, true) => output::json(&resolved.provenance()),
        (true, false) => output::json(&resolved.config),
        (false, true) => output::text(resolved.provenance_toml()),
        (false, false) => output::text(resolved.annotated_toml()),
    }
    if !json {
        output::note(settings.summary());
    }
    for warning in settings.warnings() {
        output::note(format!("warning: {warning}"));
    }
    Ok(())
}
