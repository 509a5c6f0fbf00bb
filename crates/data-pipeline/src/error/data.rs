//! What can be wrong with data, each with its message.
//!
//! One file because it is one enumeration; cures are in `hint.rs`.

use std::path::{Path, PathBuf};

use file_kind::FileKind;
use region_features::StoreError;

use super::listed::listed;
use crate::check::Faults;
use crate::image::ImageError;
use crate::inputs::RegionShape;
use file_kind::counted;

/// What [`DataError::NotOneALine`] finds in a last line that was not written whole.
pub(crate) const CUT: &str = "the start of an object, and the end of the file";

/// What [`DataError::NotOneALine`] finds where a file is one JSON array.
pub(crate) const ARRAY: &str = "the start of a JSON array";

/// What [`DataError::NotOneALine`] finds where a comma follows each object, as in an array.
pub(crate) const COMMA: &str = "a comma behind an object";

/// What [`DataError::NotOneALine`] finds where an object is followed by others.
pub(crate) const BEHIND: &str = "something behind an object";

/// What [`DataError::NotOneALine`] finds where Python printed its objects.
pub(crate) const PYTHON: &str = "a Python dictionary, which is not JSON";

/// What [`DataError::NotOneALine`] finds in a table, by what stands between the values.
pub(crate) const TABLES: [(char, &str); 3] = [
    (',', "a row of a table (CSV)"),
    ('\t', "a row of a table (TSV)"),
    (';', "a row of a table with semicolons"),
];

