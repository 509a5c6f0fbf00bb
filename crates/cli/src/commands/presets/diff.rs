use config_schema::{Layers, Resolved, resolve};

use crate::args::DiffArgs;
use crate::commands::comparison;
use crate::failure::Failure;
use crate::settings::{lookup, preset};

pub fn run(names: &[String], args: &DiffArgs) -> Result<(), Failure> {
    let resolved = |name: &String| -> Result<(String, Resolved), Failure> {
        preset(name)?;
        Ok((name.clone(), resolve(&Layers::preset(name), &lookup)?))
    };
    let columns: Vec<_> = names.iter().map(resolved).collect::<Result<_, _>>()?;
    comparison::show(&columns, args);
    Ok(())
}
