//! YAML as plain values with their places. Read event by event, so that depth is bounded before anything is built, and
//! aliases, which could make a short text long, are refused instead of followed.

use std::ops::Range;

use config_schema::{ConfigError, MAX_DEPTH, MAX_TEXT_BYTES, Problem};
use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// A value and the bytes that it stands in.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    /// A word or number; `plain` if it stands without quotes.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key of a mapping and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) span: Range<usize>,
    pub(super) value: Node,
}

/// The mapping that a text holds, a single document.
pub(super) fn read(text: &str) -> Result<Vec<Entry>, Box<ConfigError>> {
    if text.len() > MAX_TEXT_BYTES {
        let problem = Problem::TooLarge { bytes: text.len() };
        return Err(Box::new(ConfigError::at(0..0, problem, None)));
    }
    let places = Places::of(text);
    let mut open: Vec<Collection> = Vec::new();
    let mut root: Option<Node> = None;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let at = places.byte(error.marker().index());
            // The scanner has a limit of its own on brackets, and may look as far ahead.
            if error.info() == "recursion limit exceeded" {
                Box::new(ConfigError::at(at..at, Problem::TooDeep, None))
            } else {
                unreadable(at..at, error.info())
            }
        })?;
        let span = places.bytes(span);
        let node = match event {
            Event::Scalar(text, style, _, None) => Node {
                span,
                value: Value::Scalar {
                    text: text.into_owned(),
                    plain: style == ScalarStyle::Plain,
                },
            },
            Event::SequenceStart(_, None) => {
                descend(&mut open, Collection::List(span.start, Vec::new()), &span)?;
                continue;
            }
            Event::MappingStart(_, None) => {
                let map = Collection::Map(span.start, Vec::new(), None);
                descend(&mut open, map, &span)?;
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(collection) => collection.close(span.end),
                None => continue,
            },
            Event::Alias(_) => {
                let reason = "aliases (`*name`) are not followed; write the value out";
                return Err(unreadable(span, reason));
            }
            Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) => {
                return Err(unreadable(span, "tags (`!name`) are not understood"));
            }
            Event::DocumentStart(_) if root.is_some() => {
                return Err(unreadable(span, "a second document begins here"));
            }
            Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::StreamStart
            | Event::StreamEnd
            | Event::Nothing => continue,
        };
        match open.last_mut() {
            Some(collection) => collection.add(node)?,
            None => root = Some(node),
        }
    }
    match root {
        Some(Node {
            value: Value::Map(entries),
            ..
        }) => Ok(entries),
        Some(Node { span, .. }) => Err(unreadable(span, "expected sections and keys")),
        None => Err(unreadable(0..0, "there are no keys in it")),
    }
}

fn unreadable(span: Range<usize>, reason: &str) -> Box<ConfigError> {
    let reason = reason.to_owned();
    Box::new(ConfigError::at(span, Problem::Yaml { reason }, None))
}

fn descend(
    open: &mut Vec<Collection>,
    collection: Collection,
    span: &Range<usize>,
) -> Result<(), Box<ConfigError>> {
    if open.len() >= MAX_DEPTH {
        let error = ConfigError::at(span.clone(), Problem::TooDeep, None);
        return Err(Box::new(error));
    }
    open.push(collection);
    Ok(())
}

/// A list or mapping that has begun, with the byte at which it did.
enum Collection {
    List(usize, Vec<Node>),
    Map(usize, Vec<Entry>, Option<(String, Range<usize>)>),
}

impl Collection {
    fn add(&mut self, node: Node) -> Result<(), Box<ConfigError>> {
        match self {
            Self::List(_, items) => items.push(node),
            Self::Map(_, entries, name) => match (name.take(), node) {
                (Some((name, span)), value) => entries.push(Entry { name, span, value }),
                (
                    None,
                    Node {
                        span,
                        value: Value::Scalar { text, .. },
                    },
                ) => *name = Some((text, span)),
                (None, Node { span, .. }) => return Err(unreadable(span, "a key must be a word")),
            },
        }
        Ok(())
    }

    fn close(self, end: usize) -> Node {
        let (start, value) = match self {
            Self::List(start, items) => (start, Value::List(items)),
            Self::Map(start, entries, _) => (start, Value::Map(entries)),
        };
        Node {
            span: start..end.max(start),
            value,
        }
    }
}

/// The parser counts characters, diagnostics count bytes.
struct Places {
    /// The byte at which each character begins, and the end.
    bytes: Vec<usize>,
}

impl Places {
    fn of(text: &str) -> Self {
        let starts = text.char_indices().map(|(byte, _)| byte);
        Self {
            bytes: starts.chain([text.len()]).collect(),
        }
    }

    fn byte(&self, character: usize) -> usize {
        self.bytes[character.min(self.bytes.len() - 1)]
    }

    fn bytes(&self, span: Span) -> Range<usize> {
        let start = self.byte(span.start.index());
        start..self.byte(span.end.index()).max(start)
    }
}
