//! Quality measures of a ranking, defined as in trec_eval, so that the figures can be compared with published ones.

use std::collections::HashMap;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// nDCG: the sum of each grade divided by the logarithm of its rank, as a share of the sum for the best order.
    pub ndcg_10: f64,
    /// The reciprocal rank of the first relevant document, if it is among the first ten.
    pub mrr_10: f64,
    /// Recall: the share of the relevant documents that are among the first 1, 5, 10 or 100 results.
    pub recall_1: f64,
    pub recall_5: f64,
    pub recall_10: f64,
    pub recall_100: f64,
}

impl Scores {
    /// Computes the scores of a ranking, best first, from the grades of the judged documents.
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

    /// Returns the mean over all queries.
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
mod tests;
