use std::path::Path;

use file_kind::quoted;

use crate::check::SHARD_CURE;

use super::{ARRAY, BEHIND, COMMA, CUT, DataError, PYTHON, TABLES};

/// Cures of several errors that are named.
const MOST_HINTS: usize = 3;

impl DataError {
    /// What to do about the error, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::MissingDataSet {
                data_set: "folder", ..
            } => Some(
                "`dataset.root` names the data set's own folder; docs/own-data.md describes what lies in it"
                    .to_owned(),
            ),
            Self::MissingDataSet { data_set, .. } => {
                Some(format!("get it with `aoa data fetch {data_set}`"))
            }
            Self::IncompleteDataSet {
                data_set, folder, ..
            } => Some(format!(
                "remove `{}`, then `aoa data fetch {data_set}`",
                folder.display()
            )),
            Self::UnknownAnswer {
                suggestion: Some(suggestion),
                ..
            } => Some(format!("did you mean `{suggestion}`?")),
            Self::PaddingNotFirst { .. } => {
                Some("padding is masked by its id, which must be 0: the first line of `vocab.txt`".to_owned())
            }
            Self::MissingToken { .. } | Self::TokenizerKind { .. } => Some(
                "use `vocab.txt` or `tokenizer.json` of an uncased BERT, such as `bert-base-uncased`"
                    .to_owned(),
            ),
            Self::MissingVocabulary { .. } => {
                Some("`xvlm.vocabulary` names a `vocab.txt` or `tokenizer.json`".to_owned())
            }
            Self::Occupied { .. } => Some("name a new folder, or an empty one".to_owned()),
            Self::Several { errors, file, .. } => hints(errors, file.is_none()),
            Self::TooManyBad { bad, samples, .. } if bad >= samples => Some(
                "no sample would be left: repair the files, or name another data set with `dataset.root`; `aoa data check` lists \
                 all of them"
                    .to_owned(),
            ),
            Self::TooManyBad { limit, .. } => Some(format!(
                "`dataset.max_bad_fraction = {limit}` allows no more: repair the files, or raise it; `aoa data check` lists \
                 all of them"
            )),
            Self::InUse { source, .. } => source.hint(),
            Self::NothingToHoldOut { .. } => Some(
                "give the data set a validation split of its own, or at least two training images, of which \
                 `dataset.validation_fraction` is held out"
                    .to_owned(),
            ),
            Self::Features(error) => error.hint().map(str::to_owned),
            Self::MissingRegions { alike, .. } if !alike.is_empty() => Some(
                "a number alone does not tell which of them is meant: name the image in the questions as its features are named"
                    .to_owned(),
            ),
            Self::MissingRegions { .. } => Some(
                "import them with `aoa data import-features`; an image is known by its path, its file name with or without ending, \
                 or the number in it"
                    .to_owned(),
            ),
            Self::SharedRegions { .. } => Some(
                "import features that name images in full: a number alone does not tell these apart".to_owned(),
            ),
            Self::MissingInput { .. } => {
                Some("give every split the inputs that the training split has".to_owned())
            }
            Self::NoChoices { .. } => Some(
                "choose another metric with `--metric`; `aoa data import` writes the choices of Visual7W".to_owned(),
            ),
            Self::NoAnswers { .. } => {
                Some("give each question of the split `answers`, or choose another split".to_owned())
            }
            Self::Program { .. } => {
                Some("install Python 3 with pip, or name another Python program".to_owned())
            }
            Self::PreloadLimit { .. } => Some(
                "set `data_loading.preload_data` to \"auto\", which keeps what fits, or to false; or keep more in the same memory \
                 with `data_loading.use_compression=true`"
                    .to_owned(),
            ),
            Self::Threads { .. } => Some(
                "lower `memory_optimization.num_workers`, or raise the limits of address space (`ulimit -v`) and processes \
                 (`ulimit -u`)"
                    .to_owned(),
            ),
            Self::Import { cure, .. } => cure.clone(),
            Self::Pip { .. } => Some(
                "check that this Python has pip and that pip reaches a package index".to_owned(),
            ),
            _ => self.hint_on_files().or_else(|| self.hint_on_text()),
        }
    }

    /// What to do about files that cannot be used: shards, images and region features.
    fn hint_on_files(&self) -> Option<String> {
        match self {
            Self::Shards { .. } | Self::ShardChecksum { .. } => Some(
                "copy all files of this folder again, or write them again: `aoa data shard FOLDER --to NEW_FOLDER`".to_owned(),
            ),
            Self::NoFeatures { folder, found } => Some(format!(
                "import features into it with `aoa data import-features {} --to {}`, which writes a file a split; or remove the folder",
                quoted(found),
                quoted(folder.parent().unwrap_or(folder))
            )),
            Self::BadImages { .. } => Some(
                "repair these files, or remove the lines of their questions; `aoa data check` lists all that are broken, with the \
                 cure of each"
                    .to_owned(),
            ),
            Self::BadFiles { faults, .. }
                if faults.0.iter().any(|fault| fault.cure == SHARD_CURE) =>
            {
                Some(format!("{SHARD_CURE}; `aoa data check` reads all of them"))
            }
            Self::BadFiles { begun: false, .. } => Some(
                "repair these files, or remove their lines; `aoa data check` lists all that are broken, with the cure of \
                 each; `dataset.on_bad_sample = \"skip\"` leaves their samples out"
                    .to_owned(),
            ),
            Self::BadFiles { begun: true, .. } => Some(
                "put these files back as they were: a run that goes on leaves out only the samples that it left out when it \
                 began; a new run with `dataset.on_bad_sample = \"skip\"` does without them"
                    .to_owned(),
            ),
            _ => None,
        }
    }

    /// What to do about the encoding or the layout of a text file.
    fn hint_on_text(&self) -> Option<String> {
        match self {
            Self::AnswerTooLong { .. } => Some(
                "shorten it in the data set, or do without the coarse branch: `model.branches = \"fine\"`"
                    .to_owned(),
            ),
            Self::NoCommonAnswer { most, .. } if *most > 0 => Some(format!(
                "set `answers.min_count` to at most {most}; the lower it is, the more answers the model can give"
            )),
            Self::SameAnswers { .. } => Some("write them alike in the data set".to_owned()),
            Self::UnwritableAnswers { .. } => Some(
                "let `xvlm.vocabulary` name a vocabulary that has tokens for their language, or be empty: it is then built \
                 from the data set"
                    .to_owned(),
            ),
            Self::NotUtf8 { binary: true, .. } => {
                Some("it is no text file: put the file that was meant in its place".to_owned())
            }
            Self::NotUtf8 { path, .. } => Some(format!(
                "convert the file; if it is Chinese in GBK: `iconv -f GB18030 -t UTF-8 {} > NEW_FILE`",
                quoted(path)
            )),
            Self::OtherEncoding { path, encoding } => Some(format!(
                "convert the file: `iconv -f {encoding} -t UTF-8 {} > NEW_FILE`",
                quoted(path)
            )),
            Self::Foreign { kind, .. } => kind.cure().map(str::to_owned),
            Self::ZeroBytes { .. } => Some("copy or download the file again".to_owned()),
            Self::NotOneALine {
                path,
                found,
                filter,
                ..
            } => Some(one_a_line(path, found, filter.as_deref())),
            _ => None,
        }
    }
}

