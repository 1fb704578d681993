//! The weight of a term in a chunk (Okapi BM25).
//!
//! The parameters are the best of a grid over XQuAD-es (240 paragraphs, 1,190 questions; `examples/bm25.rs` repeats it):
//! recall@1 0.941 and MRR@10 0.962. The usual k1 = 1.2 gives 0.960, so little hangs on them.

/// How soon repeating a word stops helping.
pub const K1: f64 = 0.9;

/// How much a long chunk is held against it.
pub const B: f64 = 0.75;

/// The rarity of a term that `with_term` of `chunks` chunks contain.
pub fn idf(chunks: u64, with_term: u64) -> f64 {
    let (chunks, with_term) = (chunks.max(with_term) as f64, with_term as f64);
    (1.0 + (chunks - with_term + 0.5) / (with_term + 0.5)).ln()
}

/// The weight of a term found `frequency` times in a chunk of `length` terms, where chunks have `average_length`.
pub fn weight(idf: f64, frequency: u32, length: u32, average_length: f64) -> f64 {
    let frequency = f64::from(frequency);
    let relative_length = f64::from(length) / average_length.max(1.0);
    idf * frequency * (K1 + 1.0) / (frequency + K1 * (1.0 - B + B * relative_length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_short_and_frequent_win() {
        assert!(idf(100, 1) > idf(100, 50) && idf(100, 100) > 0.0);
        assert!(weight(1.0, 2, 10, 10.0) > weight(1.0, 1, 10, 10.0));
        assert!(weight(1.0, 1, 5, 10.0) > weight(1.0, 1, 50, 10.0));
        assert!(weight(1.0, 1, 0, 0.0).is_finite());
    }
}
