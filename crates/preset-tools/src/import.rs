//! Presets out of the YAML that other programs of this kind are configured with.
//!
//! One file because each step of an import adds to one draft and one report.

mod aliases;
mod as_toml;
mod yaml;

use std::collections::BTreeMap;
use std::path::Path;

use config_schema::{
    ConfigError, ConfigErrors, Decision, DeviceMemory, Draft, Key, MAX_ERRORS, Problem, Section,
    Source, excerpt, keys, preset_toml, sections, suggest,
};
use serde::Serialize;
use serde_json::Value as Json;

use aliases::Meaning;
use as_toml::as_toml;
use yaml::{Entry, Node, Value};

/// What became of a YAML file.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// What became of each key, in the order of the file.
    pub keys: Vec<ImportedKey>,
    /// The preset as TOML with a comment for each key; or all that is wrong with the file.
    pub preset: Result<String, ConfigErrors>,
}

/// A key of the YAML file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportedKey {
    /// As written, with its section if it has one.
    pub name: String,
    /// Its line, counted from 1.
    pub line: usize,
    /// What became of it.
    #[serde(flatten)]
    pub became: Became,
}

/// What became of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "became", rename_all = "lowercase")]
pub enum Became {
    /// It is in the preset under the same name.
    Taken,
    /// It is in the preset under another name.
    Renamed {
        /// `section.key`.
        to: String,
    },
    /// It has no value, so that it stays as in lower layers.
    Unset,
    /// Other programs know the key, and there is none here that takes its value; it was left out.
    Left {
        /// Why none does.
        reason: String,
    },
    /// There is no such key; it was left out.
    Unknown {
        /// What may have been meant.
        help: Option<String>,
    },
    /// The key does not take its value, which is an error.
    Refused,
}

/// Sections whose keys may stand at the top level, the first that has the name.
const UNSECTIONED: [&str; 4] = ["training", "model", "memory_optimization", "data_loading"];

/// A preset has one.
const DESCRIPTION: &str = "preset.description";
/// A preset for GPUs has it.
const CARD: &str = "preset.min_device_memory";

/// The family of a preset, and the effective batch that it promises.
const FAMILY: &str = "family.name";
const PROMISE: &str = "family.effective_batch";

/// The samples of a micro-batch, and how many micro-batches an update has.
const SIZE: &str = "training.batch_size";
const STEPS: [&str; 2] = [
    "training.update_freq",
    "memory_optimization.gradient_accumulation_steps",
];

/// The side of an image, and that of a window in its encoder.
const IMAGE_SIZE: &str = "dataset.image_size";
const WINDOW: &str = "xvlm.window";

/// Pixels to a cell in the last stage of the published image encoders, whose grid is one window.
const LAST_STAGE: u64 = 32;

/// Turns YAML into a preset: sections named as here, keys of training and model also at the top level, and keys of X-VLM and
/// its relatives under their own names.
pub fn import_yaml(source: Source) -> Import {
    import_yaml_for(source, DeviceMemory::default())
}

/// As [`import_yaml`], for GPUs with at least so much memory. What the file itself says of `preset.min_device_memory` comes first.
pub fn import_yaml_for(source: Source, card: DeviceMemory) -> Import {
    let entries = yaml::read(&source.text);
    let name = source.name.clone();
    let mut importer = Importer {
        draft: Draft::new(source),
        comments: BTreeMap::new(),
        keys: Vec::new(),
        unknown: 0,
        counted: (0, 1),
        ranks_images: false,
        published_encoder: false,
        foreign: false,
    };
    match entries {
        Ok(entries) => {
            importer.ranks_images = entries
                .iter()
                .any(|entry| suggest::normal(&entry.name) == aliases::RANKS_IMAGES);
            for entry in entries {
                importer.top(&entry);
            }
        }
        Err(error) => importer.draft.refuse(*error),
    }
    if importer.draft.is_empty() {
        let help = Some(suggest::sections_there_are());
        let nothing = ConfigError::at(0..0, Problem::NothingTaken, help);
        importer.draft.refuse(nothing);
    }
    let Importer {
        draft,
        comments,
        keys,
        published_encoder,
        foreign,
        ..
    } = importer;
    let preset = draft.finish().map(|(values, config)| {
        let imported = Imported { values, comments };
        let family = foreign.then(|| (family(&name), config.effective_batch()));
        imported.toml(&name, (published_encoder, family), card)
    });
    Import { keys, preset }
}

