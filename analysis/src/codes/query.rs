//! Finds document numbers, and parts of them, in the text of a search query.

use std::ops::Range;

use super::scan::{Code, find, is_measure, is_tag};
use super::{MAX_CODE_CHARS, MAX_SEGMENTS, has_digit, is_digits};
use crate::stop_words;

/// Maximum number of codes that are taken from one query.
const MAX_CODES: usize = 8;

/// Only this many bytes of a query are read.
const MAX_QUERY_BYTES: usize = 8_192;

/// Minimum number of characters of a code. A shorter text would match too many document numbers.
const MIN_CHARS: usize = 3;

/// Abbreviations before a figure: "art. 12". A number that begins with one ("FIG-01") is found by its separators.
const BEFORE_FIGURES: [&str; 6] = ["art", "cap", "fig", "max", "pag", "rev"];

/// Returns the document numbers, or parts of numbers, that a query names, with any separators: "rfi 42", "200076 ccc02
/// pl ar 000400", "el plano 000400".
///
/// A false candidate ("eje 3 b") finds nothing, because no document has that number. It does little harm: every passage
/// has a smaller share of the query's words.
pub fn in_query(query: &str) -> Vec<Code> {
    read(query).0
}

/// Returns the codes of a query, and how many letters and digits it has without those that only say "number".
fn read(query: &str) -> (Vec<Code>, usize) {
    let query = &query[..query.floor_char_boundary(MAX_QUERY_BYTES)];
    let (mut codes, everything) = spaced(query);
    let joined = find(query).into_iter().filter(|code| code.normalized.len() >= MIN_CHARS);
    for code in joined {
        let within =
            |known: &Code| known.range.start <= code.range.start && code.range.end <= known.range.end;
        // In "RFI-0042 eje B", what follows may look like parts of the number, so the number is searched alone, too.
        let has_parts = code.parts.len() > 1;
        // In "PL-NO-0042", "NO" may be a part of the number, too.
        let is_apart = |known: &Code| {
            let is_less = known.normalized.len() < code.normalized.len();
            known.normalized != code.normalized && (known.normalized.len() != everything || is_less)
        };
        if codes.iter().all(|known| !within(known) || has_parts && is_apart(known)) {
            codes.push(code);
        }
    }
    codes.sort_by_key(|code| code.range.start);
    codes.dedup();
    codes.truncate(MAX_CODES);
    (codes, everything)
}

/// Returns the code if the query consists of one code, separators and words that only say "number", and of nothing else.
pub fn whole_query(query: &str) -> Option<Code> {
    let (codes, everything) = read(query);
    codes.into_iter().find(|code| code.normalized.len() == everything)
}

fn count_alphanumeric(text: &str) -> usize {
    text.chars().filter(|c| c.is_alphanumeric()).count()
}

struct Token<'a> {
    text: &'a str,
    range: Range<usize>,
    after_space: bool,
}

/// Finds runs of tokens that look like parts of a number, and single tokens that can only be a number. Also counts the letters
/// and digits, without those that only say "number".
fn spaced(query: &str) -> (Vec<Code>, usize) {
    let all_capitals = !query.chars().any(char::is_lowercase);
    let mut everything = count_alphanumeric(query);
    let tokens: Vec<Token> = tokens(query).collect();
    let connected = |before: &Token, after: &Token| {
        let gap = &query[before.range.end..after.range.start];
        let is_degree_of_n =
            |c: char| c == '°' && before.text.eq_ignore_ascii_case("n") && has_digit(after.text);
        gap.chars().all(|c| c.is_whitespace() || "-_./–—#:".contains(c) || is_degree_of_n(c))
    };
    let mut codes = Vec::new();
    for tokens in tokens.chunk_by(connected) {
        let mut run: Vec<Part> = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            let next = tokens.get(at + 1);
            let after = &query[token.range.end..];
            let after_digits = run.iter().any(|(part, _)| has_digit(part.text));
            if next.is_some_and(|next| has_digit(next.text) || next.text == "º")
                && says_number(token.text, after, after_digits)
            {
                everything -= count_alphanumeric(token.text);
                if after_digits {
                    close(std::mem::take(&mut run), everything, &mut codes);
                }
                if !run.is_empty() {
                    run.push((token, Role::SaysNumber));
                }
                continue;
            }
            let is_no_part = run.is_empty() && is_before_figure(token.text, after)
                || ends_figure(&query[..token.range.start], token.text)
                || is_revision(token.text) && after_digits;
            if !is_no_part && is_number_like(token.text, all_capitals) {
                run.push((token, Role::Part));
            } else if !is_no_part
                && is_short_word(token.text)
                && next.is_some_and(|next| has_digit(next.text) && is_number_like(next.text, all_capitals))
                && names_a_number(&segments(&run), false)
            {
                run.push((token, Role::PartOrStopWord));
            } else {
                close(std::mem::take(&mut run), everything, &mut codes);
            }
        }
        close(run, everything, &mut codes);
    }
    (codes, everything)
}

fn tokens(query: &str) -> impl Iterator<Item = Token<'_>> {
    let mut end = 0;
    query.split_inclusive(|c: char| !c.is_alphanumeric()).filter_map(move |piece| {
        let start = end;
        end += piece.len();
        let text = piece.trim_end_matches(|c: char| !c.is_alphanumeric());
        let after_space = query[..start].ends_with(char::is_whitespace);
        (!text.is_empty()).then_some(Token { text, range: start..start + text.len(), after_space })
    })
}

