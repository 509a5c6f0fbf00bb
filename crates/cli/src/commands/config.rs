use crate::args::ConfigCommand;
use crate::failure::Failure;
use crate::output;

pub fn run(command: &ConfigCommand) -> Result<(), Failure> {
    let ConfigCommand::Show { config, json } = command;
    let settings = config.settings()?;
    if *json {
        output::json(&settings.resolved.config);
    } else {
        output::note(&settings.reason);
        output::text(settings.resolved.annotated_toml());
    }
    for warning in &settings.resolved.warnings {
        output::note(format!("warning: {warning}"));
    }
    Ok(())
}
