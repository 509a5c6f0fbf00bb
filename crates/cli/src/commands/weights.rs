use std::collections::BTreeMap;
use std::path::Path;

use aoa_model::Vqa;
use aoa_model::weights::{
    LoadError, PublishedPart, Report, export_part, load_part, xvlm_vocabulary,
};
use config_schema::{Branches, ImageEncoder, count};
use data_pipeline::Inputs;
use model_api::{DataShape, Model};
use serde_json::json;
use trainer::randomness::{Stream, seed};
use trainer::{TrainError, Trained, device};
use weight_files::{Fault, TensorBytes, TensorInfo, WeightFile, write_safetensors};

use crate::args::{ConfigArgs, FloatType, PartArg, WeightsCommand};
use crate::commands::common::{may_write, run_dir, warn_of};
use crate::failure::Failure;
use crate::output;
use crate::settings::{Settings, of_run};
use crate::wiring::Wiring;

pub fn run<W: Wiring>(command: &WeightsCommand) -> Result<(), Failure> {
    match command {
        WeightsCommand::Inspect { file, json } => inspect(file, *json),
        WeightsCommand::Export {
            run_dir: named,
            step,
            to,
            force,
            part,
            dtype,
        } => {
            may_write(to, *force)?;
            export::<W>(&run_dir(named.as_ref())?, *step, to, *part, *dtype)
        }
        WeightsCommand::Import {
            file,
            to,
            force,
            run,
            config,
            json,
        } => {
            may_write(to, *force)?;
            let settings = match run {
                Some(run) => of_run::<W>(run, &ConfigArgs::default())?,
                None => config.settings::<W>()?,
            };
            import(file, to, settings.ready()?, *json)
        }
    }
}

fn export<W: Wiring>(
    run_dir: &Path,
    step: Option<usize>,
    to: &Path,
    part: PartArg,
    dtype: FloatType,
) -> Result<(), Failure> {
    let settings = of_run::<W>(run_dir, &ConfigArgs::default())?.ready()?;
    let device = device::open(&settings.device)?;
    let trained = Trained::<W::Model>::open_at(run_dir, step, &settings.resolved.config, &device)?;
    warn_of(&trained.rejected);
    let tensors = W::published(trained.model(), part.into())?;
    let rounded = tensors.into_iter().map(|(name, tensor)| {
        let tensor = tensor.rounded(dtype.into());
        tensor
            .map(|tensor| (name.clone(), tensor))
            .map_err(|source| Failure::TooLarge { name, source })
    });
    let tensors: BTreeMap<_, _> = rounded.collect::<Result<_, _>>()?;
    write(to, &tensors)?;
    output::note(format!(
        "{} of step {} in {}",
        count(tensors.len(), "tensor"),
        trained.step,
        to.display()
    ));
    Ok(())
}

fn import(path: &Path, to: &Path, settings: Settings, json: bool) -> Result<(), Failure> {
    let file = WeightFile::open(path)?;
    let mut config = settings.resolved.config;
    config.model.branches = Branches::Coarse;
    config.model.image_encoder = ImageEncoder::Swin;
    let shape = DataShape {
        vocabulary: 1,
        answers: 1,
        word_pieces: Some(xvlm_vocabulary(&file).unwrap_or(1)),
        inputs: Inputs::IMAGES,
    };
    let parts = Vqa::configure(&config, &shape).map_err(TrainError::Model)?;
    let device = device::open(&settings.device)?;
    // What the file does not have is drawn, and drawn again as it was.
    device.seed(seed(config.training.seed, Stream::Weights, 0, 0));
    let model = <Vqa as Model>::init(&parts, &device);
    let (model, report) =
        load_part(&file, PublishedPart::Xvlm, model).map_err(|error| match error {
            LoadError::NoSuchPart(error) => Failure::Part(error),
            LoadError::File(error) => Failure::Weights(error),
        })?;
    if json {
        output::json(&as_json(&report));
    } else {
        output::line(report.to_string());
    }
    if !report.is_complete() {
        return Err(Failure::Incomplete {
            path: path.to_owned(),
        });
    }
    write(to, &export_part(PublishedPart::Xvlm, &model)?)
}

