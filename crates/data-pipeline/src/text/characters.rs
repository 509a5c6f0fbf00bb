//! Kinds of characters that Unicode's word rules leave to the program.

use tokenizers::NormalizedString;

/// The narrow form of a full-width letter, digit, mark or space; any other character as it is.
pub(crate) fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        c => c,
    }
}

/// The text with each letter and its accents as one character, where there is one (normalisation form C).
pub(crate) fn composed(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut text = NormalizedString::from(text);
    text.nfc();
    text.get().to_owned()
}

/// Whether the character is a Chinese character, which is a word of its own.
pub(crate) fn is_ideograph(c: char) -> bool {
    matches!(
        c,
        '\u{3005}'..='\u{3007}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{3ffff}'
    )
}

/// Whether the character is of a script that writes no spaces between words.
pub(crate) fn is_spaceless(c: char) -> bool {
    is_ideograph(c)
        || matches!(
            c,
            // Thai and Lao, Burmese, Khmer.
            '\u{0e00}'..='\u{0eff}'
            | '\u{1000}'..='\u{109f}'
            | '\u{1780}'..='\u{17ff}'
            // Tai Le, New Tai Lue, Tai Tham, Balinese, Javanese and more Burmese.
            | '\u{1950}'..='\u{19df}'
            | '\u{1a20}'..='\u{1aaf}'
            | '\u{1b00}'..='\u{1b7f}'
            | '\u{a980}'..='\u{a9ff}'
            | '\u{aa60}'..='\u{aa7f}'
            // Kana, also half-width.
            | '\u{3041}'..='\u{30ff}'
            | '\u{31f0}'..='\u{31ff}'
            | '\u{ff66}'..='\u{ff9f}'
            | '\u{1b000}'..='\u{1b16f}'
        )
}

/// Whether the character is a pictogram, which says as much as a word.
pub(crate) fn is_pictogram(c: char) -> bool {
    matches!(
        c,
        '\u{2600}'..='\u{27bf}' | '\u{2b05}'..='\u{2b55}' | '\u{1f000}'..='\u{1faff}'
    )
}
