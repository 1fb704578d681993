//! Converts the scores of the legs to one scale, keeps the best passages of each document and sorts them.

use std::collections::{HashMap, HashSet};

use analysis::codes;
use documents::index::Found;
use schemas::search::{MatchQuality, Mode, Search};

use super::{Hit, Place};

/// The useful range of the default model's cosine similarities: unrelated sentences have about 0.75, a passage that
/// answers the question about 0.9 (measured on XQuAD-es; `make eval` shows the effect of a change).
const UNRELATED: f32 = 0.74;
const SAME: f32 = 0.92;

/// The weight of the vector score; the keyword score has the rest.
const MEANING: f32 = 0.7;

/// If the whole query is a document number, documents with that number score above this value, and all others below.
const NUMBER_FLOOR: f32 = 0.85;
/// How much a number among other words raises the score of its document.
const NUMBER_HINT: f32 = 0.5;

/// What both legs know about one passage.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    pub project_key: i32,
    pub chunk_key: i64,
    /// `None` until the passage is looked up.
    pub document_key: Option<i64>,
    /// Cosine similarity; `None` without the vector leg.
    pub vector: Option<f32>,
    /// Keyword score: the share of the query's words in the passage, weighted by rarity. `None` if the keyword leg did not find
    /// the passage.
    pub text: Option<f32>,
}

#[derive(Debug, Clone, Copy)]
pub struct Scored {
    pub candidate: Candidate,
    document_key: i64,
    pub score: f32,
}

impl Candidate {
    /// `number` is the share of the document's number that the query names, if any.
    /// `missing` is the keyword score of a passage that has none.
    fn score(&self, mode: Mode, missing: f32, number: Option<f32>, number_only: bool) -> f32 {
        let meaning = self.vector.map_or(0.0, meaning);
        let text = self.text.unwrap_or(missing);
        let score = match mode {
            Mode::Hybrid => MEANING * meaning + (1.0 - MEANING) * text,
            Mode::Vector => meaning,
            Mode::Keyword => text,
        };
        match number {
            None if number_only => score * NUMBER_FLOOR,
            None => score,
            // Somebody who types a document's number, or a part of one, wants that document.
            Some(share) if number_only => NUMBER_FLOOR + (1.0 - NUMBER_FLOOR) * (0.8 * share + 0.2 * score),
            // Among other words a number is only a hint; it counts more if more of the number is given.
            Some(share) => score + (1.0 - score) * NUMBER_HINT * share,
        }
    }
}

/// Converts a cosine similarity to a score from 0 to 1.
fn meaning(similarity: f32) -> f32 {
    let scaled = |similarity| (similarity - UNRELATED) / (SAME - UNRELATED);
    up_to_one(scaled(similarity), scaled(1.0))
}

/// Limits a score, which is at most `most`, to the range from 0 to 1. Those above a bend share the last part of the range: a
/// large project has hundreds of passages there, and the best must still be the first.
pub(super) fn up_to_one(score: f32, most: f32) -> f32 {
    const BEND: f32 = 0.95;
    let over = ((score - BEND) / (most - BEND)).clamp(0.0, 1.0);
    score.clamp(0.0, BEND) + (1.0 - BEND) * over
}

/// Everything that either leg found, by passage.
#[derive(Default)]
pub struct Candidates {
    passages: HashMap<i64, Candidate>,
    /// The share of each document's number that the query names, if it names any of it.
    numbers: HashMap<i64, f32>,
    /// Whether the query is such a number and nothing else. One that no document has may be none, such as "eje 3 b".
    number_only: bool,
}

impl Candidates {
    pub fn add_keywords(&mut self, passages: &[Found]) {
        for found in passages {
            self.passage((found.project_key, found.chunk_key)).text = Some(found.score);
        }
    }

    pub fn add_numbers(&mut self, query: &Search, numbers: &[Hit]) {
        self.number_only |= !numbers.is_empty() && codes::whole_query(&query.query).is_some();
        for hit in numbers {
            // Its document is set when it is looked up: the vector leg may see a later moment, in which it was removed.
            self.passage((hit.project_key, hit.chunk_key));
            self.numbers.insert(hit.document_key, hit.score);
        }
    }

    pub fn add(&mut self, place: Place, document_key: i64, vector: Option<f32>) {
        let passage = self.passage(place);
        passage.document_key = Some(document_key);
        passage.vector = vector;
    }

