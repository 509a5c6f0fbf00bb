//! The published parts of the whole model.

use std::collections::BTreeMap;
use std::fmt;

use weight_files::{TensorBytes, WeightFile, WeightFileError};

use super::{Report, export_fine_branch, export_xvlm, load_fine_branch, load_xvlm};
use crate::fine::FineBranch;
use crate::image_encoder::ImageEncoder;
use crate::vqa::Vqa;

/// A part of the whole model that is published with weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishedPart {
    /// X-VLM: image encoder and coarse branch.
    Xvlm,
    /// The fine branch of coarse-to-fine reasoning.
    Fine,
}

/// The model is built without the published part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the model has no {0} in the published form")]
pub struct NoSuchPart(pub PublishedPart);

/// Why a part was not filled.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The model does not have it.
    #[error(transparent)]
    NoSuchPart(#[from] NoSuchPart),
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] WeightFileError),
}

impl fmt::Display for PublishedPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Xvlm => "X-VLM",
            Self::Fine => "fine branch",
        })
    }
}

/// Gives a part of the model what a file has of it; the rest is unchanged.
///
/// # Errors
///
/// When the model does not have the part, and as [`Import::load`](super::Import::load).
pub fn load_part(
    file: &WeightFile,
    part: PublishedPart,
    mut model: Vqa,
) -> Result<(Vqa, Report), LoadError> {
    let report = match (part, model.image_encoder, model.coarse, model.fine) {
        (PublishedPart::Xvlm, Some(ImageEncoder::Swin(encoder)), Some(xvlm), fine) => {
            let (encoder, xvlm, report) = load_xvlm(file, encoder, xvlm)?;
            model.image_encoder = Some(ImageEncoder::Swin(encoder));
            model.coarse = Some(xvlm);
            model.fine = fine;
            report
        }
        (PublishedPart::Fine, encoder, xvlm, Some(FineBranch::Cfr(mut fine))) => {
            let (branch, report) = load_fine_branch(file, fine.branch)?;
            model.image_encoder = encoder;
            model.coarse = xvlm;
            fine.branch = branch;
            model.fine = Some(FineBranch::Cfr(fine));
            report
        }
        _ => return Err(NoSuchPart(part).into()),
    };
    Ok((model, report))
}

/// The tensors of a part of the model by `PyTorch` name.
///
/// # Errors
///
/// When the model does not have the part.
pub fn export_part(
    part: PublishedPart,
    model: &Vqa,
) -> Result<BTreeMap<String, TensorBytes>, NoSuchPart> {
    match (part, &model.image_encoder, &model.coarse, &model.fine) {
        (PublishedPart::Xvlm, Some(ImageEncoder::Swin(encoder)), Some(xvlm), _) => {
            Ok(export_xvlm(encoder, xvlm))
        }
        (PublishedPart::Fine, _, _, Some(FineBranch::Cfr(fine))) => {
            Ok(export_fine_branch(&fine.branch))
        }
        _ => Err(NoSuchPart(part)),
    }
}
