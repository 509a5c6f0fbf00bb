//! `aoa fit`: what real steps take, and the largest micro-batch that fits.

mod answer;
mod child;
mod search;
mod show;

use std::process::ExitCode;

use config_schema::count;
use trainer::host::Data;
use trainer::memory::budget as budget_of;
use trainer::plan::{WorstCase, choose_segment, with_segment};

use self::search::Search;
use crate::args::FitArgs;
use crate::budget;
use crate::commands::host;
use crate::failure::{DOES_NOT_FIT, Failure};
use crate::output;
use crate::wiring::Wiring;

pub fn run<W: Wiring>(args: &FitArgs) -> Result<ExitCode, Failure> {
    let mut settings = args.config.settings::<W>()?.ready()?;
    budget::check(&settings)?;
    let config = &settings.resolved.config;
    let data = Data::open::<W::Model>(config, W::open_dataset)?;
    let worst = WorstCase::of(&data.encoder, data.dataset.train.samples());
    if let Some(micro_batch) = args.measure {
        child::measure::<W>(&settings, data, &worst, micro_batch)?;
        return Ok(ExitCode::SUCCESS);
    }
    for warning in settings.warnings() {
        output::note(format!("warning: {warning}"));
    }
    let host = host::checked::<W::Model>(&settings, config, &data)?;
    let (memory, _) = settings.planned_memory();
    let segments = match budget_of(config, memory) {
        Some(budget) => choose_segment::<W::Model>(config, &worst, budget)?,
        None => None,
    };
    if let Some(choice) = &segments {
        settings.resolved.config = with_segment(config, choice.checkpoint_segment);
    }
    let mut answer = Search::new(args, &settings, &worst).run::<W>(segments)?;
    let parallel = settings.resolved.config.hardware.parallel_micro_batches;
    if answer.largest_micro_batch == Some(0) && parallel > 1 {
        // Training computes them one after another where memory does not suffice for more.
        output::note(format!(
            "{} of one sample do not fit side by side",
            count(parallel, "micro-batch")
        ));
        settings.resolved.config.hardware.parallel_micro_batches = 1;
        let alone = Search::new(args, &settings, &worst).run::<W>(answer.segments)?;
        answer = alone.after(answer);
    }
    answer.host = Some(host);
    if args.json {
        output::json(&answer);
    } else {
        show::show(&answer);
    }
    Ok(match answer.largest_micro_batch {
        Some(0) => ExitCode::from(DOES_NOT_FIT),
        _ => ExitCode::SUCCESS,
    })
}
