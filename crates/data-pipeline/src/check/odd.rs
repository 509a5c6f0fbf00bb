use std::borrow::Cow;

use serde::Serialize;

use super::fault::printable;
use crate::image::ImageWarning;

/// Files that a warning names.
const MOST_NAMED: usize = 3;

/// An image that can be used although something is odd about its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OddImage {
    /// The file.
    pub file: String,
    /// What is odd, each of which completes a sentence about the file.
    pub oddities: Vec<ImageWarning>,
}

impl OddImage {
    /// The file, without characters that a terminal would act on.
    pub fn name(&self) -> Cow<'_, str> {
        printable(&self.file)
    }

    /// What is odd, in words.
    pub fn sentence(&self) -> String {
        let oddities = self.oddities.iter().map(ToString::to_string);
        oddities.collect::<Vec<_>>().join("; ")
    }

    /// A sentence for each kind of oddity: how many images have it, and some of them.
    pub fn warnings(odd: &[Self]) -> Vec<String> {
        let mut kinds: Vec<(&str, Vec<&Self>)> = Vec::new();
        for image in odd {
            for oddity in &image.oddities {
                let kind = oddity.kind();
                match kinds.iter_mut().find(|(known, _)| *known == kind) {
                    Some((_, images)) => images.push(image),
                    None => kinds.push((kind, vec![image])),
                }
            }
        }
        let sentence = |(kind, images): (&str, Vec<&Self>)| {
            let named = images.iter().take(MOST_NAMED);
            let mut named: Vec<_> = named.map(|image| format!("`{}`", image.name())).collect();
            if images.len() > named.len() {
                let more = images.len() - named.len();
                named.push(format!("{more} more, which `aoa data check` lists"));
            }
            let count = match images.len() {
                1 => "1 image has".to_owned(),
                count => format!("{count} images have"),
            };
            format!(
                "{count} {kind}, and all pixels can be read: {}",
                named.join(", ")
            )
        };
        kinds.into_iter().map(sentence).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_counted_and_some_files_are_named() {
        let image = |number: usize, oddities: &[ImageWarning]| OddImage {
            file: format!("{number}\n.jpg"),
            oddities: oddities.to_vec(),
        };
        let stray = ImageWarning::StrayBytes {
            count: 3,
            before: "the end marker".to_owned(),
        };
        let end = ImageWarning::NoEndMarker;
        let one = image(1, &[end.clone(), stray]);
        assert_eq!(
            one.sentence(),
            "has no end marker; has 3 stray bytes before the end marker"
        );
        let several = (2..6).map(|number| image(number, std::slice::from_ref(&end)));
        let warnings = OddImage::warnings(&[vec![one], several.collect()].concat());
        assert_eq!(
            warnings,
            [
                "5 images have no end marker, and all pixels can be read: `1\\n.jpg`, `2\\n.jpg`, `3\\n.jpg`, 2 more, which \
                 `aoa data check` lists",
                "1 image has stray bytes, and all pixels can be read: `1\\n.jpg`",
            ]
        );
        assert!(OddImage::warnings(&[]).is_empty());
    }
}
