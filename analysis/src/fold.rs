//! One spelling for what people type in many: lower case, no accents, no typographic variants.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Lower-cases and drops accents (NFKD without its marks).
///
/// `ñ` becomes `n` like every other accent: people on English keyboards type "diseno", and the words that only the
/// tilde tells apart ("año"/"ano") do not meet in project documents. "m²" becomes "m2", "nº" becomes "no".
pub(crate) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfkd().filter(|c| !is_combining_mark(*c) && !is_invisible(*c)).flat_map(char::to_lowercase).collect()
}

/// Soft hyphens, zero-width joiners and byte-order marks, which editors leave inside words.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling() {
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
