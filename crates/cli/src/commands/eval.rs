use std::collections::BTreeMap;
use std::sync::Arc;

use config_schema::{Config, PrecisionMode, count};
use data_pipeline::metric::{
    Answerability, Mean, Metric, Report, Tally, UNANSWERABLE, Verdicts, has_field,
};
use data_pipeline::{Source, Split};
use model_api::Model;
use trainer::memory::Capacity;
use trainer::{Skipped, Trained, device, usable};

use crate::args::{ConfigArgs, EvalArgs};
use crate::commands::common::{run_dir, tell_reading, warn_of, warn_of_change};
use crate::failure::Failure;
use crate::figures::percent;
use crate::output;
use crate::predict_error::PredictError;
use crate::printable::inline;
use crate::progress::{self, Files};
use crate::settings::of_run;
use crate::wiring::Wiring;

/// What a split comes to.
struct Evaluated {
    metric: Metric,
    report: Report,
    answerability: Option<Answerability>,
    /// Accuracy of each branch by itself.
    branches: BTreeMap<&'static str, f64>,
}

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
    let mut trained = Trained::<W::Model>::open_at(&run_dir, args.step, config, &device)?;
    warn_of(&trained.rejected);
    let dataset = W::open_dataset(config)?;
    let asked: Split = args.split.into();
    tell_reading(dataset.split(asked).reading());
    // What the run left out belongs to the data that it began with.
    let skipped = if warn_of_change(&run_dir, &dataset, asked)? {
        None
    } else {
        Skipped::of_run(&run_dir)?
    };
    let metric = metric(args, dataset.split(asked).as_ref())?;
    let mut bar = Files::new();
    let mut progress = |done, of| bar.show(done, of);
    let data = usable::<W::Model>(config, &dataset, &[asked], skipped, &mut progress)?;
    for warning in data.skipped.warnings() {
        output::note(format!("warning: {warning}"));
    }

    let source = data.dataset.split(asked);
    let capacity = settings.capacity();
    let mut evaluate = |config: &Config| {
        trained.set_precision(config)?;
        Evaluated::of(args, metric, &trained, (config, source, capacity))
    };
    // A mode that the device lacks is refused before the split is evaluated.
    let compared = args
        .precision
        .map(|mode| {
            let mut config = config.clone();
            config.precision.mode = mode.into();
            Ok::<_, Failure>((config.precision.mode, evaluate(&config)?))
        })
        .transpose()?;
    let evaluated = evaluate(config)?;
    let shown = Shown {
        split: args.split.name(),
        step: trained.step,
        precision: config.precision.mode,
        evaluated,
        compared,
    };
    if args.json {
        shown.print_json();
    } else {
        shown.print();
    }
    Ok(())
}

/// The metric that was asked for, or that of the data set.
///
/// # Errors
///
/// When the split has not what the metric needs, and when no question has a field that was asked for.
fn metric(args: &EvalArgs, split: &dyn Source) -> Result<Metric, Failure> {
    let layouts = split.layouts();
    let metric = args.metric.or_else(|| Metric::of_layouts(&layouts));
    let metric = metric.unwrap_or_else(|| {
        output::note(format!(
            "the data set was imported from {}, which have several metrics: taking that of vqa; `--metric` names another one",
            layouts.join(", ")
        ));
        Metric::Vqa
    });
    metric.check(split)?;
    match args.by.iter().find(|field| !has_field(split, field)) {
        None => Ok(metric),
        Some(field) => {
            let first = split.samples().first();
            let there = first.map_or_else(Vec::new, |sample| {
                sample.fields.keys().map(str::to_owned).collect()
            });
            Err(PredictError::NoField {
                split: args.split.name(),
                field: field.clone(),
                there,
            }
            .into())
        }
    }
}

