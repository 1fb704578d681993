//! Gives words that people write in different ways one spelling: lower case, no accents, no typographic variants.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Converts a text to lower case without accents (Unicode NFKD without combining marks).
///
/// `ñ` becomes `n`, as every accent is dropped: people with an English keyboard type "diseno", and project documents do
/// not contain words that differ only in the tilde ("año"/"ano"). "m²" becomes "m2", "nº" becomes "no".
pub(crate) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfkd().filter(|c| !is_combining_mark(*c) && !is_invisible(*c)).flat_map(char::to_lowercase).collect()
}

/// Whether a character is a soft hyphen, a zero-width character or a byte-order mark. Editors leave these inside words.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_of_a_word_get_one_spelling() {
        for (typed, folded) in [
            ("APLICACIÓN", "aplicacion"),
            ("aplicacio\u{301}n", "aplicacion"),
            ("Diseño", "diseno"),
            ("pingüino", "pinguino"),
            ("20 m²", "20 m2"),
            ("nº", "no"),
            ("ﬁn", "fin"),
            ("cons\u{ad}truc\u{200b}ción", "construccion"),
            ("İ", "i"),
            ("", ""),
        ] {
            assert_eq!(fold(typed), folded);
        }
    }
}
