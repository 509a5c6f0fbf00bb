use config_schema::Resolved;

use crate::args::RunsCommand;
use crate::commands::comparison;
use crate::failure::Failure;
use crate::settings::recorded;

pub fn run(command: &RunsCommand) -> Result<(), Failure> {
    let RunsCommand::Diff { runs, show } = command;
    let column = |run: &std::path::PathBuf| -> Result<(String, Resolved), Failure> {
        Ok((run.display().to_string(), recorded(run)?))
    };
    let columns: Vec<_> = runs.iter().map(column).collect::<Result<_, _>>()?;
    comparison::show(&columns, show);
    Ok(())
}
