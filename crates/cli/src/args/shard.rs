//! Arguments of `aoa data shard`.

use std::num::NonZero;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use config_schema::DeviceMemory;
use data_pipeline::ShardLimit;

#[derive(Debug, ClapArgs)]
pub struct ShardArgs {
    /// Data set, as `--dataset folder` reads it
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
    /// Folder to write, new or empty; `--dataset folder --data-root DIR` trains on it
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// Largest size of a shard; an image that is larger has a shard to itself
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = size)]
    pub shard_size: u64,
    /// Largest number of questions in a shard, instead of --shard-size
    #[arg(long, value_name = "N", conflicts_with = "shard_size")]
    pub samples: Option<NonZero<usize>>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl ShardArgs {
    /// When a shard is full.
    pub fn limit(&self) -> ShardLimit {
        let bytes = ShardLimit::Bytes(self.shard_size);
        self.samples
            .map_or(bytes, |samples| ShardLimit::Samples(samples.get()))
    }
}

/// A number of bytes that is not 0.
fn size(text: &str) -> Result<u64, String> {
    let bytes = text.parse::<DeviceMemory>().ok();
    bytes
        .and_then(DeviceMemory::bytes)
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "expected a size such as 256MiB".to_owned())
}