/// Writes a file of weights; that it cannot be written says nothing of weights that were read.
fn write(to: &Path, tensors: &BTreeMap<String, TensorBytes>) -> Result<(), Failure> {
    write_safetensors(to, tensors).map_err(|error| match error.fault {
        Fault::Io(source) => Failure::Write {
            path: error.path,
            source,
        },
        Fault::NotAFile => Failure::NotAFile { path: error.path },
        _ => Failure::Weights(error),
    })
}

fn as_json(report: &Report) -> serde_json::Value {
    let interpolated = report.interpolated.iter();
    let interpolated =
        interpolated.map(|table| json!({ "name": table.name, "from": table.from, "to": table.to }));
    let mis_shaped = report.mis_shaped.iter();
    let mis_shaped =
        mis_shaped.map(|one| json!({ "name": one.name, "file": one.file, "model": one.model }));
    json!({
        "complete": report.is_complete(),
        "loaded": report.loaded,
        "interpolated": interpolated.collect::<Vec<_>>(),
        "fresh": report.fresh,
        "missing": report.missing,
        "mis_shaped": mis_shaped.collect::<Vec<_>>(),
        "implied": report.implied,
        "unexpected": report.unexpected,
        "ignored": report.ignored,
    })
}

/// Widest column of names; a longer name pushes the rest of its line to the right.
const WIDEST_NAME: usize = 100;

fn inspect(path: &Path, json: bool) -> Result<(), Failure> {
    let file = WeightFile::open(path)?;
    let parameters: usize = file.tensors().map(|(_, tensor)| learned(tensor)).sum();
    let bytes: usize = file.tensors().map(|(_, tensor)| tensor.bytes()).sum();
    if json {
        let tensors = file.tensors().map(|(name, tensor)| {
            json!({
                "name": name,
                "dtype": tensor.dtype.to_string(),
                "shape": tensor.shape,
                "parameters": learned(tensor),
            })
        });
        output::json(&json!({
            "format": file.format().to_string(),
            "tensors": tensors.collect::<Vec<_>>(),
            "unread": file.unread().map(|(name, what)| json!({ "name": name, "what": what })).collect::<Vec<_>>(),
            "ignored": file.ignored(),
            "parameters": parameters,
            "bytes": bytes,
        }));
        return Ok(());
    }
    // A name is whatever the file says it is, control characters for a terminal among it.
    let tensors: Vec<_> = file
        .tensors()
        .map(|(name, tensor)| (name.escape_debug().to_string(), tensor))
        .collect();
    let widths = tensors.iter().map(|(name, _)| name.chars().count());
    let width = widths.max().unwrap_or(0).min(WIDEST_NAME);
    for (name, tensor) in &tensors {
        let (dtype, shape) = (tensor.dtype.to_string(), format!("{:?}", tensor.shape));
        output::line(format!(
            "{name:width$}  {dtype:4}  {shape:20}  {:>12}",
            learned(tensor)
        ));
    }
    output::line(format!(
        "{}, {}, {}; {}",
        count(tensors.len(), "tensor"),
        count(parameters, "parameter"),
        count(bytes, "byte"),
        file.format()
    ));
    for (name, what) in file.unread() {
        let (name, what) = (name.escape_debug(), what.escape_debug());
        output::note(format!("not read: {name}, {what}"));
    }
    if !file.ignored().is_empty() {
        let ignored = file.ignored().join(", ");
        let ignored = ignored.escape_debug();
        output::note(format!("ignored beside the tensors: {ignored}"));
    }
    Ok(())
}

/// Parameters of a tensor; a buffer of integers has none.
fn learned(tensor: &TensorInfo) -> usize {
    if tensor.is_float() {
        tensor.elements()
    } else {
        0
    }
}
