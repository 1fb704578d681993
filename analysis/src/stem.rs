//! The stem of a word without accents: all inflections of the word are indexed under its stem.

use rust_stemmers::{Algorithm, Stemmer};

use crate::Language;

/// Stems are truncated to this many characters, which limits the vocabulary. Long words with the same topic
/// usually share these characters ("impermeabilización", "impermeabilizante"). On XQuAD-es, truncated stems
/// find as much as whole ones.
const STEM_CHARS: usize = 8;

/// Returns the stem of a word. A text of unknown language is stemmed as Spanish, in the index as in a query.
pub(crate) fn stem(word: &str, language: Language) -> String {
    // A word with a digit has no inflections, and a number must stay whole.
    if !word.is_ascii() || word.bytes().any(|b| b.is_ascii_digit()) {
        return word.to_owned();
    }
    let stem = match language {
        Language::English => Stemmer::create(Algorithm::English).stem(word).into_owned(),
        Language::Spanish | Language::Unknown => {
            crate::fold::fold(&Stemmer::create(Algorithm::Spanish).stem(&restore_accent(word)))
        }
    };
    stem.chars().take(STEM_CHARS).collect()
}

/// Puts the accent back into "-ción": words come without accents, but the Spanish stemmer knows "-ación" and not
/// "-acion". This is the only ending that needs its accent and is never ambiguous.
fn restore_accent(word: &str) -> std::borrow::Cow<'_, str> {
    match word.strip_suffix("ion") {
        Some(root) if root.ends_with(['c', 's', 'x', 'g']) => format!("{root}ión").into(),
        _ => word.into(),
    }
}

#[cfg(test)]
mod tests;
