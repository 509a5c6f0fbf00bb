//! Arguments that make up a configuration.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use clap_complete::engine::ArgValueCompleter;

use crate::candidates;

/// What makes up the configuration, from the lowest layer to the highest.
#[derive(Debug, Clone, Default, ClapArgs)]
pub struct ConfigArgs {
    /// Preset, by name or as the path of a TOML file [default: the one for the device]
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(candidates::preset))]
    pub preset: Option<String>,
    /// Configuration file on top of the preset
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Single value on top of all files, as section.key=value; may be repeated
    #[arg(long, value_name = "SECTION.KEY=VALUE", add = ArgValueCompleter::new(candidates::assignment))]
    pub set: Vec<String>,
    /// Data set; short for --set dataset.name=NAME
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(candidates::dataset))]
    pub dataset: Option<String>,
    /// Folder that holds the data sets; short for --set dataset.root=DIR
    #[arg(long, value_name = "DIR")]
    pub data_root: Option<String>,
    /// Folder in which official files are imported; short for --set dataset.cache=DIR [default: beside them]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<String>,
    /// Device memory that a run may use, such as 12GiB; sets `hardware.memory_budget`
    #[arg(long, value_name = "SIZE")]
    pub memory_budget: Option<String>,
}
