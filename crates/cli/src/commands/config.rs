use crate::args::ConfigCommand;
use crate::failure::Failure;
use crate::output;

pub fn run(command: &ConfigCommand) -> Result<(), Failure> {
    let ConfigCommand::Show {
        config,
        origin,
        json,
    } = command;
    let settings = config.settings()?;
    let resolved = &settings.resolved;
    match (*json, *origin) {
        (true, true) => output::json(&resolved.provenance()),
        (true, false) => output::json(&resolved.config),
        (false, true) => output::text(resolved.provenance_toml()),
        (false, false) => output::text(resolved.annotated_toml()),
    }
    if !json {
        output::note(&settings.reason);
    }
    for warning in &resolved.warnings {
        output::note(format!("warning: {warning}"));
    }
    Ok(())
}
