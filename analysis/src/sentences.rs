//! Splits a text into sentences: chunks consist of them, and answers quote them.

mod abbreviations;

use std::ops::Range;

use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

use abbreviations::continues_after_dot;

/// A run of this many characters without a letter, a digit or a full stop ends a sentence. After a full stop, Unicode's
/// rules look at the rest of such a run again for each of its closing brackets and spaces.
const LONGEST_RUN: usize = 256;

/// A line with at least this many characters and no final punctuation probably continues in the next line.
const WRAPPED_LINE_CHARS: usize = 40;

/// Returns the sentences of a text in order, without the white space between them. Nothing else is left out.
///
/// Unicode's sentence boundaries are corrected: there is no boundary after an abbreviation, an initial or a
/// list marker, nor inside a wrapped line. Each list item and each table row (one per line) is a sentence.
pub fn split(text: &str) -> Vec<&str> {
    spans(text).into_iter().map(|span| &text[span]).collect()
}

/// Returns where the sentences of a text are, in bytes: the places of what [`split`] returns.
pub fn spans(text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut start = 0;
    for part in parts(text) {
        for (at, piece) in text[part.clone()].split_sentence_bound_indices() {
            let end = part.start + at + piece.len();
            if end == part.end || is_boundary(&text[start..end], &text[end..]) {
                let from = end - text[start..end].trim_start().len();
                let to = start + text[start..end].trim_end().len();
                if from < to {
                    spans.push(from..to);
                }
                start = end;
            }
        }
    }
    spans
}

/// Cuts a text where a run becomes too long ([`LONGEST_RUN`]).
fn parts(text: &str) -> Vec<Range<usize>> {
    let (mut parts, mut start, mut run) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        // Combining marks are letters to Rust, but not to the rules.
        let ends_run = c == '.' || c.is_alphanumeric() && !is_combining_mark(c);
        run = if ends_run { 0 } else { run + 1 };
        if run == LONGEST_RUN {
            let end = at + c.len_utf8();
            parts.push(start..end);
            (start, run) = (end, 0);
        }
    }
    parts.push(start..text.len());
    parts
}

/// Whether a Unicode sentence boundary really ends a sentence. `before` is the text since the last accepted boundary.
fn is_boundary(before: &str, after: &str) -> bool {
    let ended = before.trim_end();
    if ended.is_empty() {
        return true;
    }
    let gap = &before[ended.len()..];
    let lines = gap.matches('\n').count();
    if lines > 1 || gap.contains(['\u{2029}', '\u{c}']) || after.starts_with('\n') {
        return true;
    }
    if is_list_marker(ended) {
        return false;
    }
    if lines == 1 && !ended.ends_with(['.', '!', '?', ':', ';', '…']) {
        return !is_wrapped(ended, after);
    }
    !(ended.ends_with('.') && continues_after_dot(ended, after.trim_start()))
}

fn is_wrapped(before: &str, after: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap_or(before);
    after.starts_with(char::is_lowercase) && line.chars().nth(WRAPPED_LINE_CHARS).is_some()
}

/// Whether a text is only a list marker ("1.", "1.2.", "a)", "IV.", "•"). A marker belongs to the item after it.
fn is_list_marker(text: &str) -> bool {
    const LONGEST: usize = 12;
    let text = text.trim_start();
    if text.len() > LONGEST {
        return false;
    }
    if matches!(text, "-" | "–" | "—" | "•" | "·" | "*" | "▪" | "○" | "●") {
        return true;
    }
    let Some(body) = text.strip_suffix(['.', ')']) else { return false };
    let body = body.trim_start_matches('(');
    let numbered = body.starts_with(|c: char| c.is_ascii_digit())
        && body.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && body.split('.').all(|group| group.len() <= 3);
    let roman = !body.is_empty() && body.bytes().all(|b| b"IVXivx".contains(&b));
    let letter = body.len() == 1 && body.bytes().all(|b| b.is_ascii_alphabetic());
    numbered || roman || letter
}

#[cfg(test)]
mod tests;
