//! `aoa predict`: answers every question of a split or of a file, and writes them in the form that a server takes.

mod ids;
mod partial;
mod questions;
mod record;

use std::sync::Arc;

use config_schema::{Config, count};
use data_pipeline::{Source, Split, fingerprint_of_files, fingerprint_of_questions};
use trainer::{Trained, device};

use crate::args::{ConfigArgs, PredictArgs, ResultFormat};
use crate::commands::common::{
    may_write, require_readable, run_dir, tell_reading, warn_of, warn_of_change,
};
use crate::failure::Failure;
use crate::output;
use crate::predict_error::PredictError;
use crate::progress;
use crate::settings::of_run;
use crate::wiring::Wiring;

pub use questions::with_paths;
pub use record::Record;

use partial::{Header, Partial};

pub fn run<W: Wiring>(args: &PredictArgs) -> Result<(), Failure> {
    may_write(&args.to, args.force)?;
    let run_dir = run_dir(args.run_dir.as_ref())?;
    let on_top = ConfigArgs {
        data_root: args.data_root.clone(),
        ..ConfigArgs::default()
    };
    let settings = of_run::<W>(&run_dir, &on_top)?.ready()?;
    let config = &settings.resolved.config;
    let source: Arc<dyn Source> = if let Some(file) = &args.questions {
        questions::read(file, args.layout, &args.images)?
    } else {
        let dataset = W::open_dataset(config)?;
        let split = Split::from(args.split);
        tell_reading(dataset.split(split).reading());
        warn_of_change(&run_dir, &dataset, split)?;
        dataset.split(split).clone()
    };
    let ids = ids::of(args.format, source.as_ref())?;
    let device = device::open(&settings.device)?;
    let trained = Trained::<W::Model>::open_at(&run_dir, args.step, config, &device)?;
    warn_of(&trained.rejected);
    if args.questions.is_some() && trained.inputs().regions.is_some() {
        return Err(PredictError::QuestionsNeedRegions.into());
    }
    require_readable(config, source.as_ref(), trained.inputs())?;
    let top_k = args.top_k.get();
    let header = Header {
        checkpoint: trained.identity().to_owned(),
        questions: fingerprint_of_questions(source.as_ref()),
        files: fingerprint_of_files(source.as_ref()),
        settings: settings_of_answers(config),
        top_k,
    };
    let questions = source.samples().len();
    let mut partial = Partial::open(&args.to, &header, source.as_ref(), args.force)?;
    let done = partial.answers();
    if done > 0 {
        output::note(format!(
            "going on after {done} of {}",
            count(questions, "question")
        ));
    }
    let mut observer = progress::answering(done, questions);
    trained.predict(
        config,
        &source,
        settings.capacity(),
        done,
        observer.as_mut(),
        &mut |predictions| {
            let records = predictions.iter().map(|prediction| {
                Record::of(source.as_ref(), trained.answers(), prediction, top_k)
            });
            partial.append(records).map_err(Failure::from)
        },
    )?;
    drop(observer);
    partial.publish(args.format, &ids)?;
    let form = match args.format {
        ResultFormat::Jsonl => String::new(),
        format => format!(" as results of {}", format.name()),
    };
    output::note(format!(
        "wrote {}: answers to {}{form}, step {}",
        args.to.display(),
        count(questions, "question"),
        trained.step
    ));
    Ok(())
}

/// A checksum of the settings that answers depend on, beside the checkpoint.
fn settings_of_answers(config: &Config) -> u32 {
    let dataset = &config.dataset;
    let settings = serde_json::json!([
        dataset.image_size,
        dataset.max_question_tokens,
        dataset.exif_orientation,
        config.precision
    ]);
    crc32fast::hash(settings.to_string().as_bytes())
}
