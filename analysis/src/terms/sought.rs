//! Finds the words of a query in texts.

use std::collections::HashMap;

use super::{MAX_QUERY_TERMS, QueryTerm, index_terms};
use crate::Language;

const _: () = assert!(MAX_QUERY_TERMS <= u64::BITS as usize);

/// The words of a query. Finding them in a text takes a small part of the time of [`index_terms`], because most words of
/// the text begin in another way than all of these terms.
pub struct Sought {
    /// The words of which a term is a form, one bit each.
    words: HashMap<String, u64>,
    beginnings: Vec<Beginning>,
}

/// The first two bytes of a word, or its only one and 0.
type Beginning = [u8; 2];

impl Sought {
    pub fn of(query: &[QueryTerm]) -> Self {
        let mut words: HashMap<String, u64> = HashMap::new();
        for (number, term) in query.iter().enumerate() {
            for form in &term.forms {
                *words.entry(form.clone()).or_default() |= 1 << number;
            }
        }
        let beginnings = words.keys().map(|term| beginning(term.trim_start_matches('#').as_bytes()));
        Self { beginnings: beginnings.collect(), words }
    }

    /// Returns which words of the query a text contains in any form: the bit of each, in the order of the query.
    pub fn words(&self, text: &str, language: Language) -> u64 {
        let terms =
            |part| index_terms(part, language).into_iter().filter_map(|term| self.words.get(&term.text));
        // No term contains white space.
        let parts = text.split_whitespace().filter(|part| self.may_be_in(part));
        parts.flat_map(terms).fold(0, |found, words| found | words)
    }

    /// Returns the words of which a term is a form.
    pub fn words_of(&self, term: &str) -> u64 {
        self.words.get(term).copied().unwrap_or_default()
    }

    /// Whether one of the terms may be found in a part of a text. Figures and codes have terms that begin in another way,
    /// so every part with a digit may contain one. So may a part with a word whose first two letters are not both plain,
    /// because accents are folded.
    fn may_be_in(&self, part: &str) -> bool {
        let mut letters = 0;
        part.char_indices().any(|(at, letter)| match letter {
            'a'..='z' | 'A'..='Z' => {
                letters += 1;
                letters == 1 && self.beginnings.contains(&beginning(&part.as_bytes()[at..]))
            }
            // It belongs to a word of which the first two letters are known.
            'À'..='ÿ' if letters >= 2 && letter.is_alphabetic() => false,
            _ => {
                letters = 0;
                !letter.is_ascii() || letter.is_ascii_digit()
            }
        })
    }
}

/// Stemming keeps the beginning of a word, but for "dying", "lying" and "tying" in English.
fn beginning(word: &[u8]) -> Beginning {
    let letter = |at: usize| match word.get(at).map(u8::to_ascii_lowercase) {
        Some(b'y') => b'i',
        Some(letter) if letter.is_ascii_alphanumeric() => letter,
        _ => 0,
    };
    [letter(0), letter(1)]
}