struct Importer {
    draft: Draft,
    /// What stands behind each value that was taken, by `section.key`.
    comments: BTreeMap<&'static str, String>,
    keys: Vec<ImportedKey>,
    /// How many of them do not exist.
    unknown: usize,
    /// A byte of the text, and the line that it is in.
    counted: (usize, usize),
    /// Whether the file is about finding images, not answers.
    ranks_images: bool,
    /// Whether the file gives the size of images for a published image encoder.
    published_encoder: bool,
    /// Whether a key was taken under the name that another program has for it.
    foreign: bool,
}

impl Importer {
    fn top(&mut self, entry: &Entry) {
        let section = sections()
            .iter()
            .find(|section| suggest::normal(&entry.name) == section.name);
        let key = UNSECTIONED.iter().find_map(|name| {
            let mut sections = sections().iter();
            find(sections.find(|section| section.name == *name)?, &entry.name)
        });
        let dotted = entry.name.split_once('.').and_then(|(section, name)| {
            let mut sections = sections().iter();
            Some((
                sections.find(|one| one.name == suggest::normal(section))?,
                name,
            ))
        });
        match (section, &entry.value.value) {
            (Some(section), Value::Map(keys)) => {
                for entry in keys {
                    let name = format!("{}.{}", section.name, entry.name);
                    self.key(&name, find(section, &entry.name), Some(section), entry);
                }
            }
            (Some(_), _) if is_null(&entry.value) => {
                self.became(&entry.name, entry, Became::Unset);
            }
            (None, Value::Map(keys)) if key.is_none() && !keys.is_empty() => {
                let whole = aliases::meaning(&entry.name);
                for inner in keys {
                    let name = format!("{}.{}", entry.name, inner.name);
                    match aliases::meaning(&name).or(whole) {
                        Some(meaning) => self.foreign(&name, meaning, inner),
                        // What a section of another program has under a name says nothing of the key of that name here.
                        None => {
                            self.unknown(&name, inner, || suggest::similar_section(&entry.name));
                        }
                    }
                }
            }
            _ => match dotted {
                Some((section, name)) => {
                    self.key(&entry.name, find(section, name), Some(section), entry);
                }
                None => self.key(&entry.name, key, None, entry),
            },
        }
    }

    fn key(
        &mut self,
        name: &str,
        key: Option<&'static Key>,
        section: Option<&Section>,
        entry: &Entry,
    ) {
        if let Some(key) = key {
            return self.take(name, key, entry);
        }
        if let Some(meaning) = aliases::meaning(name) {
            return self.foreign(name, meaning, entry);
        }
        if let (None, Some((first, _))) = (section, name.split_once('.')) {
            return self.unknown(name, entry, || suggest::similar_section(first));
        }
        let section = section.map(|section| section.name.as_str());
        let last = name.split_once('.').map_or(name, |(_, last)| last);
        self.unknown(name, entry, || {
            let mut meant = suggest::similar_keys(section, last);
            meant.retain(|key| takes(key, &entry.value));
            suggest::for_keys(section, &meant)
        });
    }

    /// A key that has another name here, or none. A value that does not fit is no error: the other program's value may
    /// mean something that there is not.
    fn foreign(&mut self, name: &str, meaning: Meaning, entry: &Entry) {
        let (path, reason) = match meaning {
            Meaning::Key(path) => (path, None),
            Meaning::Part(path, reason) => (path, (!is_part(&entry.value)).then_some(reason)),
            Meaning::Answers(path, reason) => (path, self.ranks_images.then_some(reason)),
            Meaning::Word(path, words) => return self.translated(name, (path, words), entry),
            Meaning::None(reason) => ("", Some(reason)),
        };
        let reason = reason.map(ToOwned::to_owned);
        let key = keys().find(|key| key.path == path);
        let reason = match (reason, key) {
            (None, Some(key)) if takes(key, &entry.value) || is_null(&entry.value) => {
                self.foreign = true;
                self.published_encoder |= key.path == IMAGE_SIZE;
                if key.path == IMAGE_SIZE {
                    self.require_whole_windows(key, entry);
                }
                return self.take(name, key, entry);
            }
            (None, Some(key)) => format!("`{path}` takes {}", key.kind),
            (reason, _) => reason.unwrap_or_default(),
        };
        self.became(name, entry, Became::Left { reason });
    }

