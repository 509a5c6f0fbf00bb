use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use data_pipeline::easy_vqa::{self, Fetched};
use data_pipeline::{DataError, Split, folder};
use trainer::Dataset;

use crate::args::{ConfigArgs, DataCommand, ExportFormat, FetchName};
use crate::commands::tell_reading;
use crate::failure::Failure;
use crate::output;

/// Endings of exported pictures, PNG and JPEG.
const ENDINGS: [&str; 2] = ["png", "jpg"];

/// The exported questions.
const QUESTIONS: &str = "questions.json";

pub fn run(command: &DataCommand) -> Result<(), Failure> {
    match command {
        DataCommand::Fetch {
            name: FetchName::EasyVqa,
            data_root,
            python,
        } => {
            announce(&easy_vqa::fetch(data_root, python)?);
            Ok(())
        }
        DataCommand::Stats { config, json } => stats(config, *json),
        DataCommand::Export {
            config,
            split,
            format: ExportFormat::Pictures,
            count,
            to,
        } => export(config, (*split).into(), *count, to),
        DataCommand::Export {
            config,
            format: ExportFormat::Folder,
            count,
            to,
            ..
        } => export_folder(config, *count, to),
    }
}

/// Says where a data set is now.
pub fn announce(fetched: &Fetched) {
    let how = if fetched.already_there {
        "was there already"
    } else {
        "is there now"
    };
    output::note(format!("{} {how}, whole", fetched.folder.display()));
}

fn stats(config: &ConfigArgs, json: bool) -> Result<(), Failure> {
    let dataset = Dataset::open(&config.settings()?.resolved.config)?;
    tell_reading(&dataset);
    let splits = [
        ("train", &dataset.train),
        ("validation", &dataset.validation),
        ("test", &dataset.test),
    ];
    for (name, source) in splits {
        let mut answers = BTreeMap::<&str, usize>::new();
        for answer in source.samples().iter().flat_map(|sample| &sample.answers) {
            *answers.entry(&answer.text).or_default() += 1;
        }
        let (samples, images) = (source.samples().len(), source.image_count());
        if json {
            output::json(&serde_json::json!({
                "split": name, "samples": samples, "images": images,
                "inputs": source.inputs(), "answers": answers,
            }));
        } else {
            let shares = answers.iter().map(|(answer, count)| {
                format!(
                    "{answer} {:.1} %",
                    100.0 * *count as f64 / samples.max(1) as f64
                )
            });
            let shares: Vec<_> = shares.collect();
            output::line(format!(
                "{name}: {samples} samples, {images} images\n  {}",
                shares.join(", ")
            ));
        }
    }
    Ok(())
}

/// Writes `<image>.png` or `.jpg` for the first images of a split, and `questions.json` about them.
fn export(config: &ConfigArgs, split: Split, count: usize, to: &Path) -> Result<(), Failure> {
    let dataset = Dataset::open(&config.settings()?.resolved.config)?;
    let source = dataset.split(split);
    let images = 0..count.min(source.image_count());
    let names = images
        .clone()
        .flat_map(|image| ENDINGS.map(|ending| format!("{image}.{ending}")));
    let mut paths = names
        .chain([QUESTIONS.to_owned()])
        .map(|name| to.join(name));
    if let Some(path) = paths.find(|path| path.symlink_metadata().is_ok()) {
        return Err(DataError::Occupied { path }.into());
    }
    let write = |path: &Path, content: &[u8]| {
        fs::write(path, content).map_err(|source| Failure::File {
            path: path.to_owned(),
            source,
        })
    };
    fs::create_dir_all(to).map_err(|source| Failure::File {
        path: to.to_owned(),
        source,
    })?;
    let mut questions = Vec::new();
    for image in images {
        let encoded = source.encoded_image(image)?;
        let extension = ENDINGS[usize::from(encoded.starts_with(&[0xff, 0xd8]))];
        let file = format!("{image}.{extension}");
        write(&to.join(&file), &encoded)?;
        let about = source
            .samples()
            .iter()
            .filter(|sample| sample.image == image);
        questions.extend(about.map(|sample| {
            let answers = sample.answers.iter();
            let answers: BTreeMap<_, _> =
                answers.map(|answer| (&answer.text, answer.score)).collect();
            let written =
                serde_json::json!({ "image": file, "question": sample.question, "answers": answers });
            let mut question = sample.fields.clone();
            question.extend(written.as_object().cloned().unwrap_or_default());
            serde_json::Value::Object(question)
        }));
    }
    let lines: Vec<_> = questions
        .iter()
        .map(|question| format!("  {question}"))
        .collect();
    write(
        &to.join(QUESTIONS),
        format!("[\n{}\n]\n", lines.join(",\n")).as_bytes(),
    )?;
    output::note(format!(
        "{} questions about the images in {}",
        questions.len(),
        to.display()
    ));
    Ok(())
}

/// Writes the first images of every split as a data set that `dataset.name=folder` reads.
fn export_folder(config: &ConfigArgs, count: usize, to: &Path) -> Result<(), Failure> {
    let mut settings = config.settings()?.resolved.config;
    settings.dataset.shapes_described = true;
    let dataset = Dataset::open(&settings)?;
    let splits = [
        (Split::Train, dataset.train.as_ref()),
        (Split::Validation, dataset.validation.as_ref()),
        (Split::Test, dataset.test.as_ref()),
    ];
    let questions = folder::write(to, &splits, count)?;
    output::note(format!(
        "{questions} questions in {0}; train on them with --dataset folder --data-root {0}",
        to.display()
    ));
    Ok(())
}
