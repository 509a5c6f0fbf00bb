use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Serialize;

use super::votes::best_score;
use file_kind::counted;

/// Examples that a sentence gives.
const EXAMPLES: usize = 3;

/// Spellings that are kept of one answer, as examples.
const SPELLINGS: usize = 8;

/// Characters of an example.
const LONGEST_EXAMPLE: usize = 40;

/// How a file of questions was read: what was merged, counted or kept that its author should know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ReadingFacts {
    /// The file.
    pub file: PathBuf,
    /// Questions read.
    pub questions: usize,
    /// Blank lines skipped.
    pub blank_lines: usize,
    /// Lists in which each answer is right.
    pub right_lists: usize,
    /// Lists of votes by their length.
    pub vote_lists: BTreeMap<usize, usize>,
    /// Lists of votes that have no repeats, and were read as votes because lists as long have.
    pub votes_without_repeats: usize,
    /// Objects from answer to score.
    pub scored: usize,
    /// Questions without answers.
    pub unanswered: usize,
    /// Questions without a right answer: every answer is blank, or has the score 0.
    pub none_right: usize,
    /// Questions without a right answer that training leaves out.
    pub left_out: usize,
    /// Blank answers and votes. Blank votes count among the annotators.
    pub blank_answers: usize,
    /// Each answer that is written in another way than it counts, with the first 8 such spellings of the alphabet.
    pub spellings: BTreeMap<String, BTreeSet<String>>,
    /// Fields that the program does not know, with the questions that have them. They are kept with the question.
    pub unknown_fields: BTreeMap<String, usize>,
}

impl ReadingFacts {
    /// Takes note of how an answer is written, where that is not the form that counts.
    pub(crate) fn note_spelling(&mut self, written: &str, form: &str) {
        // What becomes blank is counted apart.
        if written == form || form.is_empty() {
            return;
        }
        note_spelling(&mut self.spellings, written, form);
    }

    /// Adds what was noted of further lines. The result does not depend on how the lines were divided.
    pub(crate) fn add(&mut self, other: Self) {
        let Self {
            file: _,
            questions,
            blank_lines,
            right_lists,
            vote_lists,
            votes_without_repeats,
            scored,
            unanswered,
            none_right,
            left_out,
            blank_answers,
            spellings,
            unknown_fields,
        } = other;
        self.questions += questions;
        self.blank_lines += blank_lines;
        self.right_lists += right_lists;
        self.votes_without_repeats += votes_without_repeats;
        self.scored += scored;
        self.unanswered += unanswered;
        self.none_right += none_right;
        self.left_out += left_out;
        self.blank_answers += blank_answers;
        for (length, lists) in vote_lists {
            *self.vote_lists.entry(length).or_default() += lists;
        }
        for (form, written) in &spellings {
            for written in written {
                note_spelling(&mut self.spellings, written, form);
            }
        }
        for (name, questions) in unknown_fields {
            *self.unknown_fields.entry(name).or_default() += questions;
        }
    }

    /// Lists of votes of any length.
    pub fn votes(&self) -> usize {
        self.vote_lists.values().sum()
    }

    /// What may be a mistake of the data set, in sentences that begin with the file.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.votes() > 0 && self.right_lists > 0 {
            warnings.push(format!(
                "of the answer lists, {} read as votes, because an answer repeats in them or in lists of equal length, and \
                 {} as alternatives that are each correct",
                counted(self.votes(), "is", "are"),
                self.right_lists
            ));
        }
        if let Some((&annotators, &lists)) = self.vote_lists.first_key_value()
            && best_score(annotators, annotators) < 1.0
        {
            warnings.push(format!(
                "{} the votes of only {annotators} annotators, so a unanimous answer scores {:.2}; if each answer is \
                 right, write it once",
                counted(lists, "list holds", "lists hold"),
                best_score(annotators, annotators)
            ));
        }
        if self.none_right > 0 {
            let questions = counted(self.none_right, "question has", "questions have");
            let left_out = match self.left_out {
                0 => String::new(),
                left_out => format!("; training leaves {left_out} out"),
            };
            warnings.push(format!(
                "{questions} no right answer, because every answer is blank or has the score 0{left_out}"
            ));
        }
        self.named(warnings)
    }

    /// How the file was read, in sentences that begin with the file.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.votes() > 0 && self.right_lists == 0 {
            let lengths: Vec<_> = self.vote_lists.keys().map(ToString::to_string).collect();
            notes.push(format!(
                "{} read as votes of {} annotators",
                counted(self.votes(), "list of answers is", "lists of answers are"),
                lengths.join(", ")
            ));
        }
        if self.blank_answers > 0 {
            notes.push(format!(
                "{} blank after normalisation; a blank vote still counts among the annotators",
                counted(self.blank_answers, "answer is", "answers are")
            ));
        }
        if !self.spellings.is_empty() {
            let spellings: usize = self.spellings.values().map(BTreeSet::len).sum();
            let examples = self.spellings.iter().take(EXAMPLES);
            let mut shown = 0;
            let mut examples: Vec<_> = examples
                .map(|(form, written)| {
                    let written: Vec<_> = written
                        .iter()
                        .take(EXAMPLES)
                        .map(|text| quoted(text))
                        .collect();
                    shown += written.len();
                    format!("{} as {}", written.join(", "), quoted(form))
                })
                .collect();
            if spellings > shown {
                examples.push(format!("and {} more", spellings - shown));
            }
            notes.push(format!(
                "{} in normalised form (`dataset.answer_normalisation`): {}",
                counted(spellings, "spelling counts", "spellings count"),
                examples.join("; ")
            ));
        }
        if self.unanswered > 0 {
            let unanswered = counted(self.unanswered, "question has", "questions have");
            notes.push(format!("{unanswered} no answers"));
        }
        if !self.unknown_fields.is_empty() {
            let names: Vec<_> = self
                .unknown_fields
                .keys()
                .map(|text| quoted(text))
                .collect();
            notes.push(format!(
                "fields that training does not use, kept for predictions and evaluation: {}",
                names.join(", ")
            ));
        }
        self.named(notes)
    }

    fn named(&self, sentences: Vec<String>) -> Vec<String> {
        let file = self.file.display();
        let named = sentences.into_iter();
        named
            .map(|sentence| format!("`{file}`: {sentence}"))
            .collect()
    }
}

fn note_spelling(of_forms: &mut BTreeMap<String, BTreeSet<String>>, written: &str, form: &str) {
    let spellings = match of_forms.get_mut(form) {
        Some(spellings) => spellings,
        None => of_forms.entry(form.to_owned()).or_default(),
    };
    let full = spellings.len() == SPELLINGS;
    if spellings.contains(written)
        || (full && spellings.last().is_some_and(|last| **last < *written))
    {
        return;
    }
    spellings.insert(written.to_owned());
    if full {
        spellings.pop_last();
    }
}

/// A text for a sentence, cut where it is long.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(LONGEST_EXAMPLE) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}
