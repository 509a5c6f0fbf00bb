//! The program as a user runs it: arguments in, text and exit code out.

mod advice;
mod bad_input;
mod data_check;
mod data_sets;
mod derive;
mod devices;
mod explain;
mod fit;
mod import;
mod memory;
mod monitor;
mod plan;
mod preset_check;
mod runs;
mod support;
mod weights;
