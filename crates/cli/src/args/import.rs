//! Arguments of `aoa data import`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use clap_complete::engine::ArgValueCompleter;
use data_import::{Format, Recipe, Request};

use crate::candidates;

#[derive(Debug, ClapArgs)]
pub struct ImportArgs {
    /// Folder with the files of a data set, or a file; may be repeated for a mix of several data sets
    #[arg(required = true, value_name = "DIR")]
    pub sources: Vec<PathBuf>,
    /// Folder to write, new or empty; `--dataset folder --data-root FOLDER` trains on it
    #[arg(long, value_name = "FOLDER")]
    pub to: PathBuf,
    /// Layout to read, where files could be meant for several: vqa2, okvqa, gqa, vizwiz, textvqa, visual-genome, visual7w, xvlm,
    /// lxmert, cfr; may be repeated
    #[arg(long, value_name = "FORMAT", add = ArgValueCompleter::new(candidates::layout))]
    pub format: Vec<Format>,
    /// Folder of the images, where they do not lie beside the files; may be repeated, and NAME=DIR names it for one kind of
    /// images, such as train2014 or vg
    #[arg(long, value_name = "[NAME=]DIR", value_parser = images)]
    pub images: Vec<(Option<String>, PathBuf)>,
    /// Part to train on, such as val or visual-genome:train; may be repeated [default: as published]
    #[arg(long, value_name = "PART")]
    pub train: Vec<String>,
    /// Part that chooses the best checkpoint; may be repeated [default: as published]
    #[arg(long, value_name = "PART")]
    pub validation: Vec<String>,
    /// Part to report; may be repeated [default: as published]
    #[arg(long, value_name = "PART")]
    pub test: Vec<String>,
    /// Published mix of parts: butd (VQA v2 and Visual Genome, an eighth of the val images held out) or xvlm (train, val and Visual
    /// Genome, whose answers have half the weight)
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(candidates::recipe))]
    pub recipe: Option<Recipe>,
    /// Field of the source that is not kept with the questions; may be repeated
    #[arg(long, value_name = "FIELD")]
    pub leave_out: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl From<&ImportArgs> for Request {
    fn from(args: &ImportArgs) -> Self {
        Self {
            sources: args.sources.clone(),
            to: args.to.clone(),
            formats: args.format.clone(),
            images: args.images.clone(),
            train: args.train.clone(),
            validation: args.validation.clone(),
            test: args.test.clone(),
            recipe: args.recipe,
            leave_out: args.leave_out.clone(),
        }
    }
}

/// A folder, with the name of the images that it is for in front, if there is one.
pub(super) fn images(text: &str) -> Result<(Option<String>, PathBuf), String> {
    let named = text.split_once('=');
    let (name, folder) = match named {
        Some((name, folder)) if !name.contains(['/', '\\']) => (Some(name.to_owned()), folder),
        _ => (None, text),
    };
    if folder.is_empty() || name.as_deref() == Some("") {
        return Err("expected a folder, or NAME=DIR".to_owned());
    }
    Ok((name, folder.into()))
}
