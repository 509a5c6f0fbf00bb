use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::words::WordList;
use crate::error::DataError;
use crate::files;
use crate::json::Json;

/// Tokens that are recognised in a text when they are written like this.
pub(super) const WRITTEN: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// The tokens of `vocab.txt`, or of `tokenizer.json` where the path ends in `.json`.
pub(super) fn read(path: &Path) -> Result<WordList, DataError> {
    if !files::exists(path)? {
        return Err(DataError::MissingVocabulary {
            path: path.to_owned(),
        });
    }
    let text = files::text(path, files::LARGEST_LIST)?;
    if path.extension().is_none_or(|ending| ending != "json") {
        return WordList::from_lines(&text, path);
    }
    let json = Json::parse(&text).map_err(|error| DataError::json(path, &error))?;
    let json = json
        .value()
        .map_err(|problem| problem.within(path, &text))?;
    WordList::from_words(tokens(&TokenizerJson { path, json })?, path)
}

/// The format of the `tokenizers` library.
struct TokenizerJson<'a> {
    path: &'a Path,
    json: Value,
}

impl TokenizerJson<'_> {
    /// The value at `section.key`, null if there is none.
    fn get(&self, key: &str) -> &Value {
        let pointer = format!("/{}", key.replace('.', "/"));
        self.json.pointer(&pointer).unwrap_or(&Value::Null)
    }

    fn unexpected(&self, key: &'static str, expected: String, found: String) -> DataError {
        DataError::TokenizerKind {
            path: self.path.to_owned(),
            key,
            expected,
            found,
        }
    }
}

/// The tokens by id.
fn tokens(file: &TokenizerJson) -> Result<Vec<String>, DataError> {
    // What `WordPiece` does, and no other.
    for (key, expected) in [
        ("model.type", json!("WordPiece")),
        ("model.unk_token", json!("[UNK]")),
        ("model.continuing_subword_prefix", json!("##")),
        ("model.max_input_chars_per_word", json!(100)),
        ("normalizer.type", json!("BertNormalizer")),
        ("normalizer.clean_text", json!(true)),
        ("normalizer.handle_chinese_chars", json!(true)),
        ("normalizer.lowercase", json!(true)),
        ("pre_tokenizer.type", json!("BertPreTokenizer")),
    ] {
        let found = file.get(key);
        if *found != expected {
            return Err(file.unexpected(key, expected.to_string(), found.to_string()));
        }
    }
    // Null: as `lowercase` says.
    let accents = file.get("normalizer.strip_accents");
    if *accents == json!(false) {
        return Err(file.unexpected(
            "normalizer.strip_accents",
            "true".to_owned(),
            accents.to_string(),
        ));
    }
    for added in file.get("added_tokens").as_array().into_iter().flatten() {
        let written = &added["content"];
        if !WRITTEN.iter().any(|token| written == token) {
            return Err(file.unexpected("added_tokens", WRITTEN.join(", "), written.to_string()));
        }
    }

    let vocabulary =
        BTreeMap::<String, u32>::deserialize(file.get("model.vocab")).map_err(|error| {
            file.unexpected(
                "model.vocab",
                "an id for every token".to_owned(),
                error.to_string(),
            )
        })?;
    // One would not survive being written as a line.
    if let Some(token) = vocabulary
        .keys()
        .find(|token| token.contains(char::is_whitespace))
    {
        return Err(file.unexpected(
            "model.vocab",
            "tokens without white space".to_owned(),
            format!("`{token}`"),
        ));
    }
    let mut by_id: Vec<_> = vocabulary
        .into_iter()
        .map(|(token, id)| (id, token))
        .collect();
    by_id.sort_unstable();
    match (0..).zip(&by_id).find(|(expected, (id, _))| expected != id) {
        Some((expected, (id, token))) => {
            let found = format!("id {id} for `{token}`");
            Err(file.unexpected("model.vocab", format!("a token with id {expected}"), found))
        }
        None => Ok(by_id.into_iter().map(|(_, token)| token).collect()),
    }
}
