//! Cuts a sentence or a table row that is too long for a passage.

use super::unit::Counter;

pub(super) struct Piece {
    pub text: String,
    pub tokens: usize,
    /// The text between the previous piece and this one.
    pub joint: &'static str,
}

/// Cuts a table row between its cells, and inside a cell only if the cell alone is too long. Each piece begins with the
/// row's first cell, which says what the row is about, unless this cell is long too.
pub(super) fn of_row(row: &str, counter: &Counter) -> Vec<Piece> {
    let cells = || row.split_inclusive("; ");
    let first = cells().next().unwrap_or_default();
    let tokens = counter.count(first);
    if tokens > counter.max / 4 {
        return of_sentence(row, counter);
    }
    let rest = counter.up_to(counter.max - tokens);
    let mut pieces = joined(cells().skip(1).flat_map(|cell| of_sentence(cell, &rest)), rest.max);
    for piece in &mut pieces {
        piece.text = format!("{first}{}", piece.text.trim_end_matches(';'));
        piece.tokens += tokens;
        piece.joint = "\n";
    }
    pieces
}

/// Cuts a sentence between words, and inside a word only if the word alone is too long.
pub(super) fn of_sentence(sentence: &str, counter: &Counter) -> Vec<Piece> {
    let words = sentence.split_whitespace().flat_map(|word| {
        parts(word, counter).into_iter().enumerate().map(move |(index, part)| Piece {
            text: part.to_owned(),
            tokens: counter.count(part),
            joint: if index == 0 { " " } else { "" },
        })
    });
    joined(words, counter.max)
}

/// Joins consecutive pieces as long as they fit.
fn joined(parts: impl Iterator<Item = Piece>, max: usize) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for part in parts {
        match pieces.last_mut() {
            Some(open) if open.tokens + part.tokens <= max => {
                open.text.push_str(part.joint);
                open.text.push_str(&part.text);
                open.tokens += part.tokens;
            }
            _ => pieces.push(part),
        }
    }
    pieces
}

/// Cuts a word into halves until each part is short enough. A single character is never cut.
fn parts<'w>(word: &'w str, counter: &Counter) -> Vec<&'w str> {
    let mut parts = Vec::new();
    let mut open = vec![word];
    while let Some(part) = open.pop() {
        let middle = part.char_indices().map(|(at, _)| at).nth(part.chars().count() / 2).unwrap_or_default();
        if middle == 0 || counter.count(part) <= counter.max {
            parts.push(part);
        } else {
            let (left, right) = part.split_at(middle);
            open.extend([right, left]);
        }
    }
    parts
}