    /// A value that another word stands for here, in any case of letters.
    fn translated(
        &mut self,
        name: &str,
        (path, words): (&'static str, &[(&str, &str)]),
        entry: &Entry,
    ) {
        let Some(key) = keys().find(|key| key.path == path) else {
            return;
        };
        let known = words.iter().find(|(theirs, _)| {
            matches!(&entry.value.value, Value::Scalar { text, .. } if text.eq_ignore_ascii_case(theirs))
        });
        let Some((_, ours)) = known else {
            let reason = format!("`{path}` takes {}", key.kind);
            return self.became(name, entry, Became::Left { reason });
        };
        self.foreign = true;
        let value = Value::Scalar {
            text: (*ours).to_owned(),
            plain: true,
        };
        let translated = Entry {
            name: entry.name.clone(),
            span: entry.span.clone(),
            value: Node {
                span: entry.value.span.clone(),
                value,
            },
        };
        self.take(name, key, &translated);
    }

    /// Finds fault with a side that no window of the published image encoder divides.
    fn require_whole_windows(&mut self, key: &Key, entry: &Entry) {
        let value = key.read(&as_toml(key, &entry.value)).ok();
        let side = value.as_ref().and_then(Json::as_u64);
        let Some(side) = side.filter(|side| !side.is_multiple_of(LAST_STAGE)) else {
            return;
        };
        let problem = Problem::OutOfRange {
            key: entry.name.clone(),
            value: side.to_string(),
            expected: format!(
                "a multiple of {LAST_STAGE}, which windows of the image encoder divide"
            ),
        };
        let below = side / LAST_STAGE * LAST_STAGE;
        let [below, above] = [below.max(LAST_STAGE), below + LAST_STAGE];
        let help = format!("take {below} or {above}, or the size that the model was trained with");
        let error = ConfigError::at(entry.value.span.clone(), problem, Some(help));
        self.draft.refuse(error);
    }

    /// A key that exists.
    fn take(&mut self, name: &str, key: &'static Key, entry: &Entry) {
        if is_null(&entry.value) {
            return self.became(name, entry, Became::Unset);
        }
        let line = self.line(entry);
        let twice = self.draft.states(key);
        let span = entry.value.span.clone();
        if !self
            .draft
            .state(key, &as_toml(key, &entry.value), span, line)
        {
            return self.became(name, entry, Became::Refused);
        }
        if twice {
            let key = key.path.clone();
            let help = Some("keep one of the two".to_owned());
            let error = ConfigError::at(entry.span.clone(), Problem::DuplicateKey { key }, help);
            self.draft.refuse(error);
            return self.became(name, entry, Became::Refused);
        }
        let comment = self.comment(&entry.value, key);
        self.comments.insert(&key.path, comment);
        let became = if name == key.path {
            Became::Taken
        } else {
            Became::Renamed {
                to: key.path.clone(),
            }
        };
        self.became(name, entry, became);
    }

    /// A key that does not exist. What was meant is only looked for where a person will read it.
    fn unknown(&mut self, name: &str, entry: &Entry, help: impl FnOnce() -> Option<String>) {
        let help = (self.unknown < MAX_ERRORS).then(help).flatten();
        self.unknown += 1;
        self.became(name, entry, Became::Unknown { help });
    }

    fn became(&mut self, name: &str, entry: &Entry, became: Became) {
        let line = self.line(entry);
        let name = excerpt(name);
        self.keys.push(ImportedKey { name, line, became });
    }

    /// The line of a key, counted on from that of the one before: a text may have a key in each of very many lines.
    fn line(&mut self, entry: &Entry) -> usize {
        let at = entry.span.start;
        let (from, line) = self.counted;
        let text = &self.draft.source().text;
        let between = text.get(from..at).unwrap_or_default();
        self.counted = (at, line + between.matches('\n').count());
        self.counted.1
    }

    /// The comment behind a value, or else what its key does.
    fn comment(&self, node: &Node, key: &Key) -> String {
        let rest = self
            .draft
            .source()
            .text
            .get(node.span.end..)
            .unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        match line.trim_start().strip_prefix('#') {
            Some(comment) => comment.trim().to_owned(),
            None => key.summary().to_owned(),
        }
    }
}

/// Whether a key takes a value.
fn takes(key: &Key, node: &Node) -> bool {
    key.read(&as_toml(key, node)).is_ok()
}

/// Whether a number of steps is given as a part of all steps, or as none.
fn is_part(node: &Node) -> bool {
    let Value::Scalar { text, plain: true } = &node.value else {
        return false;
    };
    text.parse()
        .is_ok_and(|part: f64| (0.0..1.0).contains(&part))
}

/// The key of a section by a name whose letters may be large, and whose dashes stand for underscores.
fn find(section: &'static Section, name: &str) -> Option<&'static Key> {
    let name = suggest::normal(name);
    section.keys.iter().find(|key| key.name == name)
}

fn is_null(node: &Node) -> bool {
    let Value::Scalar { text, plain: true } = &node.value else {
        return false;
    };
    matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
}

/// What a file gives to keys, by `section.key`.
struct Imported {
    values: BTreeMap<&'static str, Json>,
    comments: BTreeMap<&'static str, String>,
}

impl Imported {
    /// The preset, for GPUs with at least the memory `card`.
    fn toml(
        &self,
        name: &str,
        (published_encoder, family): (bool, Option<(String, usize)>),
        card: DeviceMemory,
    ) -> String {
        let mut decisions = Vec::new();
        if !self.values.contains_key(DESCRIPTION) {
            decisions.push(Decision::new(
                DESCRIPTION,
                format!("Imported from {name}"),
                "",
            ));
        }
        let own = family.filter(|_| !self.values.contains_key(FAMILY));
        let window = published_encoder.then(|| self.window()).flatten();
        let stated = keys().filter_map(|key| {
            let path = key.path.as_str();
            match (self.values.get(path), self.comments.get(path)) {
                (Some(value), Some(comment)) => Some(Decision::new(path, value.clone(), comment)),
                _ if path == FAMILY => own.as_ref().map(|(name, _)| {
                    let reason = "of its own: the file promises nothing to the presets of another";
                    Decision::new(FAMILY, name.clone(), reason)
                }),
                _ if path == PROMISE => own
                    .as_ref()
                    .map(|(_, samples)| Decision::new(PROMISE, *samples, self.of_batch())),
                _ if path == WINDOW => window.map(|window| {
                    let reason = "follows from the image's side, a 32nd of it, as published";
                    Decision::new(WINDOW, window, reason)
                }),
                _ => None,
            }
        });
        decisions.extend(stated);
        if card.bytes().is_some() && !self.values.contains_key(CARD) {
            decisions.insert(
                1,
                Decision::new(CARD, card.to_string(), "a GPU with so much"),
            );
        }
        preset_toml(&format!("Imported from {name}."), &decisions)
    }

    /// Where the effective batch comes from: what the file does not state has its default.
    fn of_batch(&self) -> &'static str {
        let stated = |key| self.values.contains_key(key);
        match (stated(SIZE), STEPS.into_iter().any(stated)) {
            (true, true) => "as the file has it",
            (true, false) => "the `batch_size` of the file, in one step: it states no accumulation",
            (false, true) => "the accumulation of the file times the default `training.batch_size`",
            (false, false) => "the default: the file states neither batch size nor accumulation",
        }
    }

    /// The window that the published image encoder has for images of another size, whose grids the default would not
    /// divide.
    fn window(&self) -> Option<u64> {
        let side = self.values.get(IMAGE_SIZE)?.as_u64()?;
        let default = keys().find(|key| key.path == WINDOW)?;
        let window = side / LAST_STAGE;
        let follows = side.is_multiple_of(LAST_STAGE) && Some(window) != default.default.as_u64();
        follows.then_some(window)
    }
}

/// The family of a file that another program reads, by the file's name.
fn family(name: &str) -> String {
    let stem = Path::new(name).file_stem().unwrap_or_default();
    stem.to_string_lossy().replace(char::is_control, "_")
}
