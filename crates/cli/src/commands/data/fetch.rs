//! `aoa data fetch`: gets a data set, or says what to download and where it belongs.

use std::path::Path;

use clap::ValueEnum;
use data_pipeline::easy_vqa::{self, Fetched};
use file_kind::quoted;

use crate::args::FetchName;
use crate::failure::Failure;
use crate::output;

/// What is downloaded by hand: sizes and numbers are those of the official pages, where these give them.
struct Published {
    name: FetchName,
    title: &'static str,
    page: &'static str,
    licence: &'static str,
    /// What to download, and what becomes of it in the data set's folder.
    files: &'static [[&'static str; 2]],
}

/// Images of COCO 2014, for training and validation.
const COCO_2014: [[&str; 2]; 2] = [
    [
        "http://images.cocodataset.org/zips/train2014.zip (82,783 images, 13 GB)",
        "train2014/",
    ],
    [
        "http://images.cocodataset.org/zips/val2014.zip (40,504 images, 6 GB)",
        "val2014/",
    ],
];

const SEE_PAGE: &str = "see the page";

static PUBLISHED: &[Published] = &[
    Published {
        name: FetchName::Vqa2,
        title: "VQA v2",
        page: "https://visualqa.org/download.html",
        licence: "annotations: CC BY 4.0, https://visualqa.org/terms.html; images: terms of Flickr, https://cocodataset.org/#termsofuse",
        files: &[
            [
                "v2_Questions_Train_mscoco.zip (443,757 questions)",
                "v2_OpenEnded_mscoco_train2014_questions.json",
            ],
            [
                "v2_Questions_Val_mscoco.zip (214,354 questions)",
                "v2_OpenEnded_mscoco_val2014_questions.json",
            ],
            [
                "v2_Questions_Test_mscoco.zip (447,793 questions, no answers), to predict for the challenge",
                "v2_OpenEnded_mscoco_test2015_questions.json, v2_OpenEnded_mscoco_test-dev2015_questions.json",
            ],
            [
                "v2_Annotations_Train_mscoco.zip (4,437,570 answers)",
                "v2_mscoco_train2014_annotations.json",
            ],
            [
                "v2_Annotations_Val_mscoco.zip (2,143,540 answers)",
                "v2_mscoco_val2014_annotations.json",
            ],
            COCO_2014[0],
            COCO_2014[1],
            [
                "http://images.cocodataset.org/zips/test2015.zip (81,434 images, 12 GB), with the test questions",
                "test2015/",
            ],
        ],
    },
    Published {
        name: FetchName::Okvqa,
        title: "OK-VQA",
        page: "https://okvqa.allenai.org/download.html",
        licence: SEE_PAGE,
        files: &[
            [
                "training and testing questions",
                "OpenEnded_mscoco_train2014_questions.json, OpenEnded_mscoco_val2014_questions.json",
            ],
            [
                "training and testing annotations",
                "mscoco_train2014_annotations.json, mscoco_val2014_annotations.json",
            ],
            COCO_2014[0],
            COCO_2014[1],
        ],
    },
    Published {
        name: FetchName::Gqa,
        title: "GQA",
        page: "https://cs.stanford.edu/people/dorarad/gqa/download.html",
        licence: SEE_PAGE,
        files: &[
            [
                "questions, version 1.2 (1.4 GB)",
                "*_balanced_questions.json, *_all_questions.json, train_all_questions/",
            ],
            ["images", "images/"],
        ],
    },
    Published {
        name: FetchName::Vizwiz,
        title: "VizWiz-VQA",
        page: "https://vizwiz.org/tasks-and-datasets/vqa/",
        licence: SEE_PAGE,
        files: &[
            ["annotations", "Annotations/train.json, val.json, test.json"],
            [
                "images of training, validation and test",
                "train/, val/, test/",
            ],
        ],
    },
    Published {
        name: FetchName::Textvqa,
        title: "TextVQA",
        page: "https://textvqa.org/dataset/",
        licence: SEE_PAGE,
        files: &[
            [
                "questions and answers, version 0.5.1",
                "TextVQA_0.5.1_train.json, TextVQA_0.5.1_val.json, TextVQA_0.5.1_test.json",
            ],
            [
                "words read in the images, version 0.2; optional",
                "TextVQA_Rosetta_OCR_v0.2_*.json",
            ],
            ["training and validation images", "train_images/"],
            ["test images", "test_images/"],
        ],
    },
    Published {
        name: FetchName::VisualGenome,
        title: "Visual Genome",
        page: "https://homes.cs.washington.edu/~ranjay/visualgenome/api.html",
        licence: "CC BY 4.0",
        files: &[
            ["question answers", "question_answers.json"],
            ["image meta data", "image_data.json"],
            ["images, part 1", "VG_100K/"],
            ["images, part 2", "VG_100K_2/"],
        ],
    },
    Published {
        name: FetchName::Visual7w,
        title: "Visual7W, telling questions",
        page: "https://ai.stanford.edu/~yukez/visual7w/",
        licence: SEE_PAGE,
        files: &[
            ["telling questions", "dataset_v7w_telling.json"],
            ["images", "images/"],
        ],
    },
    Published {
        name: FetchName::Xvlm,
        title: "lists of X-VLM, and of ALBEF and BLIP",
        page: "https://github.com/zengyan-97/X-VLM",
        licence: SEE_PAGE,
        files: &[
            [
                "the JSON files of VQA that its README links",
                "vqa_train.json, vqa_val.json, vqa_test.json, vg_qa.json, answer_list.json",
            ],
            ["images of VQA v2 (`aoa data fetch vqa2`)", "vqa/"],
            [
                "images of Visual Genome (`aoa data fetch visual-genome`)",
                "vg/",
            ],
        ],
    },
    Published {
        name: FetchName::Lxmert,
        title: "lists of LXMERT",
        page: "https://github.com/airsplay/lxmert",
        licence: SEE_PAGE,
        files: &[
            [
                "the JSON files of VQA or GQA that its README links",
                "train.json, nominival.json, minival.json, test.json",
            ],
            [
                "images of VQA v2 or GQA (`aoa data fetch vqa2`, `gqa`)",
                "as there",
            ],
        ],
    },
    Published {
        name: FetchName::Cfr,
        title: "lists of CFR-VQA",
        page: "https://github.com/aioz-ai/CFR_VQA",
        licence: SEE_PAGE,
        files: &[
            [
                "the data that its README links",
                "gqa_*_questions_entities.json, *_stats_words.json, *_attr_words*.json, cache/*.pkl",
            ],
            ["images of GQA (`aoa data fetch gqa`)", "images/"],
        ],
    },
];

