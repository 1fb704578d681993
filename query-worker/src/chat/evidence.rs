//! Evidence: the sentences that may answer a question, best first, and whether one of them does.
//!
//! The meaning of a sentence is compared by the vector that was stored with its passage, so a question costs one run of
//! the model, that of its search.

mod score;
mod words;

use std::ops::Range;

use documents::sentences;

use self::{
    score::Features,
    words::{Held, Words},
};
use super::passages::{Found, Passage};

/// The least share of a follow-up's own words, weighted by rarity, that the passage must contain.
const OWN_WORDS: f32 = 0.34;

/// A sentence of a passage, compared with the question.
#[derive(Debug, Clone)]
pub struct Sentence {
    /// The index of the passage that contains the sentence.
    pub passage: usize,
    /// Its place in the passage's text, in bytes.
    pub place: Range<usize>,
    pub features: Features,
}

#[derive(Debug)]
pub struct Evidence {
    /// The sentences, the best first.
    pub sentences: Vec<Sentence>,
    /// Whether the documents answer the question.
    pub answers: bool,
}

impl Evidence {
    /// Returns the indices of the passages, those with the best sentences first.
    pub fn passage_order(&self, passages: usize) -> Vec<usize> {
        let mut order: Vec<usize> = Vec::with_capacity(passages);
        for at in self.sentences.iter().map(|sentence| sentence.passage).chain(0..passages) {
            if !order.contains(&at) {
                order.push(at);
            }
        }
        order
    }
}

/// Compares a question with the passages that were retrieved for it. The user `typed` it as it is, or without words that the
/// conversation completes.
pub fn gather(typed: &str, question: &str, found: &Found) -> Evidence {
    let (passages, vector) = (&found.passages, found.vector.as_deref());
    let words = Words::of(&found.words, &found.rarity);
    let asks_for_a_figure = score::asks_for_a_figure(question);
    let bare = |text: &str| text.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let mut sentences = Vec::new();
    let mut held = Vec::with_capacity(passages.len());
    for (at, passage) in passages.iter().enumerate() {
        let places = sentences::spans(&passage.text);
        let known = vector.and_then(|vector| sentences::differences(&passage.sentences, &places, vector));
        let differences = known.unwrap_or_else(|| vec![0.0; places.len()]);
        let similarity = vector.map_or(score::USUAL_SIMILARITY, |_| passage.row.vector_score);
        let (of_sentences, whole) = held_by(passage, &places, &words);
        held.push(whole);
        let titles = [&passage.row.fields.title, &passage.heading].map(|title| bare(title));
        for ((place, difference), held) in places.into_iter().zip(differences).zip(of_sentences) {
            let text = &passage.text[place.clone()];
            // A sentence that only repeats a title answers nothing.
            if titles.contains(&bare(text)) {
                continue;
            }
            let features = Features {
                passage: similarity,
                difference,
                words: words.share(held),
                passage_words: words.share(whole),
                figure: asks_for_a_figure && text.contains(|c: char| c.is_ascii_digit()),
            };
            sentences.push(Sentence { passage: at, place, features });
        }
    }
    sentences.sort_by(|a, b| b.features.score().total_cmp(&a.features.score()));
    // Words from the conversation must not answer alone: the passage must also contain words that the user typed.
    let answering = sentences
        .first()
        .filter(|best| typed == question || has_typed_words(typed, &words, held[best.passage]));
    let confidence = answering.map_or(0.0, |best| best.features.confidence());
    tracing::debug!(confidence, best = ?sentences.first(), "evidence");
    Evidence { sentences, answers: confidence >= 0.5 }
}

/// Whether a passage contains enough of the typed words; true if all typed words are stop words.
fn has_typed_words(typed: &str, words: &Words, held: Held) -> bool {
    analysis::terms::index_terms(typed, analysis::detect(typed)).is_empty()
        || words.share_of(words.typed(typed), held) >= OWN_WORDS
}

/// Returns the words that each sentence contains, and those of the whole passage with its title, number and heading. The
/// passage also has sentences that are not quoted, because they are too short or too many ([`sentences::spans`]). No part of
/// the text is looked through twice.
fn held_by(passage: &Passage, places: &[Range<usize>], words: &Words) -> (Vec<Held>, Held) {
    let held = |text: &str| words.held(text, passage.language);
    let sentences: Vec<Held> = places.iter().map(|place| held(&passage.text[place.clone()])).collect();
    let fields = &passage.row.fields;
    let around = [&fields.title, &fields.number, &passage.heading].map(|text| held(text));
    let mut whole = sentences.iter().chain(&around).fold(0, |all, held| all | held);
    let mut end = 0;
    let behind = passage.text.len()..passage.text.len();
    for place in places.iter().chain([&behind]) {
        whole |= held(&passage.text[end..place.start]);
        end = place.end;
    }
    (sentences, whole)
}

#[cfg(test)]
mod tests {
    use analysis::{Language, terms};
    use schemas::{
        Fields,
        search::{MatchQuality, SearchRow},
    };

    use super::*;

    #[test]
    fn what_is_too_short_to_be_quoted_counts_for_its_passage() {
        let row = SearchRow {
            document_id: "acta".parse().unwrap(),
            chunk_id: "1".to_owned(),
            project_id: "obra".parse().unwrap(),
            fields: Fields::default(),
            filename: String::new(),
            file_type: String::new(),
            has_file: true,
            date_modified: None,
            page: None,
            snippet: String::new(),
            vector_score: 0.0,
            text_score: 0.0,
            score: 0.0,
            match_quality: MatchQuality::Low,
        };
        let passage = Passage {
            row,
            text: "Losa HA-30\n\nSe cura con agua durante siete días.\n\nMuro HA-25".to_owned(),
            heading: String::new(),
            language: Language::Spanish,
            sentences: Vec::new(),
        };
        let words = Words::of(&terms::query_terms("losa muro"), &[]);
        let (of_sentences, whole) = held_by(&passage, &sentences::spans(&passage.text), &words);
        let of_sentences: Vec<f32> = of_sentences.into_iter().map(|held| words.share(held)).collect();
        assert_eq!((of_sentences, words.share(whole)), (vec![0.0], 1.0));
    }
}
