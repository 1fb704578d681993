//! Brings the legs to one scale, keeps the best passage of each document and orders them.

use std::collections::HashMap;

use analysis::codes;
use schemas::search::{MatchQuality, Mode, Search, SearchRow};
use sqlx::{Postgres, Transaction};

use super::{Hit, Nearest, keyword::Found, rows, vector};

/// Where the cosine similarities of the default model begin and end to mean something: unrelated sentences lie near
/// 0.75, a passage that answers the question near 0.9 (measured on XQuAD-es; `make eval` shows what a change does).
const UNRELATED: f32 = 0.74;
const SAME: f32 = 0.92;

/// How much meaning counts against words.
const MEANING: f32 = 0.7;

/// A query that is nothing but a number puts every document that bears it above this, and every other below.
const NUMBER_FLOOR: f32 = 0.85;
/// How far a number amid other words lifts its document.
const NUMBER_HINT: f32 = 0.5;

/// What both legs know about one passage.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    pub chunk_key: i64,
    pub document_key: i64,
    /// Cosine similarity; unknown without the vector leg.
    pub vector: Option<f32>,
    /// Share of the query's words, by rarity.
    pub text: f32,
}

#[derive(Debug, Clone, Copy)]
pub struct Scored {
    pub candidate: Candidate,
    pub score: f32,
}

impl Candidate {
    /// `number`: how much of the document's number the query names, if any.
    fn score(&self, mode: Mode, number: Option<f32>, number_only: bool) -> f32 {
        let meaning =
            self.vector.map_or(0.0, |vector| ((vector - UNRELATED) / (SAME - UNRELATED)).clamp(0.0, 1.0));
        let score = match mode {
            Mode::Hybrid => MEANING * meaning + (1.0 - MEANING) * self.text,
            Mode::Vector => meaning,
            Mode::Keyword => self.text,
        };
        match number {
            None if number_only => score * NUMBER_FLOOR,
            None => score,
            // Somebody who types a document's number, or a part of one, wants that document.
            Some(share) if number_only => NUMBER_FLOOR + (1.0 - NUMBER_FLOOR) * (0.8 * share + 0.2 * score),
            // Amid other words it is a hint, the stronger the more of the number is there.
            Some(share) => score + (1.0 - score) * NUMBER_HINT * share,
        }
    }
}

/// `mode` says what counts: with one leg missing, that is the other alone.
pub async fn fuse(
    transaction: &mut Transaction<'_, Postgres>,
    query: &Search,
    mode: Mode,
    keywords: Found,
    vectors: Option<Nearest>,
    per_document: usize,
) -> sqlx::Result<Vec<SearchRow>> {
    let mut candidates = Candidates::default();
    for hit in &keywords.passages {
        candidates.at(hit).text = hit.score;
    }
    for hit in &keywords.numbers {
        candidates.at(hit);
    }
    if let Some(Nearest { vector, hits }) = &vectors {
        for hit in hits {
            candidates.at(hit).vector = Some(hit.score);
        }
        let unknown = candidates.without_vector();
        for hit in vector::similarities(transaction, vector, &unknown).await? {
            candidates.at(&hit).vector = Some(hit.score);
        }
    }
    let numbers: HashMap<i64, f32> =
        keywords.numbers.iter().map(|hit| (hit.document_key, hit.score)).collect();
    let number_only = codes::whole_query(&query.query).is_some();
    let best = candidates.best_of_each_document(per_document, |candidate| {
        let number = numbers.get(&candidate.document_key).copied();
        candidate.score(mode, number.filter(|_| mode != Mode::Vector), number_only)
    });
    let chosen: Vec<Scored> = best
        .into_iter()
        .filter(|scored| !query.strict || quality(scored.score) > MatchQuality::Low)
        .take(usize::from(query.top_k))
        .collect();
    rows::fetch(transaction, &query.query, &chosen).await
}

#[derive(Clone, Default)]
struct Candidates(HashMap<i64, Candidate>);

impl Candidates {
    fn at(&mut self, hit: &Hit) -> &mut Candidate {
        self.0.entry(hit.chunk_key).or_insert(Candidate {
            chunk_key: hit.chunk_key,
            document_key: hit.document_key,
            vector: None,
            text: 0.0,
        })
    }

    fn without_vector(&self) -> Vec<i64> {
        self.0
            .values()
            .filter(|candidate| candidate.vector.is_none())
            .map(|candidate| candidate.chunk_key)
            .collect()
    }

    /// The best passages of each document, the best of all first. Equal scores keep a fixed order.
    fn best_of_each_document(self, per_document: usize, score: impl Fn(&Candidate) -> f32) -> Vec<Scored> {
        let mut scored: Vec<Scored> =
            self.0.into_values().map(|candidate| Scored { score: score(&candidate), candidate }).collect();
        scored.sort_by(|a, b| {
            b.score.total_cmp(&a.score).then_with(|| a.candidate.chunk_key.cmp(&b.candidate.chunk_key))
        });
        let mut taken: HashMap<i64, usize> = HashMap::new();
        scored.retain(|scored| {
            let taken = taken.entry(scored.candidate.document_key).or_default();
            *taken += 1;
            *taken <= per_document
        });
        scored
    }
}

/// The words of the old system for how good a match is.
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
mod tests {
    use super::*;

    fn candidate(vector: f32, text: f32) -> Candidate {
        Candidate { chunk_key: 1, document_key: 1, vector: Some(vector), text }
    }

    #[test]
    fn scores_stay_between_nothing_and_one() {
        for vector in [-1.0, 0.0, 0.5, 0.9, 1.0] {
            for text in [0.0, 0.5, 1.0] {
                for number in [None, Some(0.1), Some(1.0)] {
                    for mode in [Mode::Hybrid, Mode::Vector, Mode::Keyword] {
                        for number_only in [true, false] {
                            let score = candidate(vector, text).score(mode, number, number_only);
                            assert!((0.0..=1.0).contains(&score), "{score}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_typed_document_number_beats_any_text() {
        let named = candidate(0.7, 0.0).score(Mode::Hybrid, Some(1.0), true);
        assert!(named > candidate(0.95, 0.99).score(Mode::Hybrid, None, true));
        assert!(named > candidate(0.95, 0.99).score(Mode::Hybrid, Some(0.4), true));
    }

    #[test]
    fn one_passage_a_document_and_the_best_first() {
        let mut candidates = Candidates::default();
        for (chunk_key, document_key, text) in [(1, 10, 0.2), (2, 10, 0.9), (3, 20, 0.5)] {
            candidates.at(&Hit { chunk_key, document_key, score: 0.0 }).text = text;
        }
        let keys = |per_document| {
            let best = candidates.clone().best_of_each_document(per_document, |candidate| candidate.text);
            best.iter().map(|scored| scored.candidate.chunk_key).collect::<Vec<_>>()
        };
        assert_eq!(keys(1), [2, 3]);
        assert_eq!(keys(2), [2, 3, 1]);
    }
}
