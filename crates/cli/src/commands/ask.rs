use std::path::Path;

use data_pipeline::{ImageHeader, tokenize};
use trainer::{TrainError, Trained, device};

use crate::args::{AskArgs, ConfigArgs};
use crate::commands::common::{require_readable, run_dir, warn_of};
use crate::commands::predict::{Record, with_paths};
use crate::failure::Failure;
use crate::figures::percent;
use crate::output;
use crate::printable::inline;
use crate::progress;
use crate::settings::{Settings, of_run};
use crate::source_files::read_bounded;
use crate::wiring::Wiring;

/// A larger file is no picture that somebody asks about.
const MAX_IMAGE_BYTES: u64 = 256 << 20;

pub fn run<W: Wiring>(args: &AskArgs) -> Result<(), Failure> {
    match (&args.batch, &args.question, &args.image) {
        (Some(batch), ..) => many::<W>(args, batch),
        (None, Some(question), Some(image)) => one::<W>(args, question, image),
        // The arguments do not allow it.
        (None, question, _) => Err(Failure::NoQuestion {
            question: question.clone().unwrap_or_default(),
        }),
    }
}

/// Opens the run that is asked, and the checkpoint.
fn open<W: Wiring>(args: &AskArgs) -> Result<(Settings, Trained<W::Model>), Failure> {
    let run_dir = run_dir(args.run.as_ref())?;
    let settings = of_run::<W>(&run_dir, &ConfigArgs::default())?.ready()?;
    let device = device::open(&settings.device)?;
    let trained = Trained::open_at(&run_dir, args.step, &settings.resolved.config, &device)?;
    warn_of(&trained.rejected);
    Ok((settings, trained))
}

/// Answers the questions of a file, a line of JSON each.
fn many<W: Wiring>(args: &AskArgs, batch: &Path) -> Result<(), Failure> {
    let source = with_paths(batch)?;
    let (settings, trained) = open::<W>(args)?;
    if trained.inputs().regions.is_some() {
        return Err(TrainError::NeedsRegions.into());
    }
    let config = &settings.resolved.config;
    require_readable(config, source.as_ref(), trained.inputs())?;
    let mut observer = progress::answering(0, source.samples().len());
    trained.predict(
        config,
        &source,
        settings.capacity(),
        0,
        observer.as_mut(),
        &mut |predictions| {
            for prediction in &predictions {
                let list = trained.answers();
                output::json(&Record::of(
                    source.as_ref(),
                    list,
                    prediction,
                    args.top.get(),
                ));
            }
            Ok::<_, Failure>(())
        },
    )
}

/// Answers a question about an image.
fn one<W: Wiring>(args: &AskArgs, question: &str, image: &Path) -> Result<(), Failure> {
    if tokenize(question).next().is_none() {
        return Err(Failure::NoQuestion {
            question: question.to_owned(),
        });
    }
    let bytes = read_bounded(image, MAX_IMAGE_BYTES).map_err(|source| Failure::File {
        path: image.to_owned(),
        source,
    })?;
    let name = image.display().to_string();
    // What cannot be read at all is an error when it is asked about.
    if let Ok(header) = ImageHeader::read(&bytes) {
        for warning in header.warnings {
            output::note(format!("warning: `{}` {warning}", inline(&name)));
        }
    }
    let (_, trained) = open::<W>(args)?;
    for doubt in trained.doubts(question) {
        output::note(format!("warning: {doubt}"));
    }
    let answers = trained.ask(&bytes, &name, question, args.top.get())?;
    if args.json {
        output::json(&answers);
        return Ok(());
    }
    for answer in answers {
        output::line(format!(
            "{:>8}  {}",
            percent(answer.probability),
            inline(&answer.answer)
        ));
    }
    Ok(())
}
