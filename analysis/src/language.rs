//! Detects the language of a chunk, Spanish or English. The language selects the stop words and the stemmer.

use whatlang::{Detector, Lang};

use crate::fold::fold;
use crate::stop_words;
use crate::words::words;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Language {
    Spanish,
    English,
    Unknown,
}

impl Language {
    /// The code that is stored with a chunk; empty if the language is unknown.
    pub fn code(self) -> &'static str {
        match self {
            Language::Spanish => "es",
            Language::English => "en",
            Language::Unknown => "",
        }
    }

    pub fn from_code(code: &str) -> Language {
        match code {
            "es" => Language::Spanish,
            "en" => Language::English,
            _ => Language::Unknown,
        }
    }
}

/// Only this many bytes of a text are read to detect its language; more would not change the result.
const SAMPLE_BYTES: usize = 4_096;

/// With fewer letters than this, trigram statistics are not reliable.
const TRIGRAM_LETTERS: usize = 24;

/// Detects the language of `text`: each grammatical word is a vote, and letter trigrams decide if the votes do not.
///
/// The votes come first because they are reliable even for a query of five words, where trigrams often are not. A list
/// of codes or figures, or a text in another script, is `Unknown`.
pub fn detect(text: &str) -> Language {
    let sample = &text[..text.floor_char_boundary(SAMPLE_BYTES)];
    let letters = sample.chars().filter(|c| c.is_alphabetic()).count();
    let latin = sample.chars().filter(|c| c.is_alphabetic() && *c < '\u{250}').count();
    if letters < 2 || latin * 2 < letters {
        return Language::Unknown;
    }
    let (spanish, english) = votes(sample);
    let is_clear = spanish.max(english) > spanish.min(english) * 2;
    if !is_clear
        && letters >= TRIGRAM_LETTERS
        && let Some(info) = Detector::with_allowlist(vec![Lang::Spa, Lang::Eng]).detect(sample)
        && (info.is_reliable() || spanish + english > 0)
    {
        return match info.lang() {
            Lang::Spa => Language::Spanish,
            Lang::Eng => Language::English,
            _ => Language::Unknown,
        };
    }
    match spanish.cmp(&english) {
        std::cmp::Ordering::Greater => Language::Spanish,
        std::cmp::Ordering::Less => Language::English,
        std::cmp::Ordering::Equal => Language::Unknown,
    }
}

/// Counts votes for Spanish and English: words that only one of them has, and for Spanish also its special letters.
fn votes(sample: &str) -> (usize, usize) {
    let (mut spanish, mut english) = (0, 0);
    for word in words(&fold(sample)) {
        let is_in = |language| stop_words::contains(language, &word);
        let (in_spanish, in_english) = (is_in(Language::Spanish), is_in(Language::English));
        spanish += usize::from(in_spanish && !in_english);
        english += usize::from(in_english && !in_spanish);
    }
    spanish += sample.chars().filter(|c| "áéíóúñÁÉÍÓÚÑ¿¡".contains(*c)).count();
    (spanish, english)
}

#[cfg(test)]
mod tests;
