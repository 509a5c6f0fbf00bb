//! Arguments of `aoa weights`.

use std::path::PathBuf;

use aoa_model::weights::PublishedPart;
use clap::{Subcommand, ValueEnum};
use weight_files::Dtype;

use super::config::ConfigArgs;

#[derive(Debug, Subcommand)]
pub enum WeightsCommand {
    /// List the tensors of a PyTorch checkpoint or safetensors file
    Inspect {
        /// The file
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a part of a run's best checkpoint under the names that PyTorch has for it
    Export {
        /// Run directory [default: the newest under runs/]
        run_dir: Option<PathBuf>,
        /// Take the checkpoint of this step [default: the best one]
        #[arg(long, value_name = "STEP")]
        step: Option<usize>,
        /// Safetensors file to write
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Replace the file where there is one
        #[arg(long)]
        force: bool,
        /// The part
        #[arg(long, default_value = "xvlm")]
        part: PartArg,
        /// Round the weights to numbers of this type
        #[arg(long, default_value = "f32", value_name = "TYPE")]
        dtype: FloatType,
    },
    /// Turn a checkpoint of X-VLM into a file that fits a configuration, and say what became of each weight
    ///
    /// The file may be a PyTorch checkpoint or safetensors, from question answering or from pre-training. Sizes come
    /// from the configuration, except the word-piece vocabulary, which comes from the file.
    Import {
        /// The checkpoint
        file: PathBuf,
        /// Safetensors file to write
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Replace the file where there is one
        #[arg(long)]
        force: bool,
        /// Take the configuration of this run
        #[arg(long, value_name = "RUN_DIR", conflicts_with_all = ["preset", "config", "set"])]
        run: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigArgs,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum PartArg {
    /// Image encoder, text encoder and answer decoder of X-VLM
    Xvlm,
    /// The fine branch in its published form
    Fine,
}

impl From<PartArg> for PublishedPart {
    fn from(part: PartArg) -> Self {
        match part {
            PartArg::Xvlm => Self::Xvlm,
            PartArg::Fine => Self::Fine,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum FloatType {
    /// 32-bit floats, as the run has them
    F32,
    /// 16-bit floats: 11 bits of precision, up to 65504
    F16,
    /// bfloat16: 8 bits of precision, the range of f32
    Bf16,
}

impl From<FloatType> for Dtype {
    fn from(float: FloatType) -> Self {
        match float {
            FloatType::F32 => Self::F32,
            FloatType::F16 => Self::F16,
            FloatType::Bf16 => Self::BF16,
        }
    }
}
