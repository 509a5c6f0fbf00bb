//! Statements of keys, and how a file is read into them.

use std::{ops::Range, sync::Arc};

use serde_json::Value as Json;
use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};
use toml_parser::lexer::TokenKind;

use crate::{
    check,
    error::{Found, MAX_DEPTH, MAX_ERRORS, MAX_TEXT_BYTES, Problem, Report, excerpt},
    schema::{self, Key, Kind},
    source::{Origin, Place, Source},
    suggest,
};

/// A value that a layer gives to a key, checked.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) key: &'static Key,
    pub(crate) value: Json,
    pub(crate) origin: Origin,
    pub(crate) place: Place,
}

/// A file: the preset it starts from, and what it states.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) extends: Option<(String, Place)>,
    pub(crate) statements: Vec<Statement>,
}

/// What would make a text cost too much to read, found before the parser builds a tree of it.
///
/// The parser has a limit of its own on brackets and one on dotted keys, but the product of the two is a tree deep
/// enough to overflow the stack when it is dropped.
pub(crate) fn too_much(text: &str) -> Option<Found> {
    if text.len() > MAX_TEXT_BYTES {
        let found = Found::new(0..0, Problem::TooLarge { bytes: text.len() });
        return Some(found.help("a configuration has a few kilobytes".to_owned()));
    }
    let (mut brackets, mut dots) = (0_usize, 0_usize);
    for token in toml_parser::Source::new(text).lex() {
        match token.kind() {
            TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => brackets += 1,
            TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => {
                brackets = brackets.saturating_sub(1);
            }
            TokenKind::Dot => dots += 1,
            TokenKind::Equals | TokenKind::Comma | TokenKind::Newline => dots = 0,
            _ => {}
        }
        if brackets > MAX_DEPTH || dots > MAX_DEPTH {
            let span = token.span();
            let found = Found::new(span.start()..span.end(), Problem::TooDeep);
            let help = "sections hold keys, and keys hold a value or a list of values".to_owned();
            return Some(found.help(help));
        }
    }
    None
}

/// The outermost bracket that is never closed.
fn unclosed_bracket(text: &str) -> Option<Range<usize>> {
    let mut open = Vec::new();
    for token in toml_parser::Source::new(text).lex() {
        match token.kind() {
            TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => open.push(token.span()),
            TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => {
                open.pop();
            }
            _ => {}
        }
    }
    open.first().map(|span| span.start()..span.end())
}

/// Reads a preset (`preset` is its name) or the user's file.
pub(crate) fn read_file(source: &Arc<Source>, preset: Option<&str>, report: &mut Report) -> File {
    let mut reader = Reader {
        source,
        preset,
        found: Vec::new(),
        file: File {
            extends: None,
            statements: Vec::new(),
        },
        report,
    };
    if let Some(found) = too_much(&source.text) {
        reader.found.push(found);
        reader.report.incomplete = true;
    } else {
        reader.document();
    }
    let Reader {
        found,
        file,
        report,
        ..
    } = reader;
    report.text(source, found);
    file
}

/// The preset that a file names in `extends`, if the file can be read that far.
pub(crate) fn extends_of(source: &Source) -> Option<String> {
    if too_much(&source.text).is_some() {
        return None;
    }
    let (document, _) = DeTable::parse_recoverable(&source.text);
    let extends = document.get_ref().get("extends")?.get_ref().as_str()?;
    Some(extends.to_owned())
}

struct Reader<'a> {
    source: &'a Arc<Source>,
    preset: Option<&'a str>,
    found: Vec<Found>,
    file: File,
    report: &'a mut Report,
}

