//! Document numbers and equipment tags: 200076-CCC02-PL-AR-000400, RFI-0042, P-101A.
//!
//! A number is indexed as a whole and by its parts. Numbers are compared in upper case and without separators, because
//! people type them in different ways.

mod query;
mod scan;

pub use query::{in_query, whole_query};
pub use scan::{Code, find};

/// Maximum number of characters of a code, without separators. A longer run of characters is not a document number.
pub const MAX_CODE_CHARS: usize = 64;

/// Maximum number of segments of a code. A longer chain of segments is a path or a list.
pub const MAX_SEGMENTS: usize = 12;

/// Returns the form in which numbers are stored and compared: upper-case letters and digits without separators.
///
/// "200076_ccc02.pl ar-000400" becomes "200076CCC02PLAR000400". Accents and all other characters are removed.
pub fn normalize(number: &str) -> String {
    let folded = crate::fold::fold(number);
    let kept = folded.chars().filter(char::is_ascii_alphanumeric).take(MAX_CODE_CHARS);
    kept.map(|c| c.to_ascii_uppercase()).collect()
}

/// The part of a number that all revisions of a document share: like [`normalize`], but with a `-` between
/// two digits that a separator divides, because PL-1-11 and PL-11-1 are different documents. None if the text
/// has no digits ("S/N", "TBD").
pub fn identity(number: &str) -> Option<String> {
    let mut identity = String::new();
    let mut apart = false;
    for c in crate::fold::fold(number).chars().take(4 * MAX_CODE_CHARS) {
        if !c.is_alphanumeric() {
            apart = true;
            continue;
        }
        if apart && c.is_numeric() && identity.ends_with(char::is_numeric) {
            identity.push('-');
        }
        apart = false;
        identity.extend(c.to_uppercase());
    }
    identity.contains(char::is_numeric).then_some(identity)
}

/// The index term of a code or of a part of a code. The `#` distinguishes it from every word.
pub(crate) fn term(normalized: &str) -> String {
    format!("#{normalized}")
}

/// Removes leading zeros ("000400" becomes "400"), because people leave them out. None if the text has no
/// leading zeros, only zeros, or a character that is not a digit.
pub(crate) fn without_padding(digits: &str) -> Option<&str> {
    let stripped = digits.trim_start_matches('0');
    (digits.len() != stripped.len() && !stripped.is_empty() && is_digits(digits)).then_some(stripped)
}

pub(crate) fn is_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

pub(crate) fn has_digit(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_and_case_do_not_matter() {
        for typed in [
            "200076-CCC02-PL-AR-000400",
            "200076_ccc02.pl ar/000400",
            "200076CCC02PLAR000400",
            "200076–CCC02‑PL-AR 000400",
        ] {
            assert_eq!(normalize(typed), "200076CCC02PLAR000400");
        }
        assert_eq!(normalize("¿?"), "");
        assert_eq!(normalize(&"9".repeat(1000)).len(), MAX_CODE_CHARS);
    }

    #[test]
    fn only_a_number_with_digits_identifies_a_document() {
        for none in ["", "S/N", "N/A", "TBD", "por definir", "—"] {
            assert_eq!(identity(none), None, "{none}");
        }
        assert_eq!(identity("200076_ccc02.pl ar/000400"), identity("200076-CCC02-PL-AR-000400"));
        assert_eq!(identity("RFI 0042").as_deref(), Some("RFI0042"));
        assert_ne!(identity("PL-1-11"), identity("PL-11-1"));
        assert_ne!(identity("АБ-1"), identity("ВГ-1"));
    }

    #[test]
    fn leading_zeros_are_removed_from_digits_only() {
        assert_eq!(without_padding("000400"), Some("400"));
        assert_eq!(without_padding("400"), None);
        assert_eq!(without_padding("000"), None);
        assert_eq!(without_padding("0A"), None);
    }
}
