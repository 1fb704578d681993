//! The parameters of the Okapi BM25 ranking function, and the weight of a rare term.
//!
//! The parameters gave the best result of a grid search on XQuAD-es (240 paragraphs, 1,190 questions): recall@1 0.941
//! and MRR@10 0.962. With the usual k1 = 1.2, MRR@10 is 0.960, so the choice matters little.

/// BM25's k1, the saturation of term frequency: the lower it is, the less a repeated word adds to the score.
pub const K1: f64 = 0.9;

/// BM25's b, the length normalization: how much the score of a long chunk is reduced, from 0 (not at all) to 1.
pub const B: f64 = 0.75;

/// The inverse document frequency of a term: `with_term` of all `chunks` chunks contain the term.
pub fn idf(chunks: u64, with_term: u64) -> f64 {
    let (chunks, with_term) = (chunks.max(with_term) as f64, with_term as f64);
    (1.0 + (chunks - with_term + 0.5) / (with_term + 0.5)).ln()
}

/// What a term adds to the score of a chunk, before the multiplication by [`idf`]. The weight grows with the
/// frequency of the term in the chunk, and falls with the ratio of the chunk's length to the average length.
pub fn weight(frequency: f64, length: f64, average: f64) -> f64 {
    frequency * (K1 + 1.0) / (frequency + K1 * (1.0 - B + B * length / average))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rarer_term_weighs_more_and_each_weighs_something() {
        assert!(idf(100, 1) > idf(100, 50) && idf(100, 100) > 0.0);
    }

    #[test]
    fn a_term_weighs_more_when_it_is_repeated_and_less_in_a_long_chunk() {
        let once = weight(1.0, 50.0, 50.0);
        assert!((once - 1.0).abs() < 1e-9);
        assert!(weight(2.0, 50.0, 50.0) > once && weight(1.0, 100.0, 50.0) < once);
        assert!(weight(1_000.0, 50.0, 50.0) < K1 + 1.0);
    }
}
