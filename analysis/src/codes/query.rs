//! Finds document numbers, and parts of them, in the text of a search query.

use std::ops::Range;

use super::scan::{Code, find, is_measure, is_tag};
use super::{MAX_CODE_CHARS, MAX_SEGMENTS, has_digit, is_digits};
use crate::{Language, stop_words};

/// Maximum number of codes that are taken from one query.
const MAX_CODES: usize = 8;

/// Only this many bytes of a query are read.
const MAX_QUERY_BYTES: usize = 8_192;

/// Minimum number of characters of a code. A shorter text would match too many document numbers.
const MIN_CHARS: usize = 3;

/// Returns the document numbers, or parts of numbers, that a query names, with any separators: "rfi 42", "200076 ccc02
/// pl ar 000400", "el plano 000400".
///
/// A false candidate ("eje 3 b") does no harm: no document has that number, so it finds nothing.
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

/// Returns the code if the query consists of one code and separators, and of nothing else.
pub fn whole_query(query: &str) -> Option<Code> {
    let everything = query.chars().filter(|c| c.is_alphanumeric()).count();
    in_query(query).into_iter().find(|code| code.normalized.len() == everything)
}

struct Token<'a> {
    text: &'a str,
    range: Range<usize>,
}

/// Finds runs of tokens that look like parts of a number, and single tokens that can only be a number.
fn spaced(query: &str) -> Vec<Code> {
    let all_capitals = !query.chars().any(char::is_lowercase);
    let everything = query.chars().filter(|c| c.is_alphanumeric()).count();
    let tokens: Vec<Token> = tokens(query).collect();
    let connected = |before: &Token, after: &Token| {
        let gap = &query[before.range.end..after.range.start];
        gap.chars().all(|c| c.is_whitespace() || "-_./–—#:".contains(c))
    };
    let mut codes = Vec::new();
    let mut run = Run::default();
    for (at, token) in tokens.iter().enumerate() {
        if at > 0 && !connected(&tokens[at - 1], token) {
            run.close(everything, &mut codes);
        }
        let next = tokens.get(at + 1).filter(|next| connected(token, next));
        if is_number_like(token.text, all_capitals) {
            run.tokens.push(token);
        } else if is_short_word(token.text)
            && next.is_some_and(|next| has_digit(next.text) && is_number_like(next.text, all_capitals))
            && names_a_number(&run.segments())
        {
            run.words.push(run.tokens.len());
            run.tokens.push(token);
        } else {
            run.close(everything, &mut codes);
        }
    }
    run.close(everything, &mut codes);
    codes
}

fn tokens(query: &str) -> impl Iterator<Item = Token<'_>> {
    let mut at = 0;
    query.split(|c: char| !c.is_alphanumeric()).filter_map(move |text| {
        let start = at;
        // The separator after the token may have several bytes, so its length is taken from the query.
        let separator = query[start + text.len()..].chars().next().map_or(0, char::len_utf8);
        at = start + text.len() + separator;
        (!text.is_empty()).then_some(Token { text, range: start..start + text.len() })
    })
}

/// Whether a token may be a part of a number: it has a digit, is short, or is in capitals (which mean nothing
/// if the whole query is in capitals).
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

/// Whether a token such as "ES", "EL" or "SE" may be a stop word or, inside a drawing number, the code of a discipline.
fn is_short_word(token: &str) -> bool {
    token.len() <= 3 && token.bytes().all(|b| b.is_ascii_alphabetic())
}

/// Consecutive tokens that may form one number.
#[derive(Default)]
struct Run<'a> {
    tokens: Vec<&'a Token<'a>>,
    /// Indices in `tokens` of the words that may be stop words instead of parts of the number.
    words: Vec<usize>,
}

impl<'a> Run<'a> {
    fn segments(&self) -> Vec<&'a str> {
        self.tokens.iter().map(|token| token.text).collect()
    }

    fn close(&mut self, everything: usize, codes: &mut Vec<Code>) {
        let Self { tokens, words } = std::mem::take(self);
        push_code(&tokens, codes);
        let is_whole_query = tokens.iter().map(|token| token.text.len()).sum::<usize>() == everything;
        if words.is_empty() || is_whole_query {
            return;
        }
        // "200076 en 24 horas" is ambiguous, so both readings are searched: with the word as a part, and without it.
        let mut from = 0;
        for word in words.into_iter().chain([tokens.len()]) {
            push_code(&tokens[from..word], codes);
            from = word + 1;
        }
    }
}

fn push_code(tokens: &[&Token], codes: &mut Vec<Code>) {
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return };
    let segments: Vec<&str> = tokens.iter().map(|token| token.text).collect();
    if names_a_number(&segments) {
        codes.push(Code::new(&segments, first.range.start..last.range.end));
    }
}

fn names_a_number(segments: &[&str]) -> bool {
    let length: usize = segments.iter().map(|segment| segment.len()).sum();
    let fits = segments.len() <= MAX_SEGMENTS && (MIN_CHARS..=MAX_CODE_CHARS).contains(&length);
    if !fits || !segments.iter().any(|segment| has_digit(segment)) {
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
mod tests;
