use std::path::Path;

use serde_json::json;
use weight_files::WeightFile;

use crate::args::WeightsCommand;
use crate::failure::Failure;
use crate::output;

pub fn run(command: &WeightsCommand) -> Result<(), Failure> {
    match command {
        WeightsCommand::Inspect { file, json } => inspect(file, *json),
    }
}

fn inspect(path: &Path, json: bool) -> Result<(), Failure> {
    let file = WeightFile::open(path)?;
    let parameters: usize = file.tensors().map(|(_, tensor)| tensor.elements()).sum();
    let bytes: usize = file.tensors().map(|(_, tensor)| tensor.bytes()).sum();
    if json {
        let tensors = file.tensors().map(|(name, tensor)| {
            json!({
                "name": name,
                "dtype": tensor.dtype.to_string(),
                "shape": tensor.shape,
                "parameters": tensor.elements(),
            })
        });
        output::json(&json!({
            "format": file.format().to_string(),
            "tensors": tensors.collect::<Vec<_>>(),
            "ignored": file.ignored(),
            "parameters": parameters,
            "bytes": bytes,
        }));
        return Ok(());
    }
    let width = file
        .tensors()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or(0);
    for (name, tensor) in file.tensors() {
        let (dtype, shape) = (tensor.dtype.to_string(), format!("{:?}", tensor.shape));
        output::line(format!(
            "{name:width$}  {dtype:4}  {shape:20}  {:>12}",
            tensor.elements()
        ));
    }
    output::line(format!(
        "{} tensors, {parameters} numbers, {bytes} bytes; {}",
        file.tensors().count(),
        file.format()
    ));
    if !file.ignored().is_empty() {
        output::note(format!("beside the tensors: {}", file.ignored().join(", ")));
    }
    Ok(())
}
