use std::fmt;
use std::str::FromStr;

/// A layout of published files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// VQA v2, and VQA v1, which has the same files: questions and annotations of ten votes.
    Vqa2,
    /// OK-VQA: the files of VQA v1, with stemmed answers.
    OkVqa,
    /// GQA: an object from question id to question, in one file or cut into several.
    Gqa,
    /// `VizWiz`: a question an image, without question ids.
    VizWiz,
    /// `TextVQA`: ten answers as text, and the words read in each image.
    TextVqa,
    /// Visual Genome: one answer, a sentence; no splits.
    VisualGenome,
    /// `Visual7W`, telling questions: four choices.
    Visual7w,
    /// The lists of X-VLM, ALBEF and BLIP.
    Xvlm,
    /// The lists of LXMERT: answers with scores.
    Lxmert,
    /// The lists of CFR-VQA: entities, statistical words, pickled targets.
    Cfr,
}

impl Format {
    /// Every layout.
    pub const ALL: [Self; 10] = [
        Self::Vqa2,
        Self::OkVqa,
        Self::Gqa,
        Self::VizWiz,
        Self::TextVqa,
        Self::VisualGenome,
        Self::Visual7w,
        Self::Xvlm,
        Self::Lxmert,
        Self::Cfr,
    ];

    /// Its name in arguments and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vqa2 => "vqa2",
            Self::OkVqa => "okvqa",
            Self::Gqa => "gqa",
            Self::VizWiz => "vizwiz",
            Self::TextVqa => "textvqa",
            Self::VisualGenome => "visual-genome",
            Self::Visual7w => "visual7w",
            Self::Xvlm => "xvlm",
            Self::Lxmert => "lxmert",
            Self::Cfr => "cfr",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.to_lowercase().replace('_', "-");
        let name = match name.as_str() {
            "vqa" | "vqa1" | "vqa-v2" => "vqa2",
            "ok-vqa" => "okvqa",
            "text-vqa" => "textvqa",
            "vg" => "visual-genome",
            "v7w" | "visual-7w" => "visual7w",
            "albef" | "blip" => "xvlm",
            name => name,
        };
        let mut all = Self::ALL.into_iter();
        all.find(|format| format.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            format!("expected one of {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_again() {
        for format in Format::ALL {
            assert_eq!(format.name().parse(), Ok(format));
        }
        assert_eq!("visual_genome".parse(), Ok(Format::VisualGenome));
        assert!("coco".parse::<Format>().is_err());
    }
}
