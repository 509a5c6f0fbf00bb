//! Arguments of `aoa presets`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use config_schema::DeviceMemory;

use super::derive::{self, DeriveArgs};
use crate::candidates;

#[derive(Debug, Subcommand)]
pub enum PresetsCommand {
    /// List the presets
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a preset's file
    Show {
        /// Preset, by name or as the path of a TOML file
        #[arg(add = ArgValueCompleter::new(candidates::preset))]
        name: String,
    },
    /// Check presets, alone and against each other
    ///
    /// Exit code 2 where a rule is broken. `aoa presets rules` says what the rules are and why.
    Check(PresetsCheckArgs),
    /// Print the rules of `aoa presets check`, with an example of each and its cure
    Rules,
    /// Make a preset for a card of any size, with a reason for each value
    ///
    /// The effective batch is that of the other presets. What fits is planned, as `aoa plan` does, for the largest samples
    /// of the data set.
    Derive(DeriveArgs),
    /// Compare presets: the keys in which they differ, with value, origin and effect
    Diff {
        /// Presets, by name or as paths of TOML files; effects are relative to the first
        #[arg(required = true, num_args = 2.., value_name = "PRESET", add = ArgValueCompleter::new(candidates::preset))]
        presets: Vec<String>,
        #[command(flatten)]
        show: DiffArgs,
    },
    /// Write the guide that compares the presets for GPUs, as Markdown
    Guide {
        /// Language of the guide
        #[arg(long, default_value = "en")]
        lang: LanguageArg,
    },
    /// Make a preset of a configuration in YAML, and say what became of each key
    ///
    /// Sections are named as in presets; keys of training, model, memory and data loading may also stand at the top level.
    Import {
        /// YAML file
        file: PathBuf,
        /// Memory of the smallest GPU that the preset is for, such as 24GiB [default: none, a preset for machines without GPU]
        #[arg(long, value_name = "SIZE", value_parser = derive::memory)]
        vram: Option<DeviceMemory>,
        /// TOML file to write [default: standard output]
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
        /// Replace the file where there is one
        #[arg(long, requires = "to")]
        force: bool,
        /// Print what became of the keys as JSON
        #[arg(long, requires = "to")]
        json: bool,
    },
}

#[derive(Debug, ClapArgs)]
pub struct PresetsCheckArgs {
    /// Check the presets in this folder and those within it [default: those of the program, from `configs` in its repository]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Skip the memory plans, which take some seconds per preset
    #[arg(long)]
    pub no_plan: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub struct DiffArgs {
    /// Show equal keys, too
    #[arg(long)]
    pub all: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LanguageArg {
    /// English
    En,
    /// Chinese
    Zh,
}
