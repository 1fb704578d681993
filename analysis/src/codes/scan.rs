//! Finds codes in running text.

use std::ops::Range;

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
    for chain in Chains::of(text) {
        push_codes(text, &chain, &mut codes);
    }
    codes
}

/// Runs of ASCII letters and digits joined by single separators: `segments[i]` and `segments[i + 1]` are joined by
/// `joints[i]`.
struct Chain {
    segments: Vec<Range<usize>>,
    joints: Vec<Joint>,
}

impl Chain {
    fn starting(segment: Range<usize>) -> Chain {
        Chain { segments: std::iter::once(segment).collect(), joints: Vec::new() }
    }
}

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

struct Chains;

impl Chains {
    fn of(text: &str) -> Vec<Chain> {
        let mut chains: Vec<Chain> = Vec::new();
        let mut joint = None; // the separator after the last segment, if there is exactly one
        let mut start = None;
        let mut in_foreign_word = false;
        let closing = std::iter::once((text.len(), ' '));
        for (at, c) in text.char_indices().chain(closing) {
            if c.is_ascii_alphanumeric() {
                start.get_or_insert(at);
                continue;
            }
            if let Some(from) = start.take() {
                // "diseño-2" is a word with a letter outside ASCII; its ASCII parts are not segments.
                if in_foreign_word || (c.is_alphanumeric()) {
                    joint = None;
                } else {
                    match (joint.take(), chains.last_mut()) {
                        (Some(joint), Some(chain)) => {
                            chain.joints.push(joint);
                            chain.segments.push(from..at);
                        }
                        _ => chains.push(Chain::starting(from..at)),
                    }
                    joint = Joint::of(c);
                }
            } else {
                joint = None;
            }
            in_foreign_word = c.is_alphanumeric();
        }
        chains
    }
}

/// Splits a chain with different separators at the weaker ones: "RFI-0042/RFI-0043" becomes two codes, "P-101.pdf" a
/// code and a file extension.
fn push_codes(text: &str, chain: &Chain, codes: &mut Vec<Code>) {
    let strongest = chain.joints.iter().max().copied();
    let mut from = 0;
    for to in 1..=chain.segments.len() {
        let ends = to == chain.segments.len() || Some(chain.joints[to - 1]) != strongest;
        if ends {
            push_code(text, &chain.segments[from..to], strongest, codes);
            from = to;
        }
    }
}

fn push_code(text: &str, ranges: &[Range<usize>], joint: Option<Joint>, codes: &mut Vec<Code>) {
    let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else { return };
    let length: usize = ranges.iter().map(Range::len).sum();
    if ranges.len() > MAX_SEGMENTS || length > MAX_CODE_CHARS {
        return;
    }
    let segments: Vec<&str> = ranges.iter().map(|range| &text[range.clone()]).collect();
    let is_code = match segments.as_slice() {
        [single] => is_tag(single),
        several => is_numbering(several, joint == Some(Joint::Dot)),
    };
    if is_code {
        codes.push(Code::new(&segments, first.start..last.end));
    }
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
    if by_dots && segments.windows(2).any(|pair| ends_in_digit(pair[0]) && starts_with_digit(pair[1])) {
        return false; // 3.2.1, 3.5m
    }
    let letters = segments.iter().any(|segment| !is_digits(segment));
    if letters {
        return !is_measure(segments);
    }
    let padded = segments.iter().any(|segment| segment.len() >= 3 && segment.starts_with('0'));
    let digits: usize = segments.iter().map(|segment| segment.len()).sum();
    !is_date(segments) && (padded || (segments.len() >= 3 && digits >= 6))
}

/// Whether the segments are a measure, such as "5-10m", "20 cm" or "kg/m2". "M-20" and "HA-25" are names.
pub(super) fn is_measure(segments: &[&str]) -> bool {
    let figure = |segment: &&str| is_quantity(&segment.to_ascii_lowercase());
    let leads = segments.first().is_some_and(|first| starts_with_digit(first));
    segments.iter().all(|segment| is_unit(segment) || (leads && figure(segment)))
}

/// Whether a segment is a unit: only then does a 1 in front of it make a quantity ("1mm").
fn is_unit(segment: &str) -> bool {
    !starts_with_digit(segment) && is_quantity(&format!("1{}", segment.to_ascii_lowercase()))
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

fn ends_in_digit(text: &str) -> bool {
    text.bytes().next_back().is_some_and(|b| b.is_ascii_digit())
}

fn starts_with_digit(text: &str) -> bool {
    text.bytes().next().is_some_and(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests;
