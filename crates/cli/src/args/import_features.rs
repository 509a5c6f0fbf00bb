//! Arguments of `aoa data import-features`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use data_import::{FeatureFormat, FeatureRequest, Number};

use crate::candidates;

#[derive(Debug, ClapArgs)]
pub struct ImportFeaturesArgs {
    /// Files of region features, or folders of such files, all in one layout
    #[arg(required = true, value_name = "PATH")]
    pub sources: Vec<PathBuf>,
    /// Folder of the data set, which gets `features/NAME.regions`, or a file to write whose name ends with `.regions`; without it,
    /// what was found of each image is listed and nothing is written
    #[arg(long, value_name = "FOLDER")]
    pub to: Option<PathBuf>,
    /// Name of the file in `features` [default: the name of the first PATH]
    #[arg(long, requires = "to")]
    pub name: Option<String>,
    /// Layout to read, where files could be meant for two: butd-tsv, lxmert-tsv, butd-hdf5, adaptive-hdf5, npz,
    /// npz-channels-first, npz-boxes-first, mmf-npy, mmf-lmdb, safetensors, regions
    #[arg(long, value_name = "FORMAT", add = ArgValueCompleter::new(candidates::feature_format))]
    pub format: Option<FeatureFormat>,
    /// How features are kept: in 16 bits, which hold 3 digits, or as they are
    #[arg(long, default_value = "f16")]
    pub dtype: Dtype,
    /// Declare that all images of MMF files are square; such files often store the width as the height
    #[arg(long)]
    pub square_images: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// How a feature is kept.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Dtype {
    F16,
    F32,
}

impl From<&ImportFeaturesArgs> for FeatureRequest {
    fn from(args: &ImportFeaturesArgs) -> Self {
        Self {
            sources: args.sources.clone(),
            to: args.to.clone().unwrap_or_default(),
            name: args.name.clone(),
            format: args.format,
            number: match args.dtype {
                Dtype::F16 => Number::F16,
                Dtype::F32 => Number::F32,
            },
            square: args.square_images,
        }
    }
}