/// Everything that can go wrong between a data set and a batch.
///
/// The message says what was found and where; [`DataError::hint`] says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file or folder could not be read or written.
    #[error("cannot access `{}`", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },

    /// A device, a pipe or a folder stands where a file is read.
    #[error("`{}` is not a regular file", path.display())]
    NotAFile {
        /// What stands there.
        path: PathBuf,
    },

    /// Something else stands where a folder is looked for.
    #[error("`{}` is not a folder", path.display())]
    NotAFolder {
        /// What stands there.
        path: PathBuf,
    },

    /// A file of text is none.
    #[error("`{}`, line {line}: not UTF-8, which text files must be", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Line of the first byte that is wrong, from 1.
        line: usize,
        /// Whether it holds bytes that no text has, in whatever encoding.
        binary: bool,
    },

    /// A file of text has another encoding than the one that is read.
    #[error("`{}` is {encoding} and must be UTF-8", path.display())]
    OtherEncoding {
        /// The file.
        path: PathBuf,
        /// Its encoding.
        encoding: &'static str,
    },

    /// Something else took the place of a file of text.
    #[error("`{}` is {kind}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is.
        kind: FileKind,
    },

    /// A line of a file of text has no text.
    #[error(
        "`{}`, line {line}: nothing but bytes of zero, as a full disk or an interrupted copy leaves",
        path.display()
    )]
    ZeroBytes {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },

    /// A file that has an object a line has something else.
    #[error("`{}`, line {line}: expected one JSON object a line, found {found}", path.display())]
    NotOneALine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is there.
        found: &'static str,
        /// The filter of `jq` that writes an object a line, where one does.
        filter: Option<String>,
    },

    /// There is no word-piece vocabulary.
    #[error("there is no vocabulary `{}`", path.display())]
    MissingVocabulary {
        /// Where it should be.
        path: PathBuf,
    },

    /// A file holds more than is read of such a file.
    #[error("`{}` holds more than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Most bytes that are read.
        limit: usize,
    },

    /// A line does not end where every line has to.
    #[error("`{}`, line {line}: more than {limit} bytes", path.display())]
    LongLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Most bytes of a line.
        limit: usize,
    },

    /// A data set is not where it should be.
    #[error("no {data_set} data set in `{}`: `{}` is missing", folder.display(), missing.display())]
    MissingDataSet {
        /// Name of the data set.
        data_set: &'static str,
        /// The folder that should hold it.
        folder: PathBuf,
        /// The first part of it that is not there.
        missing: PathBuf,
    },

    /// A data set is there, but not all of it.
    #[error("the {data_set} data set in `{}` is not whole: {found} {what}, expected {expected}", folder.display())]
    IncompleteDataSet {
        /// Name of the data set.
        data_set: &'static str,
        /// The folder that holds it.
        folder: PathBuf,
        /// What was counted.
        what: String,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },

    /// A file is not JSON, or not the JSON it should be.
    #[error("`{}`, line {line}, column {column}: {problem}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Line of the problem, from 1.
        line: usize,
        /// Column of the problem, from 1.
        column: usize,
        /// What the parser says.
        problem: String,
    },

    /// An entry of a list has the wrong form.
    #[error("`{}`, entry {entry}: expected {expected}, found `{found}`", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// Index of the entry, from 0.
        entry: usize,
        /// The form it should have.
        expected: &'static str,
        /// The entry as it is.
        found: String,
    },

    /// An entry of a list of distinct words occurs twice.
    #[error("`{}`, entry {entry}: `{word}` is already in the list", path.display())]
    DuplicateEntry {
        /// The file.
        path: PathBuf,
        /// Index of the second occurrence, from 0.
        entry: usize,
        /// The word.
        word: String,
    },

    /// A line of distinct words occurs twice.
    #[error("`{}`, line {line}: `{word}` is already on an earlier line", path.display())]
    DuplicateLine {
        /// The file.
        path: PathBuf,
        /// The second occurrence, from 1.
        line: usize,
        /// The word.
        word: String,
    },

    /// A list that must hold something is empty.
    #[error("`{}`: the list is empty", path.display())]
    EmptyList {
        /// The file.
        path: PathBuf,
    },

    /// A word-piece vocabulary lacks a token that every text needs.
    #[error("`{}`: there is no token `{token}`", path.display())]
    MissingToken {
        /// The file.
        path: PathBuf,
        /// The token.
        token: &'static str,
    },

    /// Padding is not the first token of a word-piece vocabulary, as models expect.
    #[error("`{}`: `[PAD]` is token {id}", path.display())]
    PaddingNotFirst {
        /// The file.
        path: PathBuf,
        /// Its id.
        id: u32,
    },

    /// A `tokenizer.json` describes a tokenizer of another kind.
    #[error("`{}`, {key}: expected {expected}, found {found}", path.display())]
    TokenizerKind {
        /// The file.
        path: PathBuf,
        /// Where it says so.
        key: &'static str,
        /// What an uncased BERT tokenizer has there.
        expected: String,
        /// What is there.
        found: String,
    },

    /// Answers hold words that the tokens of a vocabulary cannot write, and are not told apart for it.
    #[error("{} cannot be written with the tokens of {vocabulary}, for example {}", counted(*count, "answer", "answers"), .examples.join(", "))]
    UnwritableAnswers {
        /// How many there are.
        count: usize,
        /// What to call the vocabulary: its file, where it has one.
        vocabulary: String,
        /// Some of the answers, with their places where these are known.
        examples: Vec<String>,
    },

    /// Answers of a list are the same to a tokenizer.
    #[error("these answers differ only in what the word pieces leave out, such as upper case and accents: {}", .pairs.join("; "))]
    SameAnswers {
        /// Both answers of each pair, with their places where these are known.
        pairs: Vec<String>,
    },

    /// An answer has more word pieces than the model has positions.
    #[error("the answer `{beginning}…` has {pieces} word pieces; the model reads up to {limit}")]
    AnswerTooLong {
        /// How the answer begins.
        beginning: String,
        /// Its word pieces, start and end among them.
        pieces: usize,
        /// What the model reads at most.
        limit: usize,
    },

    /// The training samples hold no word or no answer to build a list from.
    #[error("{} no {what}", counted(*samples, "training sample holds", "training samples hold"))]
    NothingToList {
        /// What was looked for.
        what: &'static str,
        /// How many samples were searched.
        samples: usize,
    },

    /// No answer of the training samples is common enough for the answer list.
    #[error(
        "no answer is the best one of {min_count} samples (`answers.min_count`): of {}, the most common answer is the best of {most}",
        counted(*samples, "training sample", "training samples")
    )]
    NoCommonAnswer {
        /// Samples that an answer must be the best one of.
        min_count: usize,
        /// Samples that the most common answer is the best one of.
        most: usize,
        /// How many samples were searched.
        samples: usize,
    },

    /// A question is answered with something the answer list lacks.
    #[error("`{}`, entry {entry}: answer `{answer}` is not in `{}`", path.display(), list.display())]
    UnknownAnswer {
        /// The file of questions.
        path: PathBuf,
        /// Index of the question, from 0.
        entry: usize,
        /// The answer.
        answer: String,
        /// The file of answers.
        list: PathBuf,
        /// The most similar answer of the list, if one is close.
        suggestion: Option<String>,
    },

    /// A line of a file has the wrong content.
    #[error("`{}`, line {line}: expected {expected}, found `{found}`", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What it should have.
        expected: &'static str,
        /// The line, or the part of it that is wrong.
        found: String,
    },

    /// A file that the data set names is not there.
    #[error("`{}` is missing", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },

    /// A file has the wrong content.
    #[error("`{}`: expected {expected}, found {found}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should have.
        expected: String,
        /// What it has.
        found: String,
    },

    /// Shards are not what their manifest says, or their manifest cannot be used.
    #[error("`{}`: {problem}", path.display())]
    Shards {
        /// The shard or the manifest.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },

    /// A shard has other bytes than were written, although its images may all be right.
    #[error("`{}`: the checksum of the file is {found}, and `shards.json` says {expected}", path.display())]
    ShardChecksum {
        /// The shard.
        path: PathBuf,
        /// The checksum in the manifest, eight hexadecimal digits.
        expected: String,
        /// The checksum of the file.
        found: String,
    },

    /// An image could not be decoded or resized.
    #[error("cannot use image `{image}`")]
    Image {
        /// Path or name of the image.
        image: String,
        /// What is wrong with it.
        source: ImageError,
    },

    /// Something is wrong with a file while samples that use it are loaded.
    #[error("{used_by}")]
    InUse {
        /// The places of the samples.
        used_by: String,
        /// What is wrong.
        source: Box<DataError>,
    },

    /// Several things are wrong with the questions of a data set and what belongs to them.
    #[error("{} {} faults{}", of_file(file.as_deref()), errors.len() + more, listed(errors, *more))]
    Several {
        /// The file that has all of them, where it is no part of a data set.
        file: Option<PathBuf>,
        /// What is wrong.
        errors: Vec<DataError>,
        /// Errors that were found beside these.
        more: usize,
    },

    /// Files of the data set cannot be used.
    #[error("{} of {} of the data set cannot be used{faults}", faults.0.len(), counted(*files, "file", "files"))]
    BadFiles {
        /// Which, and why not.
        faults: Faults,
        /// How many files were looked at.
        files: usize,
        /// Whether a run began before, which leaves out no more samples than it did then.
        begun: bool,
    },

    /// Images cannot be put into shards.
    #[error("{} of {} that the questions need cannot be used, and nothing was written{faults}", faults.0.len(), counted(*files, "file", "files"))]
    BadImages {
        /// Which, and why not.
        faults: Faults,
        /// How many files were looked at.
        files: usize,
    },

    /// More samples would be left out than may be.
    #[error(
        "{bad} of {} of the {split} split {} files that cannot be used{faults}",
        counted(*samples, "sample", "samples"),
        if *bad == 1 { "uses" } else { "use" }
    )]
    TooManyBad {
        /// The split.
        split: &'static str,
        /// Samples that would be left out.
        bad: usize,
        /// Samples of the split.
        samples: usize,
        /// The largest part that may be left out, `0.0..=1.0`.
        limit: f64,
        /// The files, and what is wrong with them.
        faults: Faults,
    },

    /// Reading or decoding an image panicked: a bug, kept from ending the run without a trace.
    #[error("image `{image}`: reading it panicked: {message}")]
    Panicked {
        /// Path or name of the image.
        image: String,
        /// The panic's message.
        message: String,
    },

    /// A worker thread ended before it delivered.
    #[error("a loader worker ended before batch {batch} of epoch {epoch} was complete")]
    WorkerLost {
        /// The epoch.
        epoch: u64,
        /// The batch that was waited for.
        batch: usize,
    },

    /// Threads could not be started.
    #[error("cannot start {}: {problem}", counted(*threads, "loader thread", "loader threads"))]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the operating system said.
        problem: String,
    },

    /// Images that are all to be kept in memory take more than there is for them.
    #[error(
        "{kept} of {images} images take the {limit} bytes of host memory that there are for preloaded images"
    )]
    PreloadLimit {
        /// Images that fit.
        kept: usize,
        /// Images that were to be kept.
        images: usize,
        /// Bytes for them.
        limit: u64,
    },

    /// A setting lies outside its range.
    #[error("{setting} is {value}: expected {expected}")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        expected: &'static str,
    },

    /// Something would be overwritten.
    #[error("`{}` is there already; nothing was written", path.display())]
    Occupied {
        /// The file or folder that is there.
        path: PathBuf,
    },

    /// There is no validation split, and too few images to hold one out.
    #[error("the validation split cannot be held out of `{}`, which has fewer than two images", path.display())]
    NothingToHoldOut {
        /// The training questions.
        path: PathBuf,
    },

    /// A question does not say of which answers one is to be chosen.
    #[error(
        "{sample}: the question lacks `choices`, or `raw_answer` is not among them, so no choice can be scored"
    )]
    NoChoices {
        /// The question's place.
        sample: String,
    },

    /// A split has no answers to compare a model's with.
    #[error("{split} has no answers, so there is no accuracy to measure")]
    NoAnswers {
        /// The split with its file.
        split: String,
    },

    /// A split without samples cannot be loaded.
    #[error("the split holds no samples ({})", counted(*images, "image", "images"))]
    EmptySplit {
        /// How many images the split holds.
        images: usize,
    },

    /// A sample names an image its source does not have.
    #[error("sample {sample} names image {image} of {}", counted(*images, "image", "images"))]
    ImageIndex {
        /// Index of the sample.
        sample: usize,
        /// The image it names.
        image: usize,
        /// How many images the source has.
        images: usize,
    },

    /// A split lacks an input that the model is given.
    #[error("{of} has no {input}")]
    MissingInput {
        /// The split with its file, or the image.
        of: String,
        /// The input.
        input: &'static str,
    },

    /// A file of region features cannot be read.
    #[error(transparent)]
    Features(#[from] StoreError),

    /// No file of region features has an image.
    #[error("no file in `{}` has features of image `{image}`{}", folder.display(), of_its_number(alike))]
    MissingRegions {
        /// Name of the image.
        image: String,
        /// The folder of the files.
        folder: PathBuf,
        /// Names of features that have the number of the image behind another beginning.
        alike: Vec<String>,
    },

    /// A folder of region features has none in a form that is read.
    #[error("`{}` is no file of region features, and `{}` has no other", found.display(), folder.display())]
    NoFeatures {
        /// The folder.
        folder: PathBuf,
        /// What lies in it.
        found: PathBuf,
    },

    /// Two images have the same features.
    #[error("images `{}` and `{}` are both `{name}` in `{}`", images[0], images[1], file.display())]
    SharedRegions {
        /// The images, as the data set names them.
        images: [String; 2],
        /// Name of the features.
        name: String,
        /// The file of features.
        file: PathBuf,
    },

    /// Region features have another shape than all others.
    #[error("`{of}`: expected {expected} regions x features, found {found}")]
    RegionShape {
        /// The file of features, or the name of the image.
        of: String,
        /// The expected numbers of regions and of features a region.
        expected: RegionShape,
        /// Regions and features of a region, here.
        found: RegionShape,
    },

    /// An image was asked for that its source does not have.
    #[error("there is no image {image}: there are {images}")]
    NoSuchImage {
        /// Index of the image.
        image: usize,
        /// How many images the source has.
        images: usize,
    },

    /// Official files could not be imported.
    #[error("{problem}")]
    Import {
        /// What is wrong with them, and where.
        problem: String,
        /// What to do about it.
        cure: Option<String>,
    },

    /// A program could not be started.
    #[error("cannot run `{program}`")]
    Program {
        /// The program.
        program: String,
        /// What the operating system said.
        source: std::io::Error,
    },

    /// `pip` ran and failed.
    #[error("`{command}` failed ({status}): {last_line}")]
    Pip {
        /// The command line.
        command: String,
        /// How it ended.
        status: String,
        /// The last line it wrote.
        last_line: String,
    },
}

/// What has several faults.
fn of_file(file: Option<&Path>) -> String {
    match file {
        Some(file) => format!("`{}` has", file.display()),
        None => "the data set has".to_owned(),
    }
}

/// Names of features that may be meant by an image.
fn of_its_number(alike: &[String]) -> String {
    match alike {
        [] => String::new(),
        [one] => format!("; `{one}` has the same number"),
        [first, second] => format!("; `{first}` and `{second}` have the same number"),
        [first, second, more @ ..] => {
            format!(
                "; `{first}`, `{second}` and {} more have the same number",
                more.len()
            )
        }
    }
}
