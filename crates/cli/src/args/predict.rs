//! Arguments of `aoa predict`.

use std::num::NonZero;
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use data_import::Format;

use super::import::images;
use super::split::SplitArg;
use crate::candidates;

#[derive(Debug, ClapArgs)]
pub struct PredictArgs {
    /// Run directory [default: the newest under runs/]
    pub run_dir: Option<PathBuf>,
    /// Part of the run's data set
    #[arg(long, default_value = "test")]
    pub split: SplitArg,
    /// Answer the questions of this file instead: an official file of a data set that `aoa data import` knows, or one JSON object a
    /// line with `image` and `question`
    #[arg(long, value_name = "FILE", conflicts_with = "split")]
    pub questions: Option<PathBuf>,
    /// Folder of the images of `--questions` [default: beside the file]; may be repeated, and NAME=DIR names it for one kind of
    /// images, such as test2015
    #[arg(long, value_name = "[NAME=]DIR", value_parser = images, requires = "questions")]
    pub images: Vec<(Option<String>, PathBuf)>,
    /// Layout of the `--questions` file, if it fits several
    #[arg(long, value_name = "LAYOUT", requires = "questions", add = ArgValueCompleter::new(candidates::layout))]
    pub layout: Option<Format>,
    /// File to write
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// Format of the file
    #[arg(long, default_value = "jsonl")]
    pub format: ResultFormat,
    /// Answers per question, with probabilities, in jsonl
    #[arg(long, default_value = "5", value_name = "N")]
    pub top_k: NonZero<usize>,
    /// Take the checkpoint of this step [default: the best one]
    #[arg(long, value_name = "STEP")]
    pub step: Option<usize>,
    /// Folder that holds the data sets [default: as in the run]
    #[arg(long, value_name = "DIR")]
    pub data_root: Option<String>,
    /// Replace an existing file, and discard partial answers of another checkpoint or to other questions
    #[arg(long)]
    pub force: bool,
}

/// Forms of a file of predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ResultFormat {
    /// Results of VQA v2, OK-VQA and TextVQA: `question_id` (an integer) and `answer`
    Vqa,
    /// Results of GQA: `questionId` (a string) and `prediction`
    Gqa,
    /// Results of `VizWiz`: `image` (its file name) and `answer`
    Vizwiz,
    /// One object a line: all fields of the question, the most probable answers, and the answer of each branch
    Jsonl,
}

impl ResultFormat {
    /// Its name in arguments.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vqa => "vqa",
            Self::Gqa => "gqa",
            Self::Vizwiz => "vizwiz",
            Self::Jsonl => "jsonl",
        }
    }
}
