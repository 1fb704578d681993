//! A Unigram vocabulary in a few megabytes.
//!
//! The vocabulary of the library `tokenizers` is a tree of hash maps, which needs hundreds of megabytes for 250,000
//! pieces. This one is a double-array trie and some flat lists. It gives the same tokens; all other steps (normalizer,
//! added tokens, post-processor) remain those of the library.

use tokenizers::{Result, Token};
use yada::DoubleArray;
use yada::builder::DoubleArrayBuilder;

/// The score of a character without a piece is this much below the lowest score of a piece, as in sentencepiece.
const UNKNOWN_PENALTY: f64 = 10.0;

/// A piece is a text with a score, and its id is its place in the list.
pub(crate) struct Unigram {
    /// The concatenated texts of the pieces.
    text: String,
    /// Where each piece begins in `text`, and where the last one ends.
    bounds: Vec<usize>,
    pub scores: Vec<f64>,
    ids: DoubleArray<Vec<u8>>,
    /// Length of the longest piece, in bytes.
    longest: usize,
    unknown: Option<u32>,
    unknown_score: f64,
}

/// The last piece of the best split, found so far, of a word's beginning up to some byte.
#[derive(Clone, Copy)]
struct Best {
    start: usize,
    id: u32,
    score: f64,
}

impl Unigram {
    /// Returns the pieces as the error if a double array cannot store them: empty, repeated, with NUL, or too many.
    pub fn new(
        pieces: Vec<(String, f64)>,
        unknown: Option<u32>,
    ) -> std::result::Result<Self, Vec<(String, f64)>> {
        let mut sorted: Vec<_> = (0..).zip(&pieces).map(|(id, (text, _))| (text.as_bytes(), id)).collect();
        sorted.sort_unstable();
        let storable = sorted.iter().all(|(text, _)| !text.is_empty() && !text.contains(&0))
            && sorted.windows(2).all(|pair| pair[0].0 != pair[1].0)
            && unknown.is_none_or(|id| (id as usize) < sorted.len());
        let built =
            if storable { DoubleArrayBuilder::build(&sorted).and_then(DoubleArray::new).ok() } else { None };
        let Some(ids) = built else { return Err(pieces) };
        let longest = sorted.iter().map(|(text, _)| text.len()).max().unwrap_or_default();
        let (mut text, mut bounds) = (String::new(), vec![0]);
        for (piece, _) in &pieces {
            text.push_str(piece);
            bounds.push(text.len());
        }
        text.shrink_to_fit();
        bounds.shrink_to_fit();
        let scores: Vec<f64> = pieces.iter().map(|(_, score)| *score).collect();
        let unknown_score = scores.iter().copied().fold(f64::INFINITY, f64::min) - UNKNOWN_PENALTY;
        Ok(Self { text, bounds, scores, ids, longest, unknown, unknown_score })
    }

    pub fn text(&self, id: u32) -> Option<&str> {
        let (start, end) = (self.bounds.get(id as usize)?, self.bounds.get(id as usize + 1)?);
        Some(&self.text[*start..*end])
    }

    pub fn id(&self, piece: &str) -> Option<u32> {
        // In a double array, a zero byte ends a key, so no piece contains one.
        if piece.contains('\0') { None } else { self.ids.exact_match_search(piece) }
    }

    /// Returns the most likely pieces (Viterbi). Adjacent characters without a piece become one unknown token.
    pub fn tokenize(&self, word: &str) -> Result<Vec<Token>> {
        let best = self.best_ends(word)?;
        let mut tokens: Vec<Token> = Vec::new();
        let mut end = word.len();
        while end > 0 {
            let Some(Best { start, id, .. }) = best[end] else {
                return Err("a character has neither a piece nor an unknown token".into());
            };
            match tokens.last_mut() {
                Some(last) if Some(id) == self.unknown && last.id == id => last.offsets.0 = start,
                _ => tokens.push(Token::new(id, String::new(), (start, end))),
            }
            end = start;
        }
        tokens.reverse();
        for token in &mut tokens {
            word[token.offsets.0..token.offsets.1].clone_into(&mut token.value);
            if Some(token.id) == self.unknown {
                // Characters that are unknown individually may form a piece together.
                token.id = self.id(&token.value).unwrap_or(token.id);
            }
        }
        Ok(tokens)
    }

    /// Returns, for each byte position of a word, the best piece that ends there, if there is one.
    fn best_ends(&self, word: &str) -> Result<Vec<Option<Best>>> {
        let mut best: Vec<Option<Best>> = vec![None; word.len() + 1];
        for (start, character) in word.char_indices() {
            let before = best[start].map_or(0.0, |best| best.score);
            let next = start + character.len_utf8();
            let mut offer = |end: usize, id: u32, score: f64| {
                let score = before + score;
                if best[end].is_none_or(|best| score > best.score) {
                    best[end] = Some(Best { start, id, score });
                }
            };
            let mut has_own_piece = false;
            // In a double array, a zero byte ends a key, so a search must not include one. It looks no further than a
            // piece can reach: a word of a megabyte would cost its length for each of its characters.
            let reach = &word.as_bytes()[start..word.len().min(start + self.longest)];
            let searchable = reach.iter().position(|byte| *byte == 0).map_or(reach, |zero| &reach[..zero]);
            for (id, length) in self.ids.common_prefix_search(searchable) {
                offer(start + length, id, self.scores[id as usize]);
                has_own_piece |= start + length == next;
            }
            if !has_own_piece {
                let unknown =
                    self.unknown.ok_or("a character has no piece, and there is no unknown token")?;
                offer(next, unknown, self.unknown_score);
            }
        }
        Ok(best)
    }
}

#[cfg(test)]
mod tests;