/// Whether a token may be a part of a number: it has a digit, is short, or is in capitals (which mean nothing
/// if the whole query is in capitals).
fn is_number_like(token: &str, all_capitals: bool) -> bool {
    if !token.is_ascii() || token.len() > MAX_CODE_CHARS {
        return false;
    }
    let stop = stop_words::contains_any(&token.to_ascii_lowercase());
    let capitals = !all_capitals && token.len() <= 5 && token.bytes().all(|b| b.is_ascii_uppercase());
    has_digit(token) || capitals || (token.len() <= 3 && !stop)
}

/// Whether a token such as "ES", "EL" or "SE" may be a stop word or, inside a drawing number, the code of a discipline.
fn is_short_word(token: &str) -> bool {
    token.len() <= 3 && token.bytes().all(|b| b.is_ascii_alphabetic())
}

fn is_before_figure(token: &str, after: &str) -> bool {
    after.starts_with(|c: char| c == '.' || c.is_whitespace())
        && BEFORE_FIGURES.contains(&token.to_ascii_lowercase().as_str())
}

/// Whether a token before a figure only says "number", as in "RFI N° 42" and "RFI No. 42". `after` is the text after the
/// token. After digits, "no" may be the code of a discipline.
fn says_number(token: &str, after: &str, after_digits: bool) -> bool {
    match token.to_lowercase().as_str() {
        "n" => after.trim_start_matches(|c: char| c == '.' || c.is_whitespace()).starts_with(['°', 'º']),
        "no" => !after_digits,
        lower => ["º", "nº", "nro", "num", "núm"].contains(&lower),
    }
}

/// Whether a token names a revision: "rev" or "rev3" after a number.
fn is_revision(token: &str) -> bool {
    token.to_ascii_lowercase().strip_prefix("rev").is_some_and(is_digits)
}

/// Whether a token is the end of a figure with a comma, such as "000" in "1,250,000" and "050" in "0,050". `before` is the
/// text before the token.
fn ends_figure(before: &str, token: &str) -> bool {
    let Some(before) = before.strip_suffix(',') else { return false };
    let start = before.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let group = &before[start..];
    let is_figure = if token.len() == 3 { !group.starts_with('0') || group == "0" } else { group == "0" };
    is_digits(token) && matches!(group.len(), 1..=3) && is_figure
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Part,
    PartOrStopWord,
    /// "N°" between parts; it is no part itself.
    SaysNumber,
}

/// A token of a run, and what it may be in the number.
type Part<'a> = (&'a Token<'a>, Role);

fn segments<'a>(run: &[Part<'a>]) -> Vec<&'a str> {
    run.iter().filter(|(_, role)| *role != Role::SaysNumber).map(|(token, _)| token.text).collect()
}

/// Ends a run of consecutive tokens that may form one number.
fn close(run: Vec<Part>, everything: usize, codes: &mut Vec<Code>) {
    let is_whole_query = segments(&run).iter().map(|segment| segment.len()).sum::<usize>() == everything;
    push_code(&run, is_whole_query, codes);
    push_code(without_words(&run), false, codes);
    // "200076 en 24 horas" is ambiguous, so both readings are searched: with the word as a part, and without it.
    for part in run.split(|(_, role)| *role == Role::PartOrStopWord && !is_whole_query) {
        if part.len() < run.len() {
            push_code(part, false, codes);
        }
        // "OC N° 4500012345" may name the document 4500012345, so what follows "N°" is searched alone, too.
        if let Some(at) = part.iter().rposition(|(_, role)| *role == Role::SaysNumber) {
            push_code(&part[at + 1..], false, codes);
        }
    }
}

/// Returns the part of a run that is a name and its figures, which a short word before or behind them must not hide: "RFI 0042"
/// of "ver RFI 0042" and of "rfi 0042 eje b". Nothing if there is no such part, or if it is a measure. What is typed without
/// spaces stays together.
fn without_words<'r, 't>(run: &'r [Part<'t>]) -> &'r [Part<'t>] {
    let Some(figures @ 1..) = run.iter().position(|(token, _)| has_digit(token.text)) else { return &[] };
    let is_name = |(token, role): &Part| *role == Role::Part && token.after_space;
    let name = run[..figures].iter().rposition(is_name).unwrap_or_default();
    let belongs = |(token, _): &&Part| has_digit(token.text) || !token.after_space;
    let end = figures + run[figures..].iter().take_while(belongs).count();
    let has_unit = run.get(end).is_some_and(|(unit, _)| is_measure(&[run[end - 1].0.text, unit.text]));
    let says_figure = BEFORE_FIGURES.contains(&run[name].0.text.to_ascii_lowercase().as_str());
    if has_unit || says_figure { &[] } else { &run[name..end] }
}

fn push_code(run: &[Part], is_whole_query: bool, codes: &mut Vec<Code>) {
    let (Some((first, _)), Some((last, _))) = (run.first(), run.last()) else { return };
    let segments = segments(run);
    if names_a_number(&segments, is_whole_query) {
        codes.push(Code::new(&segments, first.range.start..last.range.end));
    }
}

fn names_a_number(segments: &[&str], is_whole_query: bool) -> bool {
    let length: usize = segments.iter().map(|segment| segment.len()).sum();
    let fits = segments.len() <= MAX_SEGMENTS && (MIN_CHARS..=MAX_CODE_CHARS).contains(&length);
    if !fits || !segments.iter().any(|segment| has_digit(segment)) {
        return false;
    }
    let digits_only = segments.iter().all(|segment| is_digits(segment));
    let padded = segments.iter().any(|segment| segment.starts_with('0'));
    match segments {
        [single] if digits_only => is_whole_query || padded || length >= 5,
        [single] => is_tag(single),
        several => !is_measure(several) && (!digits_only || padded || length >= 5),
    }
}

#[cfg(test)]
mod tests;
