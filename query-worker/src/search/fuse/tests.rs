use documents::index::Found;
use schemas::Scope;

use super::*;
use crate::search::{Hit, hybrid};

fn candidate(vector: f32, text: f32) -> Candidate {
    Candidate { project_key: 1, chunk_key: 1, document_key: Some(1), vector: Some(vector), text: Some(text) }
}

#[test]
fn scores_stay_between_nothing_and_one() {
    for vector in [-1.0, 0.0, 0.5, 0.9, 1.0] {
        for text in [0.0, 0.5, 1.0] {
            for number in [None, Some(0.1), Some(1.0)] {
                for mode in [Mode::Hybrid, Mode::Vector, Mode::Keyword] {
                    for number_only in [true, false] {
                        let score = candidate(vector, text).score(mode, 0.0, number, number_only);
                        assert!((0.0..=1.0).contains(&score), "{score}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_more_similar_of_two_very_similar_passages_is_first() {
    // In the opposite order of their keys, by which equal scores are sorted.
    let similar = [0.93, 0.94, 0.95, 0.99];
    let mut candidates = Candidates::default();
    for (key, vector) in (1..).zip(similar) {
        candidates.add((1, key), key, Some(vector));
    }
    for mode in [Mode::Vector, Mode::Hybrid] {
        let best = candidates.rank(&hybrid(Scope::All, "losa", 10), mode, 1, 10);
        let keys: Vec<i64> = best.iter().map(|scored| scored.candidate.chunk_key).collect();
        assert_eq!(keys, [4, 3, 2, 1], "{mode:?}");
    }
    assert!((meaning(1.0) - 1.0).abs() < 1e-6 && meaning(0.5) == 0.0);
}

#[test]
fn scores_above_the_bend_are_still_in_order() {
    let scores = [0.0, 0.5, 0.95, 1.0, 1.3, 1.8].map(|score| up_to_one(score, 1.9));
    assert!(scores.is_sorted_by(|a, b| a < b) && scores[1] == 0.5, "{scores:?}");
    assert!(up_to_one(100.0, 1.9) <= 1.0);
}

#[test]
fn a_typed_document_number_beats_any_text() {
    let named = candidate(0.7, 0.0).score(Mode::Hybrid, 0.0, Some(1.0), true);
    assert!(named > candidate(0.95, 0.99).score(Mode::Hybrid, 0.0, None, true));
    assert!(named > candidate(0.95, 0.99).score(Mode::Hybrid, 0.0, Some(0.4), true));
}

#[test]
fn one_passage_a_document_and_the_best_first() {
    let scored: Vec<Scored> = [(1, 10, 0.2), (2, 10, 0.9), (3, 20, 0.5)]
        .map(|(chunk_key, document_key, score)| {
            let candidate = Candidate {
                project_key: 1,
                chunk_key,
                document_key: Some(document_key),
                vector: None,
                text: Some(score),
            };
            Scored { candidate, document_key, score }
        })
        .to_vec();
    let keys = |per_document| {
        let best = best_of_each_document(scored.clone(), per_document);
        best.map(|scored| scored.candidate.chunk_key).collect::<Vec<_>>()
    };
    assert_eq!(keys(1), [2, 3]);
    assert_eq!(keys(2), [2, 3, 1]);
}

#[test]
fn a_removed_passage_does_not_take_the_place_of_a_new_one() {
    let query = hybrid(Scope::All, "PL-AR-000400", 10);
    let mut candidates = Candidates::default();
    candidates.add_keywords(&[Found { project_key: 1, chunk_key: 1, score: 1.0 }]);
    candidates.add_numbers(&query, &[Hit { project_key: 1, chunk_key: 1, document_key: 10, score: 1.0 }]);
    // The vector leg sees a later moment, in which its document has only the new passage.
    candidates.add((1, 2), 10, Some(0.8));
    let best = candidates.rank(&query, Mode::Hybrid, 1, 10);
    let keys: Vec<i64> = best.iter().map(|scored| scored.candidate.chunk_key).collect();
    assert_eq!(keys, [2]);
}

#[test]
fn a_number_that_no_document_has_lowers_no_score() {
    let scores = |query| {
        let query = hybrid(Scope::All, query, 10);
        let mut candidates = Candidates::default();
        candidates.add((1, 1), 10, Some(0.9));
        candidates.add_numbers(&query, &[]);
        let best = candidates.rank(&query, Mode::Hybrid, 1, 10);
        best.iter().map(|scored| scored.score).collect::<Vec<_>>()
    };
    assert_eq!(scores("PL-AR-000400"), scores("losa"));
}

#[test]
fn passages_of_further_documents_are_left_out() {
    let mut candidates = Candidates::default();
    for (chunk_key, document_key, vector) in [(1, 10, 0.9), (2, 20, 0.89), (3, 30, 0.88), (4, 10, 0.87)] {
        candidates.add((1, chunk_key), document_key, Some(vector));
    }
    let best = candidates.rank(&hybrid(Scope::All, "losa", 10), Mode::Hybrid, 2, 2);
    let keys: Vec<i64> = best.iter().map(|scored| scored.candidate.chunk_key).collect();
    assert_eq!(keys, [1, 2, 4]);
}

#[test]
fn a_missing_keyword_score_is_looked_up_only_where_it_may_count() {
    let mut candidates = Candidates::default();
    for (key, vector) in [(1, 0.9), (2, 0.89), (3, 0.88), (4, 0.8)] {
        candidates.add((1, key), key, Some(vector));
    }
    candidates.add_keywords(&[1, 2].map(|chunk_key| Found { project_key: 1, chunk_key, score: 0.5 }));
    let undecided = |top_k, most| {
        let mut keys = candidates.undecided(&hybrid(Scope::All, "losa", top_k), Mode::Hybrid, 1, most);
        keys.sort_unstable();
        keys.into_iter().map(|(_, key)| key).collect::<Vec<_>>()
    };
    assert_eq!(undecided(2, 0.4), [] as [i64; 0], "two others are better, whatever its words are worth");
    assert_eq!(undecided(2, 0.7), [3]);
    assert_eq!(undecided(10, 0.4), [3, 4], "there is room for all");
}

#[test]
fn a_passage_with_the_words_is_looked_up_only_where_its_meaning_may_count() {
    let mut candidates = Candidates::default();
    for (key, vector) in [(1, 0.9), (2, 0.89), (3, 0.85)] {
        candidates.add((1, key), key, Some(vector));
    }
    let found = |chunk_key, score| Found { project_key: 1, chunk_key, score };
    candidates.add_keywords(&[found(1, 0.5), found(4, 0.9), found(5, 0.2)]);
    let unknown = |candidates: &Candidates, top_k, most| {
        let mut keys = candidates.unknown(&hybrid(Scope::All, "losa", top_k), Mode::Hybrid, 1, most);
        keys.sort_unstable();
        keys.into_iter().map(|(_, key)| key).collect::<Vec<_>>()
    };
    assert_eq!(unknown(&candidates, 2, 0.8), [] as [i64; 0], "two others are better, however near it is");
    assert_eq!(unknown(&candidates, 2, 0.85), [4]);
    assert_eq!(unknown(&candidates, 10, 0.0), [4, 5], "there is room for all");
    let named = Hit { project_key: 1, chunk_key: 6, document_key: 6, score: 1.0 };
    candidates.add_numbers(&hybrid(Scope::All, "losa", 2), &[named]);
    assert_eq!(
        unknown(&candidates, 2, 0.0),
        [4, 5, 6],
        "any of them may be of the document with that number"
    );
}

#[test]
fn what_is_not_looked_up_would_not_be_among_the_best() {
    let mut state = 7_u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut left_out = 0;
    for _ in 0..2_000 {
        let most = 0.74 + random(16) as f32 / 100.0;
        let near: Vec<_> =
            (0..random(12)).map(|key| (key, random(8), most + random(9) as f32 / 100.0)).collect();
        let others: Vec<_> =
            (100..100 + random(12)).map(|key| (key, random(12), most - random(9) as f32 / 100.0)).collect();
        let words: Vec<_> =
            near.iter().chain(&others).map(|(key, ..)| (*key, random(100) as f32 / 100.0)).collect();
        let has_number = random(4) == 0;
        let query = ["losa", "PL-AR-000400"][random(2) as usize];
        let query = Search { strict: random(2) == 0, ..hybrid(Scope::All, query, 1 + random(6) as u8) };
        let per_document = [1, 3][random(2) as usize];
        let mode = [Mode::Hybrid, Mode::Keyword][random(2) as usize];

        let ranked = |looked_up: &dyn Fn(&Candidates) -> Vec<Place>| {
            let mut candidates = Candidates::default();
            let found =
                |(key, score): &(u64, f32)| Found { project_key: 1, chunk_key: *key as i64, score: *score };
            let number = Hit { project_key: 1, chunk_key: 200, document_key: 3, score: 0.7 };
            let numbers: &[Hit] = if has_number { &[number] } else { &[] };
            candidates.add_keywords(&words.iter().map(found).collect::<Vec<_>>());
            candidates.add_numbers(&query, numbers);
            for (key, document, similarity) in &near {
                candidates.add((1, *key as i64), *document as i64, Some(*similarity));
            }
            let places = looked_up(&candidates);
            for (key, document, similarity) in &others {
                if places.contains(&(1, *key as i64)) {
                    candidates.add((1, *key as i64), *document as i64, Some(*similarity));
                }
            }
            let best = candidates.rank(&query, mode, per_document, 10);
            (best.iter().map(|scored| scored.candidate.chunk_key).collect::<Vec<_>>(), places.len())
        };
        let (some, looked_up) = ranked(&|candidates| candidates.unknown(&query, mode, per_document, most));
        let (all, _) = ranked(&|_| others.iter().map(|(key, ..)| (1, *key as i64)).collect());
        assert_eq!(some, all);
        left_out += others.len().saturating_sub(looked_up);
    }
    assert!(left_out > 1_000, "{left_out}");
}