pub fn run(name: FetchName, root: &Path, python: &str) -> Result<(), Failure> {
    match PUBLISHED.iter().find(|published| published.name == name) {
        None => announce(&easy_vqa::fetch(root, python)?),
        Some(published) => published.lines(root).into_iter().for_each(output::line),
    }
    Ok(())
}

/// Says where a data set is now.
pub fn announce(fetched: &Fetched) {
    let how = if fetched.already_there {
        "was there already"
    } else {
        "is there now"
    };
    output::note(format!("{} {how}, whole", fetched.folder.display()));
}

impl Published {
    fn lines(&self, root: &Path) -> Vec<String> {
        let name = self.name.to_possible_value();
        let name = name.as_ref().map_or("", |name| name.get_name());
        let folder = root.join(name);
        let mut lines = vec![
            format!(
                "{}: download it by hand, since its terms are to be accepted",
                self.title
            ),
            format!("page: {}", self.page),
            format!("licence: {}", self.licence),
            format!("unpack into {}:", quoted(&folder)),
        ];
        let files = self.files.iter();
        lines.extend(files.map(|[what, place]| format!("  {what}\n    -> {place}")));
        lines.push(format!(
            "then: aoa train --dataset {name} --data-root {}",
            quoted(root)
        ));
        lines
    }
}

#[cfg(test)]
mod tests {
    use data_import::Format;

    use super::*;

    #[test]
    fn every_layout_has_its_page() {
        for format in Format::ALL {
            let name = FetchName::from_str(format.name(), false);
            let name = name.unwrap_or_else(|error| panic!("{}: {error}", format.name()));
            let published = PUBLISHED.iter().find(|published| published.name == name);
            let lines = published.expect("its page").lines(Path::new("data"));
            let command = format!("then: aoa train --dataset {format} --data-root data");
            assert_eq!(lines.last(), Some(&command));
        }
        assert_eq!(PUBLISHED.len(), Format::ALL.len());
    }
}
