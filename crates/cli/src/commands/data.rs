mod fetch;
mod shard;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use config_schema::Config;
use data_pipeline::{
    Check, Checked, DataError, Depth, Fault, Inputs, OddImage, Source, Split, Thresholds, check,
    folder,
};
use file_kind::{bounded, quoted};
use trainer::{Dataset, ReadableSplits, data_report, order_in_words, training_encoder};

use crate::args::{ConfigArgs, DataCommand, ExportFormat};
use crate::commands::common::{checking_threads, tell_reading};
use crate::commands::{import, import_features};
use crate::failure::Failure;
use crate::official::imported;
use crate::output;
use crate::progress::Files;
use crate::staging::{Staging, first_entry};
use crate::wiring::Wiring;

/// Endings of exported pictures, PNG and JPEG.
const ENDINGS: [&str; 2] = ["png", "jpg"];

pub use fetch::announce;

/// Exit code where files of the data set cannot be used.
const UNUSABLE: u8 = 3;

/// The exported questions.
const QUESTIONS: &str = "questions.json";

pub fn run<W: Wiring>(command: &DataCommand) -> Result<ExitCode, Failure> {
    match command {
        DataCommand::Check { config, json } => return check_files::<W>(config, *json),
        DataCommand::Fetch {
            name,
            data_root,
            python,
        } => fetch::run(*name, data_root, python)?,
        DataCommand::Shard(args) => shard::run(args)?,
        DataCommand::Import(args) => import::run(args)?,
        DataCommand::ImportFeatures(args) => import_features::run(args)?,
        DataCommand::Stats { config, json } => stats::<W>(config, *json)?,
        DataCommand::Export {
            config,
            split,
            format: ExportFormat::Pictures,
            count,
            to,
        } => export::<W>(config, (*split).into(), *count, to)?,
        DataCommand::Export {
            config,
            format: ExportFormat::Folder,
            count,
            to,
            ..
        } => export_folder::<W>(config, *count, to)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Looks at the files of the splits, the training split first.
fn look(config: &Config, splits: &[Arc<dyn Source>], depth: Depth) -> Result<Checked, Failure> {
    let asked: Vec<_> = splits.iter().map(|split| (split.as_ref(), depth)).collect();
    let asked = Check {
        splits: &asked,
        inputs: splits
            .first()
            .map_or(Inputs::IMAGES, |train| train.inputs()),
        image_size: config.dataset.image_size,
        threads: checking_threads(),
    };
    let mut bar = Files::new();
    Ok(check(asked, &mut |done, of| bar.show(done, of))?)
}

fn check_files<W: Wiring>(config: &ConfigArgs, json: bool) -> Result<ExitCode, Failure> {
    let config = config.settings::<W>()?.resolved.config;
    let (splits, questions) = match W::open_dataset(&config) {
        Ok(Dataset {
            train,
            validation,
            test,
        }) => (vec![train, validation, test], None),
        Err(error) => {
            // What can be read of the questions tells which files there should be.
            let ReadableSplits {
                splits,
                error: faults,
            } = W::readable_dataset(&*imported(&config)?);
            if splits.is_empty() && error.each().len() == 1 {
                return Err(error.into());
            }
            // A data set that opens split by split may still not be one: its splits differ in their inputs.
            (splits, Some(faults.unwrap_or(error)))
        }
    };
    let mut checked = look(&config, &splits, Depth::Whole)?;
    let questions = questions.and_then(|error| of_questions(error, &mut checked));
    let dataset = config.dataset.name.to_string();
    Ok(tell_found(&dataset, questions.as_ref(), &checked, json))
}

/// What of an error of opening a data set is about its questions. Files that could not be used then go to the files that cannot.
fn of_questions(error: DataError, checked: &mut Checked) -> Option<DataError> {
    let (errors, more) = match error {
        DataError::Several { errors, more, .. } => (errors, more),
        only => (vec![only], 0),
    };
    let mut others = Vec::new();
    for error in errors {
        match error {
            DataError::BadFiles { faults, files, .. } => {
                checked.files += files;
                checked.faults.extend(faults.0);
            }
            error => others.push(error),
        }
    }
    match (others.len(), more) {
        (0, 0) => None,
        (1, 0) => others.pop(),
        _ => Some(DataError::Several {
            file: None,
            errors: others,
            more,
        }),
    }
}

/// Prints the faults of questions and files, and warnings of odd images.
fn tell_found(
    dataset: &str,
    questions: Option<&DataError>,
    checked: &Checked,
    json: bool,
) -> ExitCode {
    let Checked {
        files, faults, odd, ..
    } = checked;
    let errors = questions.map_or(&[][..], DataError::each);
    let more = match questions {
        Some(DataError::Several { more, .. }) => *more,
        _ => 0,
    };
    if json {
        let error = |error: &DataError| serde_json::json!({ "cause": bounded(&error.in_full()), "cure": error.hint() });
        let errors: Vec<_> = errors.iter().map(error).collect();
        output::json(&serde_json::json!({
            "questions": errors, "more_questions": more, "files": files, "faults": faults, "odd": odd,
        }));
    } else {
        let mut numbers = 1..;
        let mut number = || numbers.next().unwrap_or_default();
        for error in errors {
            let cure = error
                .hint()
                .map_or_else(String::new, |cure| format!("\n   cure: {cure}"));
            let cause = error.in_full();
            output::line(format!("{}. {}{cure}", number(), bounded(&cause)));
        }
        if more > 0 {
            output::line(format!("   and {more} more faults of questions"));
        }
        for fault in faults {
            let Fault { cause, cure, .. } = fault;
            let (file, places) = (fault.name(), fault.places());
            let used = match places.as_str() {
                "" => String::new(),
                places => format!("\n   used by {places}"),
            };
            output::line(bounded(&format!(
                "{}. {file}: {cause}{used}\n   cure: {cure}",
                number()
            )));
        }
        for image in odd {
            output::line(format!("warning: {} {}", image.name(), image.sentence()));
        }
    }
    if questions.is_some() {
        output::note(format!(
            "{} in the questions",
            counted(errors.len() + more, "fault", "faults")
        ));
    }
    let of_files = counted(*files, "file", "files");
    match faults.len() {
        // No question is left that would name a file.
        0 if *files == 0 && questions.is_some() => {
            output::note("no files were looked at: repair the questions first");
        }
        0 if questions.is_some() => output::note(format!(
            "all of {of_files} that the other questions name can be used"
        )),
        0 => output::note(format!("{dataset}: all of {of_files} can be used")),
        faults => output::note(format!("{dataset}: {faults} of {of_files} cannot be used")),
    }
    if !odd.is_empty() {
        output::note(format!(
            "{} odd but readable",
            counted(odd.len(), "image is", "images are")
        ));
    }
    if faults.is_empty() && questions.is_none() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(UNUSABLE)
    }
}

/// A number with its noun.
fn counted(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

fn stats<W: Wiring>(config: &ConfigArgs, json: bool) -> Result<(), Failure> {
    let config = config.settings::<W>()?.resolved.config;
    let dataset = W::open_dataset(&config)?;
    tell_reading(dataset.readings());
    let encoder = training_encoder::<W::Model>(&config, dataset.train.as_ref())?;
    let splits = [&dataset.train, &dataset.validation, &dataset.test].map(Arc::clone);
    let checked = look(&config, &splits, Depth::Glance)?;
    let report = data_report::<W::Model>(&config, &encoder, &dataset, &checked.shared);
    for figures in &report.splits {
        let name = figures.split;
        let source = match name {
            "train" => &dataset.train,
            "validation" => &dataset.validation,
            _ => &dataset.test,
        };
        let mut answers = BTreeMap::<&str, usize>::new();
        for answer in source.samples().iter().flat_map(|sample| &sample.answers) {
            *answers.entry(&answer.text).or_default() += 1;
        }
        let (samples, images) = (source.samples().len(), source.image_count());
        if json {
            output::json(&serde_json::json!({
                "split": name, "samples": samples, "images": images,
                "inputs": source.inputs(), "answers": answers, "report": figures,
                "answer_list": { "answers": report.answers, "once": report.answers_once },
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
                "{name}: {}, {}\n  {}",
                counted(samples, "sample", "samples"),
                counted(images, "image", "images"),
                shares.join(", ")
            ));
        }
    }
    if !json {
        report.lines().into_iter().for_each(output::line);
        output::line(order_in_words(&config, dataset.train.as_ref()));
    }
    let warnings = OddImage::warnings(&checked.odd).into_iter();
    for warning in warnings.chain(report.warnings(&Thresholds::DEFAULT)) {
        output::note(format!("warning: {warning}"));
    }
    if !checked.faults.is_empty() {
        output::note(format!(
            "warning: {} of {} cannot be used; `aoa data check` lists them",
            checked.faults.len(),
            counted(checked.files, "file", "files")
        ));
    }
    Ok(())
}

/// Writes `<image>.png` or `.jpg` for the first images of a split, and `questions.json` about them.
fn export<W: Wiring>(
    config: &ConfigArgs,
    split: Split,
    count: usize,
    to: &Path,
) -> Result<(), Failure> {
    let dataset = W::open_dataset(&config.settings::<W>()?.resolved.config)?;
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
    let staging = Staging::of(to)?;
    let write = |name: &str, content: &[u8]| {
        let written = fs::write(staging.path().join(name), content);
        written.map_err(|source| Failure::Write {
            path: to.join(name),
            source,
        })
    };
    let mut questions = Vec::new();
    for image in images {
        let encoded = source.encoded_image(image)?;
        let extension = ENDINGS[usize::from(encoded.starts_with(&[0xff, 0xd8]))];
        let file = format!("{image}.{extension}");
        write(&file, &encoded)?;
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
            let mut question = sample.fields.to_map();
            question.extend(written.as_object().cloned().unwrap_or_default());
            serde_json::Value::Object(question)
        }));
    }
    let lines: Vec<_> = questions
        .iter()
        .map(|question| format!("  {question}"))
        .collect();
    let text = format!("[\n{}\n]\n", lines.join(",\n"));
    write(QUESTIONS, text.as_bytes())?;
    staging.publish()?;
    output::note(format!(
        "{} about the images in {}",
        counted(questions.len(), "question", "questions"),
        to.display()
    ));
    Ok(())
}

/// Writes the first images of every split as a data set that `dataset.name=folder` reads.
fn export_folder<W: Wiring>(config: &ConfigArgs, count: usize, to: &Path) -> Result<(), Failure> {
    let mut settings = config.settings::<W>()?.resolved.config;
    settings.dataset.shapes_described = true;
    let dataset = W::open_dataset(&settings)?;
    let splits = [
        (Split::Train, dataset.train.as_ref()),
        (Split::Validation, dataset.validation.as_ref()),
        (Split::Test, dataset.test.as_ref()),
    ];
    if let Some(path) = first_entry(to)? {
        return Err(DataError::Occupied { path }.into());
    }
    let staging = Staging::of(to)?;
    let questions = folder::write(staging.path(), &splits, count);
    let questions = questions.map_err(|error| staging.write_error(error))?;
    staging.publish()?;
    output::note(format!(
        "{} in {}; train on them with `--dataset folder --data-root {}`",
        counted(questions, "question", "questions"),
        to.display(),
        quoted(to)
    ));
    Ok(())
}
