use std::fs;

use trainer::{Trained, device};

use crate::ActiveModel;
use crate::args::AskArgs;
use crate::commands::{run_dir, warn_of};
use crate::failure::Failure;
use crate::output;
use crate::progress::percent;
use crate::settings::of_run;

pub fn run(args: &AskArgs) -> Result<(), Failure> {
    let image = fs::read(&args.image).map_err(|source| Failure::File {
        path: args.image.clone(),
        source,
    })?;
    let run_dir = run_dir(args.run.as_ref())?;
    let settings = of_run(&run_dir, None, &[])?;
    let device = device::open(&settings.device)?;
    let trained = Trained::<ActiveModel>::open(&run_dir, &settings.resolved.config, &device)?;
    warn_of(&trained.rejected);
    let answers = trained.ask(
        &image,
        &args.image.display().to_string(),
        &args.question,
        args.top,
    )?;
    if args.json {
        output::json(&answers);
        return Ok(());
    }
    for answer in answers {
        output::line(format!(
            "{:>8}  {}",
            percent(answer.probability),
            answer.answer
        ));
    }
    Ok(())
}
