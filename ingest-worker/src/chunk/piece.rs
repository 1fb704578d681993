//! Cuts a sentence that is too long for a passage: between words, and inside a word only if the word alone is too long.

use super::unit::Counter;

pub(super) struct Piece {
    pub text: String,
    pub tokens: usize,
    /// The text between the previous piece and this one; `None` for the first piece.
    pub joint: Option<&'static str>,
}

pub(super) fn pieces(sentence: &str, counter: &Counter) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut open = Piece { text: String::new(), tokens: 0, joint: None };
    for word in sentence.split_whitespace() {
        for (index, part) in parts(word, counter).into_iter().enumerate() {
            let tokens = counter.count(part);
            let joint = if index == 0 { " " } else { "" };
            if open.tokens > 0 && open.tokens + tokens > counter.max {
                pieces.push(std::mem::replace(
                    &mut open,
                    Piece { text: String::new(), tokens: 0, joint: Some(joint) },
                ));
            } else if !open.text.is_empty() {
                open.text.push_str(joint);
            }
            open.text.push_str(part);
            open.tokens += tokens;
        }
    }
    if !open.text.is_empty() {
        pieces.push(open);
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
