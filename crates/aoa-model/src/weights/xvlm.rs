//! X-VLM: checkpoints of question answering and of pre-training.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::TensorData;
use weight_files::{TensorBytes, WeightFile, WeightFileError};

use super::{Export, Import, Names, Report};
use crate::xvlm::swin::Swin;
use crate::xvlm::{TIED, XVlm, bert, swin};

const VISION: &str = "vision_encoder.";
const ENCODER: &str = "text_encoder.";
const DECODER: &str = "text_decoder.";
const WORDS: &str = "embeddings.word_embeddings.weight";
const LAYER: &str = "encoder.layer.";
const POSITIONS: &str = ".position_embeddings.weight";
const POSITION_IDS: &str = ".position_ids";

/// Gives X-VLM and its image encoder what a checkpoint has of them.
///
/// A checkpoint of question answering has all of it. One of pre-training has no answer decoder, whose layers then start
/// as the text encoder's fusing layers, as in the published recipe; where image and text differ in width, the keys and
/// values with which those look at the image do not fit and stay fresh.
///
/// # Errors
///
/// As [`Import::load`].
pub fn load_xvlm(
    file: &WeightFile,
    vision_encoder: Swin,
    xvlm: XVlm,
) -> Result<(Swin, XVlm, Report), WeightFileError> {
    let mut import = Import::new(file, names(file));
    let vision_encoder = import.load(vision_encoder, vision_name)?;
    let xvlm = import.load(xvlm, bert::pytorch_name)?;
    Ok((vision_encoder, xvlm, import.finish()))
}

/// The tensors of X-VLM and its image encoder as the state dict of the published model has them, buffers and second
/// names of tied weights included.
pub fn export_xvlm(vision_encoder: &Swin, xvlm: &XVlm) -> BTreeMap<String, TensorBytes> {
    let mut export = Export::new();
    export.add(vision_encoder, vision_name);
    for (name, data) in vision_encoder.buffers() {
        export.add_data(format!("{VISION}{name}"), &data);
    }
    export.add(xvlm, bert::pytorch_name);
    for (name, count) in position_tables(&export) {
        let ids: Vec<i64> = (0..count as i64).collect();
        export.add_data(name + POSITION_IDS, &TensorData::new(ids, [1, count]));
    }
    for (second, first) in TIED {
        export.add_second_name(format!("{DECODER}{second}"), &format!("{DECODER}{first}"));
    }
    export.into_tensors()
}

/// Rows of the word table of a checkpoint, if it has one: tokens of its word-piece vocabulary.
pub fn xvlm_vocabulary(file: &WeightFile) -> Option<usize> {
    let names = names(file);
    let table = names.sources.get(&format!("{ENCODER}{WORDS}"))?;
    file.tensor(table)?.shape.first().copied()
}

fn vision_name(path: &str) -> String {
    format!("{VISION}{}", swin::pytorch_name(path))
}

/// Where the position tables are, and how many positions they have.
fn position_tables(export: &Export) -> Vec<(String, usize)> {
    let tables = export.tensors().iter().filter_map(|(name, table)| {
        let place = name.strip_suffix(POSITIONS)?;
        Some((place.to_owned(), *table.shape.first()?))
    });
    tables.collect()
}

/// Where the parameters are in a checkpoint.
fn names(file: &WeightFile) -> Names {
    let pre_trained = !file.names().any(|name| name.starts_with(DECODER));
    let first_fusing = file.names().filter_map(fusing_layer).min();
    let mut names = Names::default();
    for stored in file.names() {
        if is_implied(stored) {
            names.implied.insert(stored.to_owned());
            continue;
        }
        let Some(rest) = stored.strip_prefix(ENCODER) else {
            names.sources.insert(stored.to_owned(), stored.to_owned());
            continue;
        };
        let part = rest.strip_prefix("bert.").unwrap_or(rest);
        names
            .sources
            .insert(format!("{ENCODER}{part}"), stored.to_owned());
        if pre_trained && let Some(own) = decoder_name(part, first_fusing) {
            names
                .sources
                .insert(format!("{DECODER}{own}"), stored.to_owned());
        }
    }
    if pre_trained {
        names.fresh = misfits(file, &names.sources);
    }
    names
}

/// Whether a tensor follows from others.
fn is_implied(name: &str) -> bool {
    let mut buffers = bert::BUFFERS.iter().chain(&swin::BUFFERS);
    // The word head is the encoder's in pre-training.
    buffers.any(|buffer| name.ends_with(buffer))
        || TIED.iter().any(|(second, _)| name.ends_with(second))
}

/// The index of a layer that looks at the image, if the parameter is one of its cross-attention.
fn fusing_layer(name: &str) -> Option<usize> {
    let (_, layer) = name.strip_prefix(ENCODER)?.split_once(LAYER)?;
    let (index, rest) = layer.split_once('.')?;
    rest.starts_with("crossattention.")
        .then_some(index.parse().ok()?)
}

/// What becomes of a part of the pre-trained text encoder in the decoder: the fusing layers are its layers, counted
/// from 0 again; embeddings and word head are its own; the other layers have no use.
fn decoder_name(part: &str, first_fusing: Option<usize>) -> Option<String> {
    if let Some(layer) = part.strip_prefix(LAYER) {
        let (index, rest) = layer.split_once('.')?;
        let index = index.parse::<usize>().ok()?.checked_sub(first_fusing?)?;
        return Some(format!("bert.{LAYER}{index}.{rest}"));
    }
    Some(if part.starts_with("cls.") {
        part.to_owned()
    } else {
        format!("bert.{part}")
    })
}

/// Names of the decoder's keys and values whose matrices, which come from the text encoder, were made for a context of
/// another width than that of its own states. Their biases are not taken without them.
fn misfits(file: &WeightFile, sources: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut misfits = BTreeSet::new();
    for (name, stored) in sources {
        let Some(projection) = name.strip_suffix(".weight") else {
            continue;
        };
        let reads_context = [".crossattention.self.key", ".crossattention.self.value"]
            .iter()
            .any(|end| projection.ends_with(end));
        let fits = file
            .tensor(stored)
            .is_none_or(|tensor| matches!(tensor.shape[..], [rows, columns] if rows == columns));
        if name.starts_with(DECODER) && reads_context && !fits {
            misfits.insert(name.clone());
            misfits.insert(format!("{projection}.bias"));
        }
    }
    misfits
}
