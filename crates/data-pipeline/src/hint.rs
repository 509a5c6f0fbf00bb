use crate::error::DataError;

impl DataError {
    /// What to do about the error, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::MissingDataSet {
                data_set: "folder", ..
            } => Some(
                "`dataset.root` names the data set's own folder; the README describes what lies in it"
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
            Self::BadFiles { .. } => Some(
                "repair these files, or remove their lines; `aoa data check` lists all that are broken, with the cure of \
                 each; `dataset.on_bad_sample = \"skip\"` leaves their samples out"
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
            Self::MissingInput { .. } => {
                Some("give every split the inputs that the training split has".to_owned())
            }
            Self::AnswerTooLong { .. } => Some(
                "shorten it in the data set, or do without the coarse branch: `model.branches = \"fine\"`"
                    .to_owned(),
            ),
            Self::SameAnswers { .. } => Some(
                "write them alike in the data set, or give a vocabulary with pieces for both"
                    .to_owned(),
            ),
            Self::Program { .. } => {
                Some("install Python 3 with pip, or name another Python program".to_owned())
            }
            Self::Pip { .. } => Some(
                "check that this Python has pip and that pip reaches a package index".to_owned(),
            ),
            _ => None,
        }
    }
}