impl Reader<'_> {
    fn document(&mut self) {
        let text = &self.source.text;
        let (document, mut errors) = DeTable::parse_recoverable(text);
        self.report.incomplete |= !errors.is_empty();
        errors.truncate(MAX_ERRORS + 1);
        let mut syntax: Vec<Found> = errors
            .iter()
            .map(|error| syntax_error(text, error))
            .collect();
        if let Some(bracket) = unclosed_bracket(text) {
            // All that the parser says of the text behind it comes from this one slip.
            syntax.retain(|error| error.span.start < bracket.start);
            let reason = "this bracket is never closed".to_owned();
            let found = Found::new(bracket, Problem::Syntax { reason });
            syntax.push(found.help("close it with the bracket that belongs to it".to_owned()));
        }
        for (name, value) in document.get_ref() {
            self.top(name, value);
        }
        // The parser recovers by guessing, and what it guessed is not the user's error: it guesses the rest of a broken
        // line and, where that line opens a bracket, the structure of all that follows.
        let line_start = |at: usize| text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let broken = syntax
            .iter()
            .filter(|error| matches!(error.problem, Problem::Syntax { .. }));
        let broken: Vec<(usize, bool)> = broken
            .map(|error| {
                let start = line_start(error.span.start);
                let line = text[start..].lines().next().unwrap_or_default();
                (start, line.contains(['[', '{']))
            })
            .collect();
        self.found.retain(|found| {
            let line = line_start(found.span.start);
            !broken
                .iter()
                .any(|(start, opens)| line == *start || (*opens && line > *start))
        });
        self.found.extend(syntax);
    }

    fn top(&mut self, name: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) {
        let section = schema::sections()
            .iter()
            .find(|section| section.name == **name.get_ref());
        match (section, value.get_ref()) {
            (None, DeValue::String(preset)) if name.get_ref() == "extends" => {
                let place = (Arc::clone(self.source), value.span());
                self.file.extends = Some((preset.to_string(), place));
            }
            (None, _) if name.get_ref() == "extends" => {
                let problem = Problem::WrongType {
                    key: "extends".to_owned(),
                    expected: "a string".to_owned(),
                    got: value.get_ref().type_str().to_owned(),
                };
                let found = Found::new(value.span(), problem);
                self.found
                    .push(found.help("the name of a preset, in quotes".to_owned()));
                self.report.incomplete = true;
            }
            (None, DeValue::Table(_)) => {
                let section = excerpt(name.get_ref());
                let found = Found::new(name.span(), Problem::UnknownSection { section });
                let help = suggest::for_section(name.get_ref());
                self.found
                    .push(found.help(help.unwrap_or_else(suggest::sections_there_are)));
            }
            (None, _) => self.unknown_key(None, name),
            (Some(section), DeValue::Table(keys)) => {
                for (name, value) in keys {
                    if self.found.len() > MAX_ERRORS {
                        return;
                    }
                    match section.keys.iter().find(|key| key.name == **name.get_ref()) {
                        Some(key) => self.key(key, name, value),
                        None => self.unknown_key(Some(&section.name), name),
                    }
                }
            }
            (Some(section), value_of) => {
                let problem = Problem::WrongType {
                    key: section.name.clone(),
                    expected: "a section".to_owned(),
                    got: value_of.type_str().to_owned(),
                };
                let found = Found::new(name.span(), problem);
                self.found
                    .push(found.help(format!("write its keys under [{}]", section.name)));
                self.report.incomplete = true;
            }
        }
    }

    fn key(
        &mut self,
        key: &'static Key,
        name: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let Some(checked) = check::value(key, value, &mut self.found) else {
            self.report.unknown.insert(&key.path);
            return;
        };
        let (line, _) = self.source.line_column(name.span().start);
        let file = self.source.name.clone();
        let origin = match self.preset {
            Some(preset) => Origin::Preset {
                preset: preset.to_owned(),
                file,
                line,
            },
            None => Origin::File { name: file, line },
        };
        self.file.statements.push(Statement {
            key,
            value: checked,
            origin,
            place: (Arc::clone(self.source), value.span()),
        });
    }

    fn unknown_key(&mut self, section: Option<&str>, name: &Spanned<DeString<'_>>) {
        // One more than is shown, so that the report knows to say that there are more.
        if self.found.len() > MAX_ERRORS {
            return;
        }
        let shown = excerpt(name.get_ref());
        let key = section.map_or_else(|| shown.clone(), |section| format!("{section}.{shown}"));
        let found = Found::new(name.span(), Problem::UnknownKey { key });
        let help = suggest::for_key(section, name.get_ref());
        self.found
            .push(found.help(help.unwrap_or_else(|| suggest::keys_there_are(section))));
    }
}

fn syntax_error(text: &str, error: &toml::de::Error) -> Found {
    let span = error.span().unwrap_or(text.len()..text.len());
    if error.message() == "duplicate key" {
        let key = excerpt(text.get(span.clone()).unwrap_or_default());
        let help = "keep one of the two".to_owned();
        return Found::new(span, Problem::DuplicateKey { key }).help(help);
    }
    let general = "a line is [section] or key = value, and text stands in quotes".to_owned();
    let Some((key, value)) = assignment(text, span.start) else {
        let reason = error.message().to_owned();
        return Found::new(span, Problem::Syntax { reason }).help(general);
    };
    // The parser takes a word for the beginning of `true` or `false`, or for a string.
    let taken_for = ["invalid boolean", "string values must be quoted"];
    let message = error.message();
    let reason = if taken_for.iter().any(|start| message.starts_with(start)) {
        format!("`{}` is no value", excerpt(value))
    } else {
        message.to_owned()
    };
    let help = key.map_or(general, |key| {
        let kind = &key.kind;
        let meant = match (kind, value.to_lowercase().as_str()) {
            (Kind::Boolean | Kind::Switch(_), "yes" | "on" | "true") => ": write true",
            (Kind::Boolean | Kind::Switch(_), "no" | "off" | "false") => ": write false",
            (Kind::Text { .. } | Kind::Choice(_), _) => ", in quotes",
            _ => "",
        };
        format!("`{}` is {kind}{meant}", key.name)
    });
    Found::new(span, Problem::Syntax { reason }).help(help)
}

/// The key, where it is one, and the value of the line `key = value` whose value begins at a byte.
fn assignment(text: &str, at: usize) -> Option<(Option<&'static Key>, &str)> {
    let (before, value) = (text.get(..at)?, text.get(at..)?);
    let (above, line) = before.rsplit_once('\n').unwrap_or(("", before));
    let name = line.trim().strip_suffix('=')?.trim();
    let header = |line: &'_ str| {
        let (section, _) = line.trim_start().strip_prefix('[')?.split_once(']')?;
        Some(section.to_owned())
    };
    let key = match name.split_once('.') {
        Some((section, name)) => schema::find(section, name),
        None => above
            .lines()
            .rev()
            .find_map(header)
            .and_then(|section| schema::find(section.trim(), name)),
    };
    let value = value.split([' ', '\t', '\r', '\n', ',', '#']).next()?;
    (!value.is_empty()).then_some((key, value))
}
