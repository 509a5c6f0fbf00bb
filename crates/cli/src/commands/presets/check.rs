//! `aoa presets check`: every rule on every preset, all that is found at once.

use std::path::Path;
use std::process::ExitCode;

use config_schema::{Augmentation, Config, Preload, count, presets};
use preset_tools::preset_check::{
    CheckedPreset, Demand, Finding, PresetCheck, PresetFile, Rule, Verdict, rules_page,
};
use serde::Serialize;
use trainer::TrainError;
use trainer::host::{Data, HostNeeds};
use trainer::memory::budget;
use trainer::plan::{WorstCase, plan};

use crate::args::PresetsCheckArgs;
use crate::commands::presets::folder;
use crate::failure::{Failure, render_finding};
use crate::figures::gibibytes;
use crate::output;
use crate::settings::lookup;
use crate::wiring::Wiring;

/// Exit code where a rule is broken: that of a configuration that is not valid.
const BROKEN: u8 = 2;

/// Rules that need a plan.
const BY_PLAN: [Rule; 2] = [Rule::ModelBuilds, Rule::PlannedPeak];

/// Where the presets of the program are, in a clone of its repository.
const OWN: &str = "configs";

/// What names these presets there. A folder of that name may be anywhere.
const NAMED_IN: &str = "crates/config-schema/src/presets.rs";

/// What a program reads.
#[derive(Serialize)]
struct Answer<'a> {
    checked: usize,
    rules: usize,
    presets: Vec<PresetAnswer<'a>>,
    findings: Vec<FindingAnswer<'a>>,
}

#[derive(Serialize)]
struct PresetAnswer<'a> {
    name: &'a str,
    file: &'a str,
    peak_bytes: Option<u64>,
    budget_bytes: Option<u64>,
    fits: Option<bool>,
    preload_bytes: Option<u64>,
    /// Host memory for data beside preloaded images.
    queue_bytes: Option<u64>,
}

#[derive(Serialize)]
struct FindingAnswer<'a> {
    rule: Rule,
    file: &'a str,
    line: Option<usize>,
    column: Option<usize>,
    message: String,
    help: Option<&'a str>,
    /// "warning" where it may be meant, else "error".
    severity: &'static str,
}

pub fn run<W: Wiring>(args: &PresetsCheckArgs) -> Result<ExitCode, Failure> {
    let own = Path::new(OWN);
    let files = match &args.dir {
        Some(dir) => folder::read(dir)?,
        None if own.is_dir() && Path::new(NAMED_IN).is_file() => folder::read(own)?,
        None => embedded(),
    };
    let name = args.dir.as_deref().unwrap_or(own).display().to_string();
    let check = PresetCheck {
        folder: &name,
        files: &files,
        own: args.dir.is_none(),
        elsewhere: &lookup,
        left_out: if args.no_plan { &BY_PLAN } else { &[] },
    };
    let verdict = check.run(&mut |_, config| demand::<W>(config, !args.no_plan));
    if args.json {
        output::json(&answer(&verdict));
    } else {
        show(&verdict, !args.no_plan);
    }
    Ok(if verdict.is_broken() {
        ExitCode::from(BROKEN)
    } else {
        ExitCode::SUCCESS
    })
}

/// Prints the page that documents the rules.
pub fn rules() {
    output::text(rules_page());
}

/// The presets of the program, where its repository is not at hand.
fn embedded() -> Vec<PresetFile> {
    let file = |preset: &presets::Preset| PresetFile {
        path: format!("{OWN}/{}.toml", preset.name),
        content: Ok(preset.text.into()),
    };
    presets::embedded().iter().map(file).collect()
}

/// What a run with these settings would ask for, on the smallest machine that the preset is for.
fn demand<W: Wiring>(config: &Config, with_plan: bool) -> Demand {
    let host = config.preset.min_host_memory.bytes();
    let memory = config.preset.min_device_memory.bytes().or(host);
    let mut demand = Demand {
        budget_bytes: budget(config, memory),
        one_memory: config.preset.min_device_memory.bytes().is_none(),
        ..Demand::default()
    };
    match measure::<W>(config, with_plan, &mut demand) {
        Ok(()) => {}
        Err(TrainError::Model(reason)) => demand.unbuildable = Some(reason.to_string()),
        Err(error) => demand.unplanned = Some(error.to_string()),
    }
    demand
}

