use data_pipeline::{ImageHeader, tokenize};
use trainer::{Trained, device};

use crate::args::{AskArgs, ConfigArgs};
use crate::commands::common::{run_dir, warn_of};
use crate::failure::Failure;
use crate::figures::percent;
use crate::output;
use crate::printable::inline;
use crate::settings::{of_run, read_bounded};
use crate::wiring::Wiring;

/// A larger file is no picture that somebody asks about.
const MAX_IMAGE_BYTES: u64 = 256 << 20;

pub fn run<W: Wiring>(args: &AskArgs) -> Result<(), Failure> {
    if tokenize(&args.question).next().is_none() {
        return Err(Failure::NoQuestion {
            question: args.question.clone(),
        });
    }
    let image = read_bounded(&args.image, MAX_IMAGE_BYTES).map_err(|source| Failure::File {
        path: args.image.clone(),
        source,
    })?;
    // What cannot be read at all is an error when it is asked about.
    if let Ok(header) = ImageHeader::read(&image) {
        for warning in header.warnings {
            let image = args.image.display().to_string();
            output::note(format!("warning: `{}` {warning}", inline(&image)));
        }
    }
    let run_dir = run_dir(args.run.as_ref())?;
    let settings = of_run::<W>(&run_dir, &ConfigArgs::default())?.ready()?;
    let device = device::open(&settings.device)?;
    let trained =
        Trained::<W::Model>::open_at(&run_dir, args.step, &settings.resolved.config, &device)?;
    warn_of(&trained.rejected);
    for doubt in trained.doubts(&args.question) {
        output::note(format!("warning: {doubt}"));
    }
    let answers = trained.ask(
        &image,
        &args.image.display().to_string(),
        &args.question,
        args.top.get(),
    )?;
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
