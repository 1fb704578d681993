//! The stem of a folded word: the form under which all its inflections are indexed.

use rust_stemmers::{Algorithm, Stemmer};

use crate::Language;

/// Stems are cut here. Long words share their subject in the first eight letters ("impermeabilización",
/// "impermeabilizante"): on XQuAD-es this finds as much as whole stems or a little more, and it bounds the vocabulary.
const STEM_CHARS: usize = 8;

pub(crate) struct Stems {
    spanish: Stemmer,
    english: Stemmer,
}

impl Stems {
    pub fn new() -> Stems {
        Stems { spanish: Stemmer::create(Algorithm::Spanish), english: Stemmer::create(Algorithm::English) }
    }

    /// Text of unknown language is stemmed as Spanish: some stem must be chosen that the query knows too.
    pub fn stem(&self, word: &str, language: Language) -> String {
        // Without a letter there is nothing to inflect, and a figure must stay whole.
        if !word.is_ascii() || word.bytes().any(|b| b.is_ascii_digit()) {
            return word.to_owned();
        }
        let stem = match language {
            Language::English => self.english.stem(word).into_owned(),
            Language::Spanish | Language::Unknown => {
                crate::fold::fold(&self.spanish.stem(&restore_accent(word)))
            }
        };
        stem.chars().take(STEM_CHARS).collect()
    }
}

/// The Spanish stemmer knows "-ación" but not "-acion". Words arrive here without accents, so that typed and written
/// forms meet; the one ending whose accent it needs and that is never ambiguous is given back.
fn restore_accent(word: &str) -> std::borrow::Cow<'_, str> {
    match word.strip_suffix("ion") {
        Some(root) if root.ends_with(['c', 's', 'x', 'g']) => format!("{root}ión").into(),
        _ => word.into(),
    }
}

#[cfg(test)]
mod tests;
