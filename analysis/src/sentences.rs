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

/// Maximum number of characters of the name of a column; the reader does not write longer ones.
const LONGEST_NAME: usize = 100;

/// Returns the sentences of a text in order, without the white space between them. Nothing else is left out.
///
/// Unicode's sentence boundaries are corrected: there is no boundary after an abbreviation, an initial or a
/// list marker, nor inside a wrapped line or a table row with the names of its columns. Each list item and each table row
/// (one per line) is a sentence.
pub fn split(text: &str) -> Vec<&str> {
    spans(text).into_iter().map(|span| &text[span]).collect()
}

/// Returns where the sentences of a text are, in bytes: the places of what [`split`] returns.
pub fn spans(text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut start = 0;
    for (part, has_columns) in parts(text) {
        let ends = if has_columns { Vec::new() } else { boundaries(&text[part.clone()]) };
        let ends = ends.into_iter().map(|end| part.start + end);
        for end in ends.chain([part.end]) {
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

/// Returns the boundaries inside a text by Unicode's rules. Almost all characters are letters and spaces, which end no
/// sentence, so the rules are asked only around the others: from the letter or digit before one to the letter after it, which
/// is as far as they look.
fn boundaries(text: &str) -> Vec<usize> {
    let (mut boundaries, mut from, mut around) = (Vec::new(), 0, false);
    let mut look = |from: usize, to: usize| {
        let bounds = text[from..to].split_sentence_bound_indices().skip(1);
        boundaries.extend(bounds.map(|(at, _)| from + at));
    };
    for (at, c) in text.char_indices() {
        let is_letter = matches!(c, 'a'..='z' | 'A'..='Z' | 'À'..='Ö' | 'Ø'..='ö' | 'ø'..='ÿ');
        if is_letter || c.is_ascii_digit() && !around {
            if around {
                look(from, at + c.len_utf8());
                around = false;
            }
            from = at;
        } else if matches!(c, '.' | '!' | '?' | '\r' | '\n') || !c.is_ascii() {
            around = true;
        }
    }
    if around {
        look(from, text.len());
    }
    boundaries
}

/// Whether a line is probably a table row. The reader writes rows as "name: value; name: value", "label: value" or "a; b; c";
/// other texts have bars between the cells.
pub fn is_row(line: &str) -> bool {
    let line = line.trim();
    let is_prose = line.ends_with(['.', '!', '?', ':', ';', '…']);
    let has_cells = || name(line).is_some() || line.split("; ").nth(2).is_some();
    line.contains(" | ") || has_columns(line) || !is_prose && has_cells()
}

/// Whether a line is a table row with the names of at least two columns: "Sala: A; Área: 20 m2". A name begins with a
/// capital letter if the line does: after a semicolon, prose continues in lower case.
fn has_columns(line: &str) -> bool {
    let line = line.trim();
    let in_lower_case = |text: &str| text.starts_with(char::is_lowercase);
    let names = || line.split("; ").filter_map(name);
    // A paragraph may end with such a list, but then sentences come before its first name.
    let first = line.split("; ").next().and_then(|cell| cell.split(": ").next());
    // A paragraph that begins with such a list goes on with several sentences after its last name.
    let last = line.rsplit("; ").next().unwrap_or(line);
    let goes_on = line.ends_with('.') && last.matches(". ").nth(1).is_some();
    !goes_on
        && first.is_some_and(is_name)
        && names().filter(|name| in_lower_case(name) == in_lower_case(line)).nth(1).is_some()
}

/// Returns the name before the value of a cell: "Área" of "Área: 20 m2".
fn name(cell: &str) -> Option<&str> {
    cell.split_once(": ").map(|(name, _)| name).filter(|name| is_name(name))
}

fn is_name(text: &str) -> bool {
    let is_short = !text.is_empty() && text.chars().nth(LONGEST_NAME).is_none();
    is_short && ![". ", "! ", "? "].iter().any(|end| text.contains(end))
}

/// Cuts a text before and after each table row with names ([`has_columns`]), and elsewhere where a run becomes too long
/// ([`LONGEST_RUN`]). Returns the parts, and whether each is such a row.
fn parts(text: &str) -> Vec<(Range<usize>, bool)> {
    let (mut parts, mut start, mut run) = (Vec::new(), 0, 0);
    let mut line_start = 0;
    for line in text.split_inclusive('\n') {
        let line_end = line_start + line.len();
        if has_columns(line) {
            parts.extend([(start..line_start, false), (line_start..line_end, true)]);
            (start, run) = (line_end, 0);
        } else {
            for (at, c) in line.char_indices() {
                // Combining marks are letters to Rust, but not to the rules.
                let ends_run = c == '.' || c.is_alphanumeric() && (c.is_ascii() || !is_combining_mark(c));
                run = if ends_run { 0 } else { run + 1 };
                if run == LONGEST_RUN {
                    let end = line_start + at + c.len_utf8();
                    parts.push((start..end, false));
                    (start, run) = (end, 0);
                }
            }
        }
        line_start = line_end;
    }
    parts.push((start..text.len(), false));
    parts
}

/// Whether a Unicode sentence boundary really ends a sentence. `before` is the text since the last accepted boundary.
fn is_boundary(before: &str, after: &str) -> bool {
    let ended = before.trim_end();
    let gap = &before[ended.len()..];
    let lines = gap.matches('\n').count();
    let has_gap = lines > 1 || gap.contains(['\u{2029}', '\u{c}']) || after.starts_with('\n');
    if ended.is_empty() || has_gap {
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
