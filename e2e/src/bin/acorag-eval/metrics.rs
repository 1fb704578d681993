//! How good a ranking is. The definitions are trec_eval's, so the figures compare with published ones.

use std::collections::HashMap;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// Gain (the grade) over the logarithm of the rank, as a share of the best order's.
    pub ndcg_10: f64,
    /// One over the rank of the first relevant document, if that is among ten.
    pub mrr_10: f64,
    /// The share of the relevant documents that is among so many.
    pub recall_1: f64,
    pub recall_5: f64,
    pub recall_10: f64,
    pub recall_100: f64,
}

impl Scores {
    /// Scores one ranking, best first, against the grades of the judged documents.
    pub fn of(found: &[String], relevant: &HashMap<String, u32>) -> Self {
        let grades: Vec<u32> = found.iter().map(|id| relevant.get(id).copied().unwrap_or(0)).collect();
        let mut best: Vec<u32> = relevant.values().copied().filter(|grade| *grade > 0).collect();
        best.sort_unstable_by(|a, b| b.cmp(a));
        let recall = |depth: usize| {
            let hits = grades.iter().take(depth).filter(|grade| **grade > 0).count();
            share(hits as f64, best.len() as f64)
        };
        let first = grades.iter().take(10).position(|grade| *grade > 0);
        Self {
            ndcg_10: share(gain(&grades), gain(&best)),
            mrr_10: first.map_or(0.0, |rank| 1.0 / (rank + 1) as f64),
            recall_1: recall(1),
            recall_5: recall(5),
            recall_10: recall(10),
            recall_100: recall(100),
        }
    }

    /// The mean over all queries.
    pub fn mean(all: &[&Self]) -> Self {
        let mean =
            |score: fn(&Self) -> f64| share(all.iter().map(|scores| score(scores)).sum(), all.len() as f64);
        Self {
            ndcg_10: mean(|scores| scores.ndcg_10),
            mrr_10: mean(|scores| scores.mrr_10),
            recall_1: mean(|scores| scores.recall_1),
            recall_5: mean(|scores| scores.recall_5),
            recall_10: mean(|scores| scores.recall_10),
            recall_100: mean(|scores| scores.recall_100),
        }
    }
}

/// The value below which a share of the sorted values lies: one of them, not a mean of two.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(0.0)
}

fn gain(grades: &[u32]) -> f64 {
    grades
        .iter()
        .take(10)
        .enumerate()
        .map(|(rank, grade)| f64::from(*grade) / (rank as f64 + 2.0).log2())
        .sum()
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(found: &str, relevant: &[(&str, u32)]) -> Scores {
        let found: Vec<_> = found.split_whitespace().map(str::to_owned).collect();
        Scores::of(&found, &relevant.iter().map(|(id, grade)| ((*id).to_owned(), *grade)).collect())
    }

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }

    #[test]
    fn one_relevant_document_in_third_place() {
        let scores = scores("a b c d", &[("c", 1)]);
        near(scores.mrr_10, 1.0 / 3.0);
        near(scores.ndcg_10, 0.5); // 1 / log2(4), and the best order has 1 / log2(2)
        assert_eq!((scores.recall_1, scores.recall_5, scores.recall_10), (0.0, 1.0, 1.0));
    }

    #[test]
    fn grades_weigh_and_an_unfound_document_costs() {
        let scores = scores("b x a", &[("a", 3), ("b", 1), ("c", 2), ("d", 0)]);
        // Found: 1/1 + 3/2 = 2.5. Best, 3 2 1: 3/1 + 2/1.5849625 + 1/2 = 4.7618595.
        near(scores.ndcg_10, 2.5 / 4.761_859_5);
        near(scores.mrr_10, 1.0);
        near(scores.recall_1, 1.0 / 3.0);
        near(scores.recall_5, 2.0 / 3.0);
    }

    #[test]
    fn the_eleventh_counts_only_for_the_deep_recall() {
        let scores = scores("1 2 3 4 5 6 7 8 9 10 a", &[("a", 1)]);
        let expected = Scores { recall_100: 1.0, ..Scores::default() };
        assert_eq!(scores, expected);
    }

    #[test]
    fn a_document_judged_irrelevant_is_no_hit() {
        assert_eq!(scores("a", &[("a", 0), ("b", 1)]), Scores::default());
    }

    #[test]
    fn more_than_ten_relevant_documents_can_still_be_perfect() {
        let relevant: Vec<_> =
            ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"].map(|id| (id, 1)).into();
        let scores = scores("1 2 3 4 5 6 7 8 9 10", &relevant);
        near(scores.ndcg_10, 1.0);
        near(scores.recall_10, 10.0 / 12.0);
    }

    #[test]
    fn nothing_found_and_nothing_asked() {
        assert_eq!(scores("", &[("a", 1)]), Scores::default());
        assert_eq!(Scores::mean(&[]), Scores::default());
    }

    #[test]
    fn the_mean_is_over_queries() {
        let mean = Scores::mean(&[&scores("a", &[("a", 1)]), &scores("b a", &[("a", 1)])]);
        near(mean.mrr_10, 0.75);
        near(mean.recall_1, 0.5);
        near(mean.ndcg_10, (1.0 + 1.0 / 3_f64.log2()) / 2.0);
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let times = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(
            (percentile(&times, 0.5), percentile(&times, 0.95), percentile(&times, 0.0)),
            (2.0, 4.0, 1.0)
        );
        assert_eq!((percentile(&[7.0], 0.5), percentile(&[], 0.5)), (7.0, 0.0));
    }
}
