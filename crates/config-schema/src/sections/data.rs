use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::values::{Preload, Streaming};

/// The data sets the trainer knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetName {
    /// Coloured shapes drawn from a seed; nothing to download.
    #[default]
    Shapes,
    /// The public easy-VQA data set, read from its folder.
    EasyVqa,
    /// A data set of your own, in the layout that docs/own-data.md describes.
    Folder,
    /// The official files of VQA v2, or of VQA v1, imported once.
    Vqa2,
    /// The official files of OK-VQA, imported once.
    Okvqa,
    /// The official files of GQA, imported once.
    Gqa,
    /// The official files of `VizWiz`, imported once.
    Vizwiz,
    /// The official files of `TextVQA`, imported once.
    Textvqa,
    /// The official files of Visual Genome, imported once.
    VisualGenome,
    /// The official files of `Visual7W`, telling questions, imported once.
    Visual7w,
    /// The lists of X-VLM, ALBEF and BLIP, imported once.
    Xvlm,
    /// The lists of LXMERT, imported once.
    Lxmert,
    /// The lists of CFR-VQA, imported once.
    Cfr,
}

impl std::fmt::Display for DatasetName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Shapes => "shapes",
            Self::EasyVqa => "easy-vqa",
            Self::Folder => "folder",
            Self::Vqa2 => "vqa2",
            Self::Okvqa => "okvqa",
            Self::Gqa => "gqa",
            Self::Vizwiz => "vizwiz",
            Self::Textvqa => "textvqa",
            Self::VisualGenome => "visual-genome",
            Self::Visual7w => "visual7w",
            Self::Xvlm => "xvlm",
            Self::Lxmert => "lxmert",
            Self::Cfr => "cfr",
        })
    }
}

/// Whether images are rotated by their EXIF orientation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExifOrientation {
    /// Upright: pixels are turned as the EXIF orientation of their file says.
    #[default]
    Apply,
    /// As stored: the EXIF orientation is ignored.
    Ignore,
}

/// Which form of an answer counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AnswerNormalisation {
    /// The form of the official VQA scorer: `Two.`, `two` and `2` are one answer.
    #[default]
    Vqa,
    /// The answer as written, without white space around it.
    None,
}

/// Language of the questions and answers of `shapes`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ShapesLanguage {
    /// English.
    #[default]
    En,
    /// Chinese.
    Zh,
}

/// What becomes of samples whose files cannot be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnBadSample {
    /// The run does not begin.
    #[default]
    Error,
    /// They are left out of the run.
    Skip,
}

/// Which answers a model can give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Answers {
    /// Training questions that an answer is the most common answer to, at least, to be in the list. The bottom-up attention
    /// recipe has 9; 1 keeps every right answer. Questions whose answers are not in the list stay, and none of the listed
    /// answers is right for them.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min_count: usize,
    /// Answers in the list at most, the most common first; 0 for no limit.
    #[schemars(range(max = 10_000_000))]
    pub top: usize,
    /// JSON file with the answers as a list of texts. The order is that of a published classifier. Without a file, the answers
    /// are those of the training questions, the most common first.
    pub file: String,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            min_count: 1,
            top: 0,
            file: String::new(),
        }
    }
}

/// What is learned: the questions, their images and how both are cut to size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Dataset {
    /// Which data set to train on.
    pub name: DatasetName,
    /// Folder that holds the data sets, one folder each; for `folder`, the data set itself; for official files, their folder or
    /// the one around it.
    pub root: String,
    /// Folder in which official files are imported, once for each version of them. Empty: `.aoa-cache` beside the files.
    pub cache: String,
    /// Width and height, in pixels, to which every image is resized. Time and activation memory grow with its square.
    #[schemars(range(min = 16, max = 4096))]
    #[schemars(extend("x-takes-memory" = true))]
    pub image_size: usize,
    /// Whether images are turned upright as their EXIF orientation says. Annotators saw them upright; `ignore` repeats
    /// what X-VLM's own pipeline does.
    pub exif_orientation: ExifOrientation,
    /// Tokens to which a question is padded or cut. Time and memory of the question branch grow with it.
    #[schemars(range(min = 1, max = 512))]
    #[schemars(extend("x-takes-memory" = true))]
    pub max_question_tokens: usize,
    /// Part of the training images held out for validation where the data set has no validation split of its own.
    #[schemars(range(max = 0.9), extend("exclusiveMinimum" = 0.0))]
    pub validation_fraction: f64,
    /// Which form of an answer of `folder` and of official files counts, in training and in scoring. `vqa`: lower case, without marks and
    /// articles, numbers up to ten as digits, as the official scorer of VQA compares answers; votes that are all equal stay
    /// as they are written, as they do there. `none`: as written.
    pub answer_normalisation: AnswerNormalisation,
    /// What becomes of samples whose image or region features cannot be used: "error" (the run does not begin, and all such
    /// files are named) or "skip" (they are left out, as if their lines were not there). With "skip" every file is read whole
    /// before the first step; what is left out is in `skipped.json` of the run, and stays left out when it is resumed.
    pub on_bad_sample: OnBadSample,
    /// Largest fraction of each split's samples that `on_bad_sample = "skip"` may leave out. Where there are more, the run does
    /// not begin.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_bad_fraction: f64,
    /// Seed from which the images and questions of `shapes` are drawn.
    #[schemars(range(max = 9_223_372_036_854_775_807_u64))]
    pub shapes_seed: u64,
    /// Training images of `shapes`.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub shapes_train_images: usize,
    /// Validation images of `shapes`.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub shapes_validation_images: usize,
    /// Test images of `shapes`.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub shapes_test_images: usize,
    /// Questions asked about each image of `shapes`; every one is a sample.
    #[schemars(range(min = 1, max = 5))]
    pub shapes_questions_per_image: usize,
    /// Whether `shapes` comes with region features, statistical words and entities, as a perfect detector would give.
    pub shapes_described: bool,
    /// Language in which `shapes` asks and answers. The scenes and questions are the same in each.
    pub shapes_language: ShapesLanguage,
}

