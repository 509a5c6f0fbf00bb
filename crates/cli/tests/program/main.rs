//! The program as a user runs it: arguments in, text and exit code out.

mod advice;
mod augmentation;
mod bad_input;
mod cards;
#[cfg(unix)]
mod checkpoints;
mod completions;
mod data_check;
mod data_import;
mod data_sets;
mod derive;
mod devices;
mod explain;
mod features_import;
mod fit;
mod host_memory;
mod import;
mod memory;
mod monitor;
mod official;
#[cfg(unix)]
mod outputs;
mod plan;
mod predict;
mod preset_check;
mod run_directory;
mod runs;
mod shards;
#[cfg(unix)]
mod signals;
mod support;
mod swaps;
mod text_data;
mod weights;
