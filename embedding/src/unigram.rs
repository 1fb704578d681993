//! A Unigram vocabulary in a few megabytes.
//!
//! The vocabulary of the library `tokenizers` is a tree of hash maps, which needs hundreds of megabytes for 250,000
//! pieces. This one is a double-array trie and some flat lists. It gives the same tokens; all other steps (normalizer,
//! added tokens, post-processor) remain those of the library.

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use tokenizers::{Result, Token};
use yada::DoubleArray;
use yada::builder::DoubleArrayBuilder;

/// The score of a character without a piece is this much below the lowest score of a piece, as in sentencepiece.
const UNKNOWN_PENALTY: f64 = 10.0;

/// The pieces in the order of their ids: their concatenated texts, where each of these ends, and their scores.
#[derive(Default)]
pub(crate) struct Pieces {
    text: String,
    ends: Vec<usize>,
    scores: Vec<f64>,
}

pub(crate) struct Unigram {
    pub pieces: Pieces,
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
    pub fn new(pieces: Pieces, unknown: Option<u32>) -> std::result::Result<Self, Pieces> {
        let mut sorted: Vec<_> =
            (0..).zip(pieces.iter()).map(|(id, (text, _))| (text.as_bytes(), id)).collect();
        sorted.sort_unstable();
        let storable = sorted.iter().all(|(text, _)| !text.is_empty() && !text.contains(&0))
            && sorted.windows(2).all(|pair| pair[0].0 != pair[1].0)
            && unknown.is_none_or(|id| (id as usize) < sorted.len());
        let built =
            if storable { DoubleArrayBuilder::build(&sorted).and_then(DoubleArray::new).ok() } else { None };
        let Some(ids) = built else { return Err(pieces) };
        let unknown_score = pieces.scores.iter().copied().fold(f64::INFINITY, f64::min) - UNKNOWN_PENALTY;
        let longest = sorted.iter().map(|(text, _)| text.len()).max().unwrap_or_default();
        Ok(Self { pieces, ids, longest, unknown, unknown_score })
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
                offer(start + length, id, self.pieces.scores[id as usize]);
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

impl Pieces {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn text(&self, id: usize) -> Option<&str> {
        let end = *self.ends.get(id)?;
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        Some(&self.text[start..end])
    }

    /// Returns each piece with its score.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        (0..).map_while(|id| self.text(id)).zip(self.scores.iter().copied())
    }

    fn push(&mut self, text: &str, score: f64) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
        self.scores.push(score);
    }
}

/// Reads the list of [text, score] in tokenizer.json as a stream: as a parsed tree it would need hundreds of megabytes.
impl<'de> Deserialize<'de> for Pieces {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Pieces;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of pieces with their scores")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Pieces, A::Error> {
                let mut pieces = Pieces::default();
                while let Some((text, score)) = list.next_element::<(String, f64)>()? {
                    pieces.push(&text, score);
                }
                pieces.text.shrink_to_fit();
                pieces.ends.shrink_to_fit();
                pieces.scores.shrink_to_fit();
                Ok(pieces)
            }
        }
        deserializer.deserialize_seq(List)
    }
}

#[cfg(test)]
mod tests;
