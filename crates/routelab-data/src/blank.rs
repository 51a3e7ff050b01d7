//! Texts that say nothing.

/// Whether a text has nothing to read: blanks, and characters that are not seen.
pub(crate) fn is_blank(text: &str) -> bool {
    let unseen = |character: char| {
        character.is_whitespace()
            || character.is_control()
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
    };
    text.chars().all(unseen)
}
