//! The terms under which a chunk is indexed, and the terms that a query searches for.
//!
//! A term is a stem ("aplic"), a figure ("3.5") or a code with the prefix `#` ("#RFI0042"). The language of a
//! query is uncertain, and a project has documents in Spanish and in English. Each word of a query therefore
//! has several terms (its forms), of which only the one with the highest score counts for a chunk.

mod sought;

use std::collections::{HashMap, HashSet};

pub use sought::Sought;

use crate::codes::{self, has_digit, without_padding};
use crate::fold::fold;
use crate::stem::stem;
use crate::words::words;
use crate::{Language, detect, stop_words};

/// Maximum number of characters of a term; a longer term is truncated.
pub const MAX_TERM_CHARS: usize = 64;

/// Maximum number of words of a query; the words after them are ignored.
pub const MAX_QUERY_TERMS: usize = 64;

/// A term of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    pub text: String,
    pub frequency: u32,
}

/// One word of a query, with the terms under which a chunk may contain it. Only the best of them counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryTerm {
    pub forms: Vec<String>,
}

/// Returns the terms of a text with their frequencies, in the order in which they first appear.
pub fn index_terms(text: &str, language: Language) -> Vec<Term> {
    let mut terms = Counted::default();
    let mut plain_from = 0;
    for code in codes::find(text) {
        add_words(&text[plain_from..code.range.start], language, &mut terms);
        plain_from = code.range.end;
        terms.add(codes::term(&code.normalized));
        if code.parts.len() > 1 {
            add_parts(&code.parts, language, &mut terms);
        }
    }
    add_words(&text[plain_from..], language, &mut terms);
    terms.list
}

/// Returns the words of a query. Stop words of its language are left out, unless the query has no other words.
pub fn query_terms(query: &str) -> Vec<QueryTerm> {
    let language = detect(query);
    let mut seen = HashSet::new();
    let mut terms = Vec::new();
    let mut add = |forms: Vec<String>| {
        if terms.len() < MAX_QUERY_TERMS && seen.insert(forms.clone()) {
            terms.push(QueryTerm { forms });
        }
    };
    for code in codes::in_query(query) {
        add(vec![codes::term(&code.normalized)]);
    }
    let is_stop_word = |word: &String| match language {
        Language::Unknown => stop_words::contains_any(word),
        known => stop_words::contains(known, word),
    };
    let (stops, subjects): (Vec<String>, Vec<String>) = words(&fold(query)).map(cut).partition(is_stop_word);
    for word in if subjects.is_empty() { stops } else { subjects } {
        add(forms(&word));
    }
    terms
}

/// Returns the terms of those codes of a query whose parts are typed with spaces between them. They may be no codes, but words
/// and figures, which are words of the query as well: "eje 3 b".
pub fn supposed_codes(query: &str) -> HashSet<String> {
    let codes = codes::in_query(query).into_iter();
    let has_spaces = |code: &codes::Code| query[code.range.clone()].contains(char::is_whitespace);
    codes.filter(has_spaces).map(|code| codes::term(&code.normalized)).collect()
}

fn add_words(text: &str, language: Language, terms: &mut Counted) {
    for word in words(&fold(text)) {
        if !stop_words::contains(language, &word) {
            terms.add(stem(&cut(word), language));
        }
    }
}

/// Adds the parts of a code: letters as words ("RFI", "PL"); parts with digits as codes, also without leading zeros.
fn add_parts(parts: &[String], language: Language, terms: &mut Counted) {
    for part in parts {
        if has_digit(part) {
            let figures = std::iter::once(part.as_str()).chain(without_padding(part));
            figures.for_each(|figure| terms.add(codes::term(figure)));
        } else {
            add_words(part, language, terms);
        }
    }
}

/// Returns the terms of a word of a query: for a figure, the figure itself and the term of the same figure as
/// a part of a code; for another word, its stems.
fn forms(word: &str) -> Vec<String> {
    let mut forms = if !has_digit(word) {
        vec![stem(word, Language::Spanish), stem(word, Language::English)]
    } else if word.contains('.') {
        vec![word.to_owned()] // a figure with a point is no part of a code
    } else {
        let figures = std::iter::once(word).chain(without_padding(word));
        figures.flat_map(|figure| [figure.to_owned(), codes::term(&codes::normalize(figure))]).collect()
    };
    forms.dedup();
    forms
}

fn cut(word: String) -> String {
    match word.char_indices().nth(MAX_TERM_CHARS) {
        Some((end, _)) => word[..end].to_owned(),
        None => word,
    }
}

#[derive(Default)]
struct Counted {
    list: Vec<Term>,
    positions: HashMap<String, usize>,
}

impl Counted {
    fn add(&mut self, text: String) {
        if let Some(position) = self.positions.get(&text) {
            self.list[*position].frequency += 1;
        } else {
            self.positions.insert(text.clone(), self.list.len());
            self.list.push(Term { text, frequency: 1 });
        }
    }
}

#[cfg(test)]
mod tests;