/// How to rewrite a file that has no object a line.
fn one_a_line(path: &Path, found: &str, filter: Option<&str>) -> String {
    let path = quoted(path);
    let jq = |what: &str, filter: &str| {
        let filter = quoted(filter);
        format!("write each {what} on a line of its own: `jq -c {filter} {path} > NEW_FILE`")
    };
    let python = |program: &str| {
        let program = quoted(program);
        format!("`python3 -c {program} < {path} > NEW_FILE`")
    };
    if let Some((between, _)) = TABLES.iter().find(|(_, table)| *table == found) {
        let program = python(&format!(
            "import csv, json, sys; [print(json.dumps(row)) for row in csv.DictReader(sys.stdin, delimiter=chr({}))]",
            u32::from(*between)
        ));
        return format!(
            "name the columns `image`, `question` and `answers` in the first row, and write each row as an object: {program}"
        );
    }
    match found {
        ARRAY => jq("element", ".[]"),
        CUT => "the file was cut off there: copy or download it again, or remove its last line".to_owned(),
        COMMA => format!(
            "remove the comma at the end of each line: `sed 's/,[[:space:]]*$//' {path} > NEW_FILE`"
        ),
        PYTHON => format!(
            "write each line with `json.dumps`: {}",
            python("import ast, json, sys; [print(json.dumps(ast.literal_eval(line.strip()))) for line in sys.stdin if line.strip()]")
        ),
        BEHIND if filter.is_none() => {
            "remove what stands behind the object, and write each object on a line of its own".to_owned()
        }
        _ => match filter {
            Some(filter) => jq("object", filter),
            None => "write each object on a line of its own, without commas between objects; if it was cut off, remove it or \
                     copy the file again"
                .to_owned(),
        },
    }
}

/// The cures of several errors, each once, as many as can be taken in. `checked`: whether `aoa data check` lists them.
fn hints(errors: &[DataError], checked: bool) -> Option<String> {
    let mut hints = Vec::new();
    if checked {
        hints.push("`aoa data check` lists all of them".to_owned());
    }
    let most = hints.len() + MOST_HINTS;
    for hint in errors.iter().filter_map(DataError::hint) {
        if hints.len() < most && !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    (!hints.is_empty()).then(|| hints.join("; "))
}
