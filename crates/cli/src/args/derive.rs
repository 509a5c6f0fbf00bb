//! Arguments of `aoa presets derive`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use clap_complete::engine::ArgValueCompleter;
use config_schema::DeviceMemory;

use super::config::ConfigArgs;
use crate::candidates;

#[derive(Debug, ClapArgs)]
pub struct DeriveArgs {
    /// Memory of the card, such as 16GiB or 16GB [default: that of the largest GPU here]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub vram: Option<DeviceMemory>,
    /// Memory of the host, which limits what can be preloaded [default: this machine's; with --vram, not limited]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub host_memory: Option<DeviceMemory>,
    /// Data set to plan for
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(candidates::dataset))]
    pub dataset: Option<String>,
    /// Folder that holds the data sets
    #[arg(long, value_name = "DIR")]
    pub data_root: Option<String>,
    /// Output file [default: standard output]; pass it to `--preset` or `--config`
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Replace the file where there is one
    #[arg(long, requires = "to")]
    pub force: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl DeriveArgs {
    /// The data set as assignments.
    pub fn sets(&self) -> Vec<String> {
        let config = ConfigArgs {
            dataset: self.dataset.clone(),
            data_root: self.data_root.clone(),
            ..ConfigArgs::default()
        };
        config.sets()
    }
}

/// Bytes with a unit, more than none.
pub(super) fn memory(text: &str) -> Result<DeviceMemory, String> {
    match text.parse::<DeviceMemory>() {
        Ok(memory)
            if memory
                .bytes()
                .is_some_and(|bytes| bytes >= DeviceMemory::MORE_THAN_ANY_MACHINE) =>
        {
            Err("more than any machine has".to_owned())
        }
        Ok(memory) if memory.bytes().is_some_and(|bytes| bytes > 0) => Ok(memory),
        _ => Err(
            "not a number with a unit (MiB, GiB, TiB, MB, GB, TB) such as 16GiB or 16GB".to_owned(),
        ),
    }
}