fn measure<W: Wiring>(
    config: &Config,
    with_plan: bool,
    demand: &mut Demand,
) -> Result<(), TrainError> {
    let data = Data::open::<W::Model>(config, W::open_dataset)?;
    // What compression saves depends on the images, and a preset is for any.
    let mut uncompressed = config.clone();
    uncompressed.data_loading.use_compression = false;
    let planned = |config: &Config| {
        let needs = HostNeeds::of(config, &data);
        match config.data_loading.preload_data {
            // It takes what is left.
            Preload::Auto => needs.plan(Some(0)),
            Preload::On | Preload::Off => needs.plan(None),
        }
    };
    // Images that are cropped at random are kept as they are stored. Those drawn here are smaller so than resized, and
    // photographs are not.
    let stored = planned(&uncompressed);
    uncompressed.augmentation = Augmentation::default();
    let resized = planned(&uncompressed);
    if config.data_loading.preload_data == Preload::On {
        demand.preload_bytes = Some(stored.preloaded_bytes.max(resized.preloaded_bytes));
    }
    let queue = [stored, resized].map(|plan| plan.total_bytes - plan.preloaded_bytes);
    demand.queue_bytes = queue.into_iter().max();
    if with_plan {
        let worst = WorstCase::of(&data.encoder, data.dataset.train.samples());
        demand.peak_bytes = Some(plan::<W::Model>(config, &worst)?.peak_bytes);
    }
    Ok(())
}

fn show(verdict: &Verdict, with_plan: bool) {
    if with_plan {
        for preset in &verdict.presets {
            output::line(format!("{:<24} {}", preset.name, planned(preset)));
        }
    }
    for finding in &verdict.findings {
        output::rendered(render_finding(finding));
    }
    let Verdict { presets, rules, .. } = verdict;
    let warnings = verdict
        .findings
        .iter()
        .filter(|finding| finding.rule.warns());
    let warnings = warnings.count();
    let counts = [
        (verdict.findings.len() - warnings, "finding"),
        (warnings, "warning"),
    ];
    let counted = |(number, noun)| (number > 0).then(|| count(number, noun));
    let counts: Vec<String> = counts.into_iter().filter_map(counted).collect();
    let found = match &counts[..] {
        [] => "nothing found".to_owned(),
        counts => counts.join(", "),
    };
    output::line(format!(
        "checked {} by {}: {found}",
        count(presets.len(), "preset"),
        count(*rules, "rule")
    ));
}

/// The verdict of the plan.
fn planned(preset: &CheckedPreset) -> String {
    let Some(demand) = &preset.demand else {
        return "does not resolve".to_owned();
    };
    let reason = demand.unbuildable.as_ref().or(demand.unplanned.as_ref());
    match (demand.needed_bytes(), demand.budget_bytes, reason) {
        (Some(peak), Some(budget), _) => {
            let verdict = if peak <= budget {
                "fits into"
            } else {
                "does not fit into"
            };
            format!("peak {} {verdict} {}", gibibytes(peak), gibibytes(budget))
        }
        (Some(peak), None, _) => format!("peak {}, no memory to compare with", gibibytes(peak)),
        (None, _, Some(reason)) => format!("not planned: {reason}"),
        (None, _, None) => "not planned".to_owned(),
    }
}

fn answer(verdict: &Verdict) -> Answer<'_> {
    Answer {
        checked: verdict.presets.len(),
        rules: verdict.rules,
        presets: verdict.presets.iter().map(PresetAnswer::of).collect(),
        findings: verdict.findings.iter().map(FindingAnswer::of).collect(),
    }
}

impl<'a> PresetAnswer<'a> {
    fn of(preset: &'a CheckedPreset) -> Self {
        let demand = preset.demand.as_ref();
        let peak_bytes = demand.and_then(|demand| demand.peak_bytes);
        let budget_bytes = demand.and_then(|demand| demand.budget_bytes);
        Self {
            name: &preset.name,
            file: &preset.file,
            peak_bytes,
            budget_bytes,
            fits: demand
                .and_then(Demand::needed_bytes)
                .zip(budget_bytes)
                .map(|(needed, budget)| needed <= budget),
            preload_bytes: demand.and_then(|demand| demand.preload_bytes),
            queue_bytes: demand.and_then(|demand| demand.queue_bytes),
        }
    }
}

impl<'a> FindingAnswer<'a> {
    fn of(finding: &'a Finding) -> Self {
        let (line, column) = finding.line_column().unzip();
        Self {
            rule: finding.rule,
            file: &finding.source.name,
            line,
            column,
            message: finding.message(),
            help: finding.help.as_deref(),
            severity: if finding.rule.warns() {
                "warning"
            } else {
                "error"
            },
        }
    }
}
