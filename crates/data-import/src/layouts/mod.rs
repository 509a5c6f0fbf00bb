//! The layouts, each in a file of its own: which files make up its parts, and how a part is read.

mod annotations;
mod cfr;
mod gqa;
mod layout;
mod lxmert;
mod textvqa;
mod visual7w;
mod visual_genome;
mod vizwiz;
mod vqa;
mod xvlm;

use std::sync::atomic::AtomicU64;

use crate::error::ImportError;
use crate::format::Format;
use crate::images::Bases;
use crate::sniff::{Kind, Sniffed};

pub use layout::Split;
pub(crate) use layout::{ImageWords, Job, Layout, Part, Words, repeated};
pub(crate) use vqa::MINIVAL;

/// Formats that files make up, each with whether they are all of it that must be there.
pub(crate) fn formats(files: &[Sniffed]) -> Vec<Format> {
    let has = |kind: Kind| files.iter().any(|file| file.kind == kind);
    let mut formats = Vec::new();
    if has(Kind::VqaAnnotations) || (has(Kind::VqaQuestions) && !has(Kind::OkVqaAnnotations)) {
        formats.push(Format::Vqa2);
    }
    for (kind, format) in [
        (Kind::OkVqaAnnotations, Format::OkVqa),
        (Kind::Gqa, Format::Gqa),
        (Kind::VizWiz, Format::VizWiz),
        (Kind::TextVqa, Format::TextVqa),
        (Kind::GenomeAnswers, Format::VisualGenome),
        (Kind::Visual7w, Format::Visual7w),
        (Kind::Xvlm, Format::Xvlm),
        (Kind::Lxmert, Format::Lxmert),
        (Kind::CfrQuestions, Format::Cfr),
    ] {
        if has(kind) {
            formats.push(format);
        }
    }
    formats
}

/// The layout of a format, made of these files.
pub(crate) fn layout(
    format: Format,
    files: &[Sniffed],
    bases: &Bases,
    meter: &AtomicU64,
) -> Result<Box<dyn Layout>, ImportError> {
    Ok(match format {
        Format::Vqa2 => Box::new(vqa::Vqa::find(files, false, meter)?),
        Format::OkVqa => Box::new(vqa::Vqa::find(files, true, meter)?),
        Format::Gqa => Box::new(gqa::Gqa::find(files)?),
        Format::VizWiz => Box::new(vizwiz::VizWiz::find(files)?),
        Format::TextVqa => Box::new(textvqa::TextVqa::find(files, meter)?),
        Format::VisualGenome => Box::new(visual_genome::Genome::find(files, bases, meter)?),
        Format::Visual7w => Box::new(visual7w::Visual7w::find(files, meter)?),
        Format::Xvlm => Box::new(xvlm::Xvlm::find(files)?),
        Format::Lxmert => Box::new(lxmert::Lxmert::find(files)?),
        Format::Cfr => Box::new(cfr::Cfr::find(files)?),
    })
}