    /// Returns those passages that only the keyword leg found and that may be among the `top_k` best; their similarity is at
    /// most `most`.
    pub fn unknown(&self, query: &Search, mode: Mode, per_document: usize, most: f32) -> Vec<Place> {
        let last = self.last(query, mode, per_document);
        let unknown = self.passages.values().filter(|candidate| {
            let nearest = Candidate { vector: Some(most), ..**candidate };
            let at_most = nearest.score(mode, 0.0, None, self.number_only);
            // The number of its document may raise its score.
            candidate.document_key.is_none()
                && (!self.numbers.is_empty() || last.is_none_or(|last| at_most >= last))
        });
        unknown.map(|candidate| (candidate.project_key, candidate.chunk_key)).collect()
    }

    /// The documents of the passages.
    pub fn documents(&self) -> HashSet<i64> {
        self.passages.values().filter_map(|candidate| candidate.document_key).collect()
    }

    fn passage(&mut self, (project_key, chunk_key): Place) -> &mut Candidate {
        let unknown = Candidate { project_key, chunk_key, document_key: None, vector: None, text: None };
        self.passages.entry(chunk_key).or_insert(unknown)
    }

    /// Returns those passages without a keyword score that it may bring among the `top_k` best; it is at most `most`.
    pub fn undecided(&self, query: &Search, mode: Mode, per_document: usize, most: f32) -> Vec<Place> {
        if self.passages.values().all(|candidate| candidate.text.is_some()) {
            return Vec::new();
        }
        let last = self.last(query, mode, per_document);
        let mut scored = self.scored(mode, most);
        scored
            .retain(|scored| scored.candidate.text.is_none() && last.is_none_or(|last| scored.score >= last));
        scored.iter().map(|scored| (scored.candidate.project_key, scored.candidate.chunk_key)).collect()
    }

    /// Returns the score of the last of the `top_k` best passages by what is known so far; `None` if there are fewer.
    fn last(&self, query: &Search, mode: Mode, per_document: usize) -> Option<f32> {
        let known = self.scored(mode, 0.0);
        let last = best_of_each_document(known, per_document).nth(usize::from(query.top_k).saturating_sub(1));
        last.map(|last| last.score)
    }

    /// Returns the scores of the passages. `missing` is the keyword score of those that have none.
    fn scored(&self, mode: Mode, missing: f32) -> Vec<Scored> {
        // A passage without a document was not looked up, or it had been removed by then.
        let score = |candidate: &Candidate| {
            let document_key = candidate.document_key?;
            let number = self.numbers.get(&document_key).copied();
            let number = number.filter(|_| mode != Mode::Vector);
            let score = candidate.score(mode, missing, number, self.number_only);
            Some(Scored { candidate: *candidate, document_key, score })
        };
        self.passages.values().filter_map(score).collect()
    }

    /// Returns the best passages of each document, the best of all first. Of the `top_k` best, only those of the first
    /// `max_documents` documents are kept. `mode` selects the scores that count: if one leg is missing, only those of the
    /// other leg.
    pub fn rank(&self, query: &Search, mode: Mode, per_document: usize, max_documents: usize) -> Vec<Scored> {
        let scored = self.scored(mode, 0.0);
        let mut first = HashSet::new();
        best_of_each_document(scored, per_document)
            .filter(|scored| !query.strict || quality(scored.score) > MatchQuality::Low)
            .take(usize::from(query.top_k))
            .filter(|Scored { document_key, .. }| {
                first.contains(document_key) || first.len() < max_documents && first.insert(*document_key)
            })
            .collect()
    }
}

/// Returns the best passages of each document, the best of all first; equal scores have a fixed order.
fn best_of_each_document(mut scored: Vec<Scored>, per_document: usize) -> impl Iterator<Item = Scored> {
    scored.sort_by(|a, b| {
        b.score.total_cmp(&a.score).then_with(|| a.candidate.chunk_key.cmp(&b.candidate.chunk_key))
    });
    let mut taken: HashMap<i64, usize> = HashMap::new();
    scored.into_iter().filter(move |scored| {
        let taken = taken.entry(scored.document_key).or_default();
        *taken += 1;
        *taken <= per_document
    })
}

/// Returns the old system's label for the quality of a match.
pub fn quality(score: f32) -> MatchQuality {
    match score {
        score if score >= 0.80 => MatchQuality::Excellent,
        score if score >= 0.65 => MatchQuality::VeryGood,
        score if score >= 0.50 => MatchQuality::Good,
        score if score >= 0.35 => MatchQuality::Moderate,
        _ => MatchQuality::Low,
    }
}

#[cfg(test)]
mod tests;