impl Evaluated {
    /// Evaluates a split with a configuration.
    fn of<M: Model>(
        args: &EvalArgs,
        metric: Metric,
        trained: &Trained<M>,
        (config, source, capacity): (&Config, &Arc<dyn Source>, Option<Capacity>),
    ) -> Result<Self, Failure> {
        let fields: Vec<String> = if args.by.is_empty() {
            let fields = metric.fields().iter();
            fields.map(|field| (*field).to_owned()).collect()
        } else {
            args.by.clone()
        };
        let mut tally = Tally::new(metric, &fields);
        let mut branches: BTreeMap<&'static str, (f64, usize)> = BTreeMap::new();
        let mut verdicts = Verdicts::default();
        let list = trained.answers();
        let unanswerable = list.index(UNANSWERABLE);
        let mut observer = progress::answering(0, source.samples().len());
        trained.predict::<Failure>(
            config,
            source,
            capacity,
            0,
            observer.as_mut(),
            &mut |predictions| {
                for prediction in predictions {
                    let sample = &source.samples()[prediction.sample];
                    let score = |probabilities: &[f32]| {
                        metric.score(sample, &metric.answer(sample, list, probabilities))
                    };
                    tally.add(sample, score(&prediction.probabilities));
                    if metric == Metric::VizWiz {
                        let probability = unanswerable.map(|index| prediction.probabilities[index]);
                        verdicts.add(sample, f64::from(probability.unwrap_or(0.0)));
                    }
                    for (name, probabilities) in &prediction.branches {
                        if metric.counts(sample) {
                            let (total, samples) = branches.entry(name).or_default();
                            *total += score(probabilities);
                            *samples += 1;
                        }
                    }
                }
                Ok(())
            },
        )?;
        drop(observer);
        Ok(Self {
            metric,
            report: tally.report(),
            answerability: verdicts.measure(),
            branches: branches
                .into_iter()
                .map(|(name, (total, samples))| (name, total / samples as f64))
                .collect(),
        })
    }
}

/// What the command prints.
struct Shown {
    split: &'static str,
    step: usize,
    /// The precision of the run.
    precision: PrecisionMode,
    evaluated: Evaluated,
    /// In another precision.
    compared: Option<(PrecisionMode, Evaluated)>,
}

impl Shown {
    /// Accuracy in the precision of the run less that in the other one.
    fn difference(&self, other: &Evaluated) -> f64 {
        self.evaluated.report.overall.accuracy - other.report.overall.accuracy
    }

    fn print_json(&self) {
        let Evaluated {
            metric,
            report,
            answerability,
            branches,
        } = &self.evaluated;
        let Mean {
            accuracy,
            samples,
            interval,
        } = report.overall;
        let mut value = serde_json::json!({
            "split": self.split, "metric": metric.name(), "accuracy": accuracy, "interval": interval,
            "samples": samples, "branches": branches, "by": report.by, "step": self.step, "precision": self.precision,
        });
        for (name, mean) in &report.portions {
            value[*name] = serde_json::json!(mean);
        }
        if let Some(answerability) = answerability {
            value["answerability"] = serde_json::json!(answerability);
        }
        if let Some((precision, other)) = &self.compared {
            value["compared"] = serde_json::json!({
                "precision": precision, "accuracy": other.report.overall.accuracy, "interval": other.report.overall.interval,
                "branches": other.branches, "difference": self.difference(other),
            });
        }
        output::json(&value);
    }

    fn print(&self) {
        let Evaluated {
            report,
            answerability,
            branches,
            ..
        } = &self.evaluated;
        let overall = &report.overall;
        output::line(format!(
            "{} accuracy {}{} on {}, step {}",
            self.split,
            percent(overall.accuracy),
            between(overall),
            count(overall.samples, "sample"),
            self.step
        ));
        if let Some((precision, other)) = &self.compared {
            output::line(format!(
                "  {}  in {}; {:+.2} points in {}, the precision of the run",
                percent(other.report.overall.accuracy),
                precision.name(),
                // Whole hundredths, of which none is less than nothing.
                (1e4 * self.difference(other)).round() / 100.0 + 0.0,
                self.precision.name()
            ));
        }
        for (branch, accuracy) in branches {
            output::line(format!(
                "  {}  of the {branch} branch alone",
                percent(*accuracy)
            ));
        }
        for (name, mean) in &report.portions {
            output::line(row(name, mean));
        }
        if let Some(found) = answerability {
            output::line(format!(
                "unanswerable: average precision {}, F1 {} on {}",
                percent(found.average_precision),
                percent(found.f1),
                count(found.samples, "sample")
            ));
        }
        for (field, values) in &report.by {
            output::line(format!("{field}:"));
            for (value, mean) in values {
                output::line(row(value, mean));
            }
        }
    }
}

/// A mean of some of the samples, in a line.
fn row(name: &str, mean: &Mean) -> String {
    format!(
        "  {}{}  {} on {}",
        percent(mean.accuracy),
        between(mean),
        inline(name),
        count(mean.samples, "sample")
    )
}

/// The interval of a mean, in brackets, if there is one.
fn between(mean: &Mean) -> String {
    mean.interval.map_or_else(String::new, |[low, high]| {
        format!(" ({} to {})", percent(low), percent(high))
    })
}
