use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::contractions::restored;
use crate::text::characters::{composed, is_spaceless, narrow};

/// Which form of an answer counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerNormalisation {
    /// The form of the official VQA scorer, [`normalise_answer`]: `Two.` and `2` are one answer.
    #[default]
    Vqa,
    /// The answer as written, without white space around it.
    None,
}

impl AnswerNormalisation {
    /// The form of an answer that counts. An answer that the scorer leaves nothing of, such as `A`, may come out empty.
    pub fn of(self, answer: &str) -> String {
        match self {
            Self::Vqa => normalise_answer(answer),
            Self::None => trimmed(answer).into_owned(),
        }
    }
}

/// Marks that step 1 deletes or replaces by a space; the full stop has a rule of its own.
const MARKS: &str = ";/[]\"{}()=+\\_-><@`,?!";

/// Brackets and quotation marks of East Asian texts.
const BRACKETS: &str = "「」『』【】〔〕《》〈〉〖〗";

/// Full stops that step 1 deletes at most.
const MOST_STOPS: usize = 32;

/// An answer as the official VQA scorer compares it (Antol et al., 2015): without marks and articles, in lower case, with
/// digits for the numbers up to ten and with the apostrophes of contractions.
///
/// The scorer knows the marks of English alone. Three things are added for other languages, none of which changes an
/// answer in English: full-width characters become narrow ones, marks of other scripts such as `。` become spaces, and
/// letters are composed with their accents.
///
/// ```
/// use data_pipeline::normalise_answer;
///
/// assert_eq!(normalise_answer("The two T-shirts."), "2 t shirts");
/// assert_eq!(normalise_answer("红色。"), normalise_answer("红色"));
/// ```
pub fn normalise_answer(answer: &str) -> String {
    let answer = trimmed(answer);
    if is_plain(&answer) {
        return words(&answer);
    }
    words(&marks(&narrowed(&answer)))
}

/// Without line feeds, tabs, and white space at the ends, as the scorer begins.
pub(super) fn trimmed(answer: &str) -> Cow<'_, str> {
    if answer.bytes().any(|byte| matches!(byte, b'\n' | b'\t')) {
        return Cow::Owned(answer.replace(['\n', '\t'], " ").trim().to_owned());
    }
    Cow::Borrowed(answer.trim())
}

/// Whether an answer has nothing that narrowing or step 1 would change, as almost all answers in English.
fn is_plain(answer: &str) -> bool {
    answer
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b' ')
}

/// What is added for languages other than English.
fn narrowed(answer: &str) -> String {
    if answer.is_ascii() {
        return answer.to_owned();
    }
    let spaceless = answer.chars().any(is_spaceless);
    let text: String = answer
        .chars()
        .map(|c| match narrow(c) {
            '、' | '､' | '،' => ',',
            '؛' => ';',
            '؟' => '?',
            '。' | '｡' | '۔' | '।' | '॥' | '።' | '։' => ' ',
            c if BRACKETS.contains(c) => ' ',
            // Marks that texts in Latin letters have too, where the scorer keeps them.
            '“' | '”' | '‘' | '’' | '…' | '—' | '·' if spaceless => ' ',
            c => c,
        })
        .collect();
    composed(&text)
}

/// Step 1 of the scorer. A mark is deleted where a space stands beside this mark anywhere in the answer, and everywhere
/// in an answer with a comma between digits; otherwise it becomes a space. Full stops are deleted in front of anything
/// but a digit.
pub(super) fn marks(answer: &str) -> String {
    let all: Vec<char> = answer.chars().collect();
    let grouped = all
        .windows(3)
        .any(|three| three[1] == ',' && three[0].is_numeric() && three[2].is_numeric());
    let beside_space = |mark: char| {
        all.windows(2).any(
            |two| matches!(two, [a, b] if (*a == mark && *b == ' ') || (*a == ' ' && *b == mark)),
        )
    };
    let mut replaced = Vec::with_capacity(all.len());
    for &c in &all {
        if !MARKS.contains(c) {
            replaced.push(c);
        } else if !grouped && !beside_space(c) {
            replaced.push(' ');
        }
    }
    let mut deleted = 0;
    let mut text = String::with_capacity(answer.len());
    for (at, &c) in replaced.iter().enumerate() {
        let before_digit = replaced.get(at + 1).is_some_and(|next| next.is_numeric());
        if c == '.' && !before_digit && deleted < MOST_STOPS {
            deleted += 1;
        } else {
            text.push(c);
        }
    }
    text
}

/// Step 2 of the scorer: lower case, digits for numbers, no articles, contractions with their apostrophes, single spaces.
pub(super) fn words(answer: &str) -> String {
    let lower = answer.to_lowercase();
    let words = lower.split_whitespace().filter_map(|word| match word {
        "a" | "an" | "the" => None,
        "none" | "zero" => Some("0"),
        "one" => Some("1"),
        "two" => Some("2"),
        "three" => Some("3"),
        "four" => Some("4"),
        "five" => Some("5"),
        "six" => Some("6"),
        "seven" => Some("7"),
        "eight" => Some("8"),
        "nine" => Some("9"),
        "ten" => Some("10"),
        word => Some(restored(word).unwrap_or(word)),
    });
    let mut kept = String::with_capacity(answer.len());
    for word in words {
        if !kept.is_empty() {
            kept.push(' ');
        }
        kept += word;
    }
    kept
}
