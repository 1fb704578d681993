//! Finds what may be a document number, or a part of one, in what somebody typed into a search box.

use std::ops::Range;

use super::scan::{Code, find, is_measure, is_tag};
use super::{MAX_CODE_CHARS, MAX_SEGMENTS, has_digit, is_digits};
use crate::{Language, stop_words};

/// The most codes one query may hold.
const MAX_CODES: usize = 8;

/// A query is read up to here.
const MAX_QUERY_BYTES: usize = 8_192;

/// The shortest number worth looking for in part.
const MIN_CHARS: usize = 3;

/// The document numbers, or parts of numbers, that a query names, however they are separated: "rfi 42",
/// "200076 ccc02 pl ar 000400", "el plano 000400".
///
/// It rather finds one too many ("eje 3 b"): a number that no document bears finds nothing.
pub fn in_query(query: &str) -> Vec<Code> {
    let query = &query[..query.floor_char_boundary(MAX_QUERY_BYTES)];
    let mut codes = spaced(query);
    let joined = find(query).into_iter().filter(|code| code.normalized.len() >= MIN_CHARS);
    for code in joined {
        let within =
            |known: &Code| known.range.start <= code.range.start && code.range.end <= known.range.end;
        if !codes.iter().any(within) {
            codes.push(code);
        }
    }
    codes.sort_by_key(|code| code.range.start);
    let whole = query.trim_matches(|c: char| !c.is_alphanumeric());
    if codes.is_empty() && whole.len() >= MIN_CHARS && is_digits(whole) && whole.len() <= MAX_CODE_CHARS {
        let start = query.len() - query.trim_start_matches(|c: char| !c.is_alphanumeric()).len();
        codes.push(Code::new(&[whole], start..start + whole.len()));
    }
    codes.truncate(MAX_CODES);
    codes
}

/// The one code that a query consists of, and nothing else but separators.
pub fn whole_query(query: &str) -> Option<Code> {
    let everything = query.chars().filter(|c| c.is_alphanumeric()).count();
    in_query(query).into_iter().find(|code| code.normalized.len() == everything)
}

struct Token<'a> {
    text: &'a str,
    range: Range<usize>,
}

/// Runs of number-like tokens with separators or spaces between them, and single tokens that only numbers look like.
fn spaced(query: &str) -> Vec<Code> {
    let all_capitals = !query.chars().any(char::is_lowercase);
    let mut codes = Vec::new();
    let mut run: Vec<Token> = Vec::new();
    let mut previous_end = 0;
    for token in tokens(query) {
        let gap = &query[previous_end..token.range.start];
        let connected = gap.chars().all(|c| c.is_whitespace() || "-_./–—#:".contains(c));
        if !connected || !is_number_like(token.text, all_capitals) {
            close(&mut run, &mut codes);
        }
        previous_end = token.range.end;
        if is_number_like(token.text, all_capitals) {
            run.push(token);
        }
    }
    close(&mut run, &mut codes);
    codes
}

fn tokens(query: &str) -> impl Iterator<Item = Token<'_>> {
    let mut at = 0;
    query.split(|c: char| !c.is_alphanumeric()).filter_map(move |text| {
        let start = at;
        // The separator that follows may be of several bytes; its length is read off the query itself.
        let separator = query[start + text.len()..].chars().next().map_or(0, char::len_utf8);
        at = start + text.len() + separator;
        (!text.is_empty()).then_some(Token { text, range: start..start + text.len() })
    })
}

/// A figure, a tag, a short abbreviation; capitals count as one unless everything is written in them.
fn is_number_like(token: &str, all_capitals: bool) -> bool {
    if !token.is_ascii() || token.len() > MAX_CODE_CHARS {
        return false;
    }
    let folded = token.to_ascii_lowercase();
    let stop =
        stop_words::contains(Language::Spanish, &folded) || stop_words::contains(Language::English, &folded);
    let capitals = !all_capitals && token.len() <= 5 && token.bytes().all(|b| b.is_ascii_uppercase());
    has_digit(token) || capitals || (token.len() <= 3 && !stop)
}

fn close(run: &mut Vec<Token>, codes: &mut Vec<Code>) {
    let tokens = std::mem::take(run);
    let segments: Vec<&str> = tokens.iter().map(|token| token.text).collect();
    let length: usize = segments.iter().map(|segment| segment.len()).sum();
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return };
    if segments.len() <= MAX_SEGMENTS && length <= MAX_CODE_CHARS && names_a_number(&segments, length) {
        codes.push(Code::new(&segments, first.range.start..last.range.end));
    }
}

fn names_a_number(segments: &[&str], length: usize) -> bool {
    if length < MIN_CHARS || !segments.iter().any(|segment| has_digit(segment)) {
        return false;
    }
    let digits_only = segments.iter().all(|segment| is_digits(segment));
    let padded = segments.iter().any(|segment| segment.starts_with('0'));
    match segments {
        [single] if digits_only => padded || single.len() >= 5,
        [single] => is_tag(single),
        several => !is_measure(several) && (!digits_only || padded || length >= 5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(query: &str) -> Vec<String> {
        in_query(query).into_iter().map(|code| code.normalized).collect()
    }

    #[test]
    fn however_it_is_typed() {
        for query in [
            "200076-CCC02-PL-AR-000400",
            "200076_ccc02_pl_ar_000400",
            "200076 ccc02 pl ar 000400",
            "200076.ccc02.pl.ar.000400",
            "  200076CCC02PLAR000400 ",
        ] {
            assert_eq!(found(query), ["200076CCC02PLAR000400"], "{query}");
            assert!(whole_query(query).is_some(), "{query}");
        }
    }

    #[test]
    fn parts_and_numbers_inside_a_question() {
        assert_eq!(found("CCC02-PL"), ["CCC02PL"]);
        assert_eq!(found("000400"), ["000400"]);
        assert_eq!(found("rfi 42"), ["RFI42"]);
        assert_eq!(found("¿Qué dice el plano 000400?"), ["000400"]);
        assert_eq!(found("estado de la RFI 0042, por favor"), ["RFI0042"]);
        assert_eq!(found("bomba P-101A"), ["P101A"]);
        assert_eq!(found("400"), ["400"]);
    }

    #[test]
    fn questions_without_a_number() {
        for query in [
            "¿Cuántos puntos dejaron escapar en defensa los Panthers?",
            "planos aprobados en 2024",
            "losa de 20 cm",
            "RECUBRIMIENTO DE LA LOSA",
            "",
            "…",
        ] {
            assert_eq!(found(query), Vec::<String>::new(), "{query}");
        }
        assert!(whole_query("bomba P-101A").is_none());
    }

    #[test]
    fn bounded() {
        let many: String = (0..100).map(|n| format!("RFI-{n:04}, ")).collect();
        assert_eq!(found(&many).len(), MAX_CODES);
        assert!(found(&"1 ".repeat(1_000)).is_empty());
    }
}
