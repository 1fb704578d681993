//! Document numbers and equipment tags: 200076-CCC02-PL-AR-000400, RFI-0042, P-101A.
//!
//! They are indexed whole and by their parts, and compared without separators and in upper case, because everybody
//! types them differently.

mod query;
mod scan;

pub use query::{in_query, whole_query};
pub use scan::{Code, find};

/// The longest code, in characters without separators. A longer run is no document number.
pub const MAX_CODE_CHARS: usize = 64;

/// The most segments a code has; a longer chain is a path or a list.
pub const MAX_SEGMENTS: usize = 12;

/// Upper-case letters and digits without separators: the form in which numbers are compared and stored.
///
/// "200076_ccc02.pl ar-000400" becomes "200076CCC02PLAR000400". Accents are dropped, other characters left out.
pub fn normalize(number: &str) -> String {
    crate::fold::fold(number)
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_uppercase())
        .take(MAX_CODE_CHARS)
        .collect()
}

/// What the numbers of one document's revisions have in common: as [`normalize`], but figures that a separator keeps
/// apart stay apart, for PL-1-11 is not PL-11-1. None for what numbers nothing, such as "S/N" or "TBD".
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

/// The term of a code or of a part of one. The mark keeps it apart from every word.
pub(crate) fn term(normalized: &str) -> String {
    format!("#{normalized}")
}

/// "000400" → "400": numbers are quoted without their padding.
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
    fn only_what_numbers_a_document_identifies_it() {
        for none in ["", "S/N", "N/A", "TBD", "por definir", "—"] {
            assert_eq!(identity(none), None, "{none}");
        }
        assert_eq!(identity("200076_ccc02.pl ar/000400"), identity("200076-CCC02-PL-AR-000400"));
        assert_eq!(identity("RFI 0042").as_deref(), Some("RFI0042"));
        assert_ne!(identity("PL-1-11"), identity("PL-11-1"));
        assert_ne!(identity("АБ-1"), identity("ВГ-1"));
    }

    #[test]
    fn padding() {
        assert_eq!(without_padding("000400"), Some("400"));
        assert_eq!(without_padding("400"), None);
        assert_eq!(without_padding("000"), None);
        assert_eq!(without_padding("0A"), None);
    }
}
