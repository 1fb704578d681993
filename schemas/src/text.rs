//! Rules about text that all parts of acorag share.

use crate::{Problem, messages::fields};

/// Refuses the text of a field if it has more than `max` characters or PostgreSQL cannot store it.
pub fn check(field: &str, text: &str, max: usize) -> Result<(), Problem> {
    if is_longer(text, max) {
        Err(fields::too_long(max).about(field))
    } else if text.contains('\0') {
        Err(fields::nul().about(field))
    } else {
        Ok(())
    }
}

/// Trims a name. Refuses it if it has more than `max` characters or a control character.
pub fn name(field: &str, raw: &str, max: usize) -> Result<String, Problem> {
    let name = raw.trim();
    if name.chars().any(char::is_control) {
        Err(fields::control().about(field))
    } else if is_longer(name, max) {
        Err(fields::too_long(max).about(field))
    } else {
        Ok(name.to_owned())
    }
}

/// Removes NUL, which PostgreSQL cannot store in `text` or `jsonb`.
pub fn without_nul(text: impl Into<String>) -> String {
    let mut text = text.into();
    text.retain(|c| c != '\0');
    text
}

/// Replaces each run of white space, line breaks included, by one space.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the first `max` characters.
pub fn clip(text: &str, max: usize) -> &str {
    text.char_indices().nth(max).map_or(text, |(end, _)| &text[..end])
}

/// Returns at most `max` characters and an ellipsis if the text is longer. The cut is between words if possible.
pub fn shorten(text: &str, max: usize) -> String {
    let clipped = clip(text, max);
    if clipped.len() == text.len() {
        return text.to_owned();
    }
    let end = clipped.rfind(char::is_whitespace).unwrap_or(clipped.len());
    format!("{}…", clipped[..end].trim_end())
}

pub fn is_longer(text: &str, max: usize) -> bool {
    clip(text, max).len() < text.len()
}

/// Returns the bytes in lower-case hexadecimal.
pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!((clip("añb", 2), clip("añb", 3), clip("", 3)), ("añ", "añb", ""));
        assert_eq!(
            ["uno dos tres", "unodostres", "uno dos"].map(|text| shorten(text, 7)),
            ["uno…", "unodost…", "uno dos"]
        );
        assert!(is_longer("ñu", 1) && !is_longer("ñu", 2));
    }

    #[test]
    fn a_text_is_normalized_for_its_destination() {
        assert_eq!(without_nul("a\0b\0"), "ab");
        assert_eq!(one_line(" a\r\n b\t\u{a0}c "), "a b c");
        assert_eq!(hex([0, 10, 255]), "000aff");
    }
}