impl Default for Dataset {
    fn default() -> Self {
        Self {
            name: DatasetName::Shapes,
            root: "data".to_owned(),
            cache: String::new(),
            image_size: 480,
            exif_orientation: ExifOrientation::Apply,
            max_question_tokens: 40,
            validation_fraction: 0.05,
            answer_normalisation: AnswerNormalisation::Vqa,
            on_bad_sample: OnBadSample::Error,
            max_bad_fraction: 0.01,
            shapes_seed: 1,
            shapes_train_images: 10_000,
            shapes_validation_images: 400,
            shapes_test_images: 1000,
            shapes_questions_per_image: 4,
            shapes_described: false,
            shapes_language: ShapesLanguage::En,
        }
    }
}

/// How training images are varied, epoch by epoch, as X-VLM trains. What is drawn for an image follows from the seed, the epoch
/// and the first sample of its effective batch that is about it. Evaluation and predictions see images as they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Smallest fraction of an image's area that a random crop keeps, before it is resized to `dataset.image_size`; 1 for no crop.
    /// X-VLM has 0.5. Preloaded images are then kept as they are stored, since a crop needs all their pixels.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub crop_scale: f64,
    /// Probability that an image is mirrored; 0 for never. X-VLM has 0.5. An image stays as it is where a question or answer
    /// about it in the effective batch says left or right, in English or Chinese.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub flip: f64,
    /// Operations drawn for each image of the ten of X-VLM's RandAugment, such as rotation, shear, brightness and sharpness; 0 for
    /// none. X-VLM has 2. Each drawn operation is done half of the time.
    #[schemars(range(max = 10))]
    pub operations: usize,
    /// How strong the operations are: 10 turns an image by 30 degrees, shears it by 0.3, shifts it by 10 pixels, and makes it 1.9
    /// times as bright or sharp. X-VLM has 7.
    #[schemars(range(max = 10))]
    pub magnitude: usize,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            crop_scale: 1.0,
            flip: 0.0,
            operations: 0,
            magnitude: 7,
        }
    }
}

impl Augmentation {
    /// Whether images are varied at all.
    pub fn is_on(&self) -> bool {
        self.crop_scale < 1.0 || self.flip > 0.0 || self.operations > 0
    }
}

/// How samples travel from storage to the device, and in which order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataLoading {
    /// Decode every image once and keep it in host memory: `image_size`² × 3 bytes an image for faster epochs;
    /// images that are cropped at random are kept as they are stored. "auto" keeps
    /// as many as fit and reports the number; true ends a run that cannot hold all, before it begins. Results are the same.
    pub preload_data: Preload,
    /// Compress the images kept in host memory: less memory, but each read is slightly slower.
    pub use_compression: bool,
    /// Samples in the shuffle buffer, in effect where `streaming` is. A larger buffer mixes better. It holds the encoded images of
    /// its samples in host memory.
    #[schemars(range(min = 1, max = 100_000_000))]
    #[schemars(extend("x-takes-memory" = true))]
    pub shuffle_buffer_size: usize,
    /// On: training images are read from front to back, eight shards side by side, and mixed in a buffer of
    /// `shuffle_buffer_size` samples: for storage that is slow at random access. Off: a full permutation of the training split
    /// each epoch, which mixes best. "auto" is on where `aoa data shard` put the images into shards.
    pub streaming: Streaming,
    /// Samples of one image that stay neighbours. An image is encoded once for all its samples in a
    /// micro-batch, so larger groups train faster; fewer different images in a batch make its gradient noisier.
    #[schemars(range(min = 1, max = 1000))]
    pub image_group_size: usize,
}

impl Default for DataLoading {
    fn default() -> Self {
        Self {
            preload_data: Preload::Off,
            use_compression: false,
            shuffle_buffer_size: 2000,
            streaming: Streaming::Auto,
            image_group_size: 1,
        }
    }
}
