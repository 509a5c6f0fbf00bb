use config_schema::count;
use data_pipeline::Split;
use trainer::{Skipped, Trained, changed_splits, device, usable};

use crate::args::{ConfigArgs, EvalArgs};
use crate::commands::common::{run_dir, tell_reading, warn_of};
use crate::failure::Failure;
use crate::figures::percent;
use crate::output;
use crate::progress::{self, Files};
use crate::settings::of_run;
use crate::wiring::Wiring;

pub fn run<W: Wiring>(args: &EvalArgs) -> Result<(), Failure> {
    let run_dir = run_dir(args.run_dir.as_ref())?;
    let settings = of_run::<W>(
        &run_dir,
        &ConfigArgs {
            data_root: args.data_root.clone(),
            ..ConfigArgs::default()
        },
    )?
    .ready()?;
    let config = &settings.resolved.config;
    let device = device::open(&settings.device)?;
    let trained = Trained::<W::Model>::open_at(&run_dir, args.step, config, &device)?;
    warn_of(&trained.rejected);
    let dataset = W::open_dataset(config)?;
    tell_reading(&dataset);
    let asked: Split = args.split.into();
    let changed = changed_splits(&run_dir, &dataset)?.contains(&asked);
    if changed {
        output::note(format!(
            "warning: the {} split is not the one that {} began with",
            asked.name(),
            run_dir.display()
        ));
    }
    // What the run left out belongs to the data that it began with.
    let skipped = if changed {
        None
    } else {
        Skipped::of_run(&run_dir)?
    };
    let mut bar = Files::new();
    let mut progress = |done, of| bar.show(done, of);
    let data = usable::<W::Model>(config, &dataset, &[asked], skipped, &mut progress)?;
    for warning in data.skipped.warnings() {
        output::note(format!("warning: {warning}"));
    }
    let mut observer = progress::observer(false);
    let result = trained.evaluate(config, &data.dataset, asked, observer.as_mut())?;
    let split = args.split.name();
    if args.json {
        output::json(&serde_json::json!({
            "split": split, "accuracy": result.accuracy, "branches": result.branches, "samples": result.samples, "step": trained.step,
        }));
    } else {
        let accuracy = percent(result.accuracy);
        output::line(format!(
            "{split} accuracy {accuracy} on {}, step {}",
            count(result.samples, "sample"),
            trained.step
        ));
        for (branch, accuracy) in &result.branches {
            output::line(format!(
                "  {}  of the {branch} branch alone",
                percent(*accuracy)
            ));
        }
    }
    Ok(())
}
