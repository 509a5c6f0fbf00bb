//! Arguments of `aoa eval`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use config_schema::PrecisionMode;
use data_pipeline::metric::Metric;

use super::split::SplitArg;
use crate::candidates;

#[derive(Debug, Args)]
pub struct EvalArgs {
    /// Run directory [default: the newest under runs/]
    pub run_dir: Option<PathBuf>,
    /// Part of the data set
    #[arg(long, default_value = "test")]
    pub split: SplitArg,
    /// Take the checkpoint of this step [default: the best one]
    #[arg(long, value_name = "STEP")]
    pub step: Option<usize>,
    /// Folder that holds the data sets [default: as in the run]
    #[arg(long, value_name = "DIR")]
    pub data_root: Option<String>,
    /// Metric: vqa, gqa, vizwiz or visual7w [default: that of the data set that was imported, else vqa]
    #[arg(long, value_name = "METRIC", add = ArgValueCompleter::new(candidates::metric))]
    pub metric: Option<Metric>,
    /// Also give the accuracy by the value of this field of the questions, such as `answer_type`; may be repeated [default: the fields
    /// of the metric]
    #[arg(long, value_name = "FIELD")]
    pub by: Vec<String>,
    /// Evaluate once more with products in this precision, and give the difference
    #[arg(long, value_name = "MODE")]
    pub precision: Option<PrecisionArg>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PrecisionArg {
    /// 32-bit floats
    F32,
    /// 32-bit floats, of which NVIDIA's matrix units multiply 19 bits; CUDA only
    Tf32,
    /// bfloat16
    Bf16,
    /// 16-bit floats
    F16,
}

impl From<PrecisionArg> for PrecisionMode {
    fn from(asked: PrecisionArg) -> Self {
        match asked {
            PrecisionArg::F32 => Self::F32,
            PrecisionArg::Tf32 => Self::Tf32,
            PrecisionArg::Bf16 => Self::Bf16,
            PrecisionArg::F16 => Self::F16,
        }
    }
}
