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

/// The first three letters of a word; 0 where it has none, and where a term may have another one than its words.
type Beginning = [u8; 3];

impl Sought {
    pub fn of(query: &[QueryTerm]) -> Self {
        let mut words: HashMap<String, u64> = HashMap::new();
        for (number, term) in query.iter().enumerate() {
            for form in &term.forms {
                *words.entry(form.clone()).or_default() |= 1 << number;
            }
        }
        let beginnings = words.keys().map(|term| beginning(term.trim_start_matches('#')));
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
    /// so every part with a digit may contain one. So may a part with letters that are not known here.
    fn may_be_in(&self, part: &str) -> bool {
        let (mut word, mut letters) = (Beginning::default(), 0);
        for c in part.chars() {
            match plain(c) {
                Some(letter) => {
                    if let Some(place) = word.get_mut(letters) {
                        *place = letter;
                    }
                    letters += 1;
                }
                None if !c.is_ascii() || c.is_ascii_digit() || self.begins(word) => return true,
                None => (word, letters) = (Beginning::default(), 0),
            }
        }
        self.begins(word)
    }

    /// Whether a term may be that of a word with this beginning.
    fn begins(&self, word: Beginning) -> bool {
        let [first, second, third] = word;
        let is_of = |term: &Beginning| term[..2] == [first, second] && (term[2] == third || term[2] == 0);
        first != 0 && self.beginnings.iter().any(is_of)
    }
}

fn beginning(term: &str) -> Beginning {
    let mut letters = term.chars().map(|c| plain(c).unwrap_or(c as u8));
    let mut next = || letters.next().unwrap_or_default();
    match [next(), next(), next(), next()] {
        // Stemming keeps the beginning of a word, but for short English words such as "using" ("use") and "lying" ("lie").
        [first, second, b'e', 0] => [first, second, 0],
        [first, second, third, _] => [first, second, third],
    }
}

/// Returns a letter in lower case and without its accent, and `i` for `y`, which stemming writes as `i`; `None` for what is
/// no letter of Spanish or English.
fn plain(c: char) -> Option<u8> {
    let letter = match c {
        'a'..='z' | 'A'..='Z' => c.to_ascii_lowercase() as u8,
        'á' | 'Á' | 'à' | 'À' => b'a',
        'é' | 'É' | 'è' | 'È' => b'e',
        'í' | 'Í' => b'i',
        'ó' | 'Ó' | 'ò' | 'Ò' => b'o',
        'ú' | 'Ú' | 'ü' | 'Ü' => b'u',
        'ñ' | 'Ñ' => b'n',
        'ç' | 'Ç' => b'c',
        _ => return None,
    };
    Some(if letter == b'y' { b'i' } else { letter })
}
