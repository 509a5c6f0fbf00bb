use trainer::{Trained, device};

use crate::ActiveModel;
use crate::args::{ConfigArgs, EvalArgs};
use crate::commands::{run_dir, warn_of};
use crate::failure::Failure;
use crate::output;
use crate::progress::{self, percent};
use crate::settings::of_run;

pub fn run(args: &EvalArgs) -> Result<(), Failure> {
    let run_dir = run_dir(args.run_dir.as_ref())?;
    let settings = of_run(
        &run_dir,
        &ConfigArgs {
            data_root: args.data_root.clone(),
            ..ConfigArgs::default()
        },
    )?;
    let config = &settings.resolved.config;
    let trained = Trained::<ActiveModel>::open(&run_dir, config, &device::open(&settings.device)?)?;
    warn_of(&trained.rejected);
    let result = trained.evaluate(
        config,
        args.split.into(),
        progress::observer(false).as_mut(),
    )?;
    let split = args.split.name();
    if args.json {
        output::json(&serde_json::json!({
            "split": split, "accuracy": result.accuracy, "branches": result.branches, "samples": result.samples, "step": trained.step,
        }));
    } else {
        let accuracy = percent(result.accuracy);
        output::line(format!(
            "{split} accuracy {accuracy} on {} samples, step {}",
            result.samples, trained.step
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
