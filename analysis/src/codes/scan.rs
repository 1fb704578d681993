//! Finds codes in running text.

use std::ops::Range;

use unicode_normalization::char::is_combining_mark;

use super::{MAX_CODE_CHARS, MAX_SEGMENTS, has_digit, is_digits, normalize};
use crate::words::is_quantity;

/// A document number or tag found in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Upper-case letters and digits, without separators.
    pub normalized: String,
    /// The segments between the separators, in upper case; the whole code if it has no separators.
    pub parts: Vec<String>,
    /// The code's range of bytes in the text.
    pub range: Range<usize>,
}

impl Code {
    pub(super) fn new(segments: &[&str], range: Range<usize>) -> Code {
        let parts: Vec<String> = segments.iter().map(|segment| normalize(segment)).collect();
        Code { normalized: parts.concat(), parts, range }
    }
}

/// Returns the codes of a text, in order. A code is one run of letters and digits ("P101A"), or several runs that are
/// joined by single hyphens, underscores, slashes or dots and of which at least one has a digit ("RFI-0042"). Dates,
/// figures, quantities and section numbers are not codes.
pub fn find(text: &str) -> Vec<Code> {
    let mut codes = Vec::new();
    for chain in segments(text).chunk_by(|_, (joint, _)| joint.is_some()) {
        // Weaker separators split a chain: "RFI-0042/RFI-0043" is two codes, "P-101.pdf" a code and a file ending.
        let strongest = chain.iter().filter_map(|(joint, _)| *joint).max();
        let parts = chain.chunk_by(|_, (joint, _)| *joint == strongest);
        codes.extend(parts.filter_map(|part| code(text, part, strongest)));
    }
    codes
}

/// A run of ASCII letters and digits, and what joins it to the run before it.
type Segment = (Option<Joint>, Range<usize>);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Joint {
    Dot,
    Slash,
    Hyphen,
}

impl Joint {
    fn of(c: char) -> Option<Joint> {
        match c {
            '.' => Some(Joint::Dot),
            '/' => Some(Joint::Slash),
            '-' | '_' | '\u{2010}'..='\u{2013}' => Some(Joint::Hyphen),
            _ => None,
        }
    }
}

fn segments(text: &str) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut joint = None; // the separator after the last segment, if there is exactly one
    let mut start = None;
    let mut in_foreign_word = false;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        if c.is_ascii_alphanumeric() {
            start.get_or_insert(at);
            continue;
        }
        // Some programs write an accent as a character of its own, after its letter.
        let is_accent = (start.is_some() || in_foreign_word) && is_combining_mark(c);
        let goes_on = c.is_alphanumeric() || is_accent;
        joint = match start.take() {
            // "diseño-2" is a word with a letter outside ASCII; its ASCII parts are not segments.
            Some(from) if !in_foreign_word && !goes_on => {
                segments.push((joint, from..at));
                Joint::of(c)
            }
            _ => None,
        };
        in_foreign_word = goes_on;
    }
    segments
}

fn code(text: &str, segments: &[Segment], joint: Option<Joint>) -> Option<Code> {
    let range = segments.first()?.1.start..segments.last()?.1.end;
    let segments: Vec<&str> = segments.iter().map(|(_, range)| &text[range.clone()]).collect();
    let length: usize = segments.iter().map(|segment| segment.len()).sum();
    if segments.len() > MAX_SEGMENTS || length > MAX_CODE_CHARS {
        return None;
    }
    let is_code = match segments[..] {
        [single] => is_tag(single),
        _ => is_numbering(&segments, joint == Some(Joint::Dot)),
    };
    is_code.then(|| Code::new(&segments, range))
}

/// Whether a run without separators is a tag: "CCC02" and "P101A" are, "20mm" and "2" are not.
pub(super) fn is_tag(run: &str) -> bool {
    let letters = run.bytes().any(|b| b.is_ascii_alphabetic());
    letters && has_digit(run) && !is_quantity(&run.to_ascii_lowercase()) && !is_unit(run)
}

fn is_numbering(segments: &[&str], by_dots: bool) -> bool {
    if !segments.iter().any(|segment| has_digit(segment)) {
        return false;
    }
    let figure = |pair: &[&str]| pair[0].ends_with(char::is_numeric) && pair[1].starts_with(char::is_numeric);
    if by_dots && segments.windows(2).any(figure) {
        return false; // 3.2.1, 3.5m
    }
    if !segments.iter().all(|segment| is_digits(segment)) {
        return !is_measure(segments);
    }
    let padded = segments.iter().any(|segment| segment.len() >= 3 && segment.starts_with('0'));
    let digits: usize = segments.iter().map(|segment| segment.len()).sum();
    !is_date(segments) && (padded || (segments.len() >= 3 && digits >= 6))
}

/// Whether the segments are a measure, such as "5-10m", "20 cm" or "kg/m2". "M-20" and "HA-25" are names.
pub(super) fn is_measure(segments: &[&str]) -> bool {
    let figure = |segment: &&str| is_quantity(&segment.to_ascii_lowercase());
    let leads = segments.first().is_some_and(|first| first.starts_with(char::is_numeric));
    segments.iter().all(|segment| is_unit(segment) || (leads && figure(segment)))
}

/// Whether a segment is a unit: only then does a 1 in front of it make a quantity ("1mm").
fn is_unit(segment: &str) -> bool {
    !segment.starts_with(char::is_numeric) && is_quantity(&format!("1{}", segment.to_ascii_lowercase()))
}

/// Whether the segments are a date: with the year first or last, or only day and month.
fn is_date(segments: &[&str]) -> bool {
    let small =
        |segment: &str, limit: u32| segment.len() <= 2 && segment.parse().is_ok_and(|n: u32| n <= limit);
    let year = |segment: &str| segment.len() == 4 && (segment.starts_with("19") || segment.starts_with("20"));
    match segments {
        [y, m, d] if year(y) => small(m, 12) && small(d, 31),
        [d, m, y] => small(d, 31) && small(m, 31) && (year(y) || y.len() == 2),
        [d, m] => small(d, 31) && small(m, 12),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
