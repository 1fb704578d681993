//! Quality measures of a ranking, defined as in trec_eval, so that the figures can be compared with published ones.

use std::collections::HashMap;

/// The names of the measures:
///
/// - nDCG: the sum of each grade divided by the logarithm of its rank, as a share of the sum for the best order.
/// - MRR: the reciprocal rank of the first relevant document, if it is among the first ten.
/// - Recall: the share of the relevant documents that are among the first 1, 5, 10 or 100 results.
pub const NAMES: [&str; 6] = ["ndcg@10", "mrr@10", "recall@1", "recall@5", "recall@10", "recall@100"];

/// The value of each measure, in the order of their names.
pub type Scores = [f64; NAMES.len()];

/// Computes the scores of a ranking, best first, from the grades of the judged documents.
pub fn of(found: &[String], relevant: &HashMap<String, u32>) -> Scores {
    let grades: Vec<u32> = found.iter().map(|id| relevant.get(id).copied().unwrap_or(0)).collect();
    let mut best: Vec<u32> = relevant.values().copied().filter(|grade| *grade > 0).collect();
    best.sort_unstable_by(|a, b| b.cmp(a));
    let recall = |depth: usize| {
        let hits = grades.iter().take(depth).filter(|grade| **grade > 0).count();
        share(hits as f64, best.len() as f64)
    };
    let first = grades.iter().take(10).position(|grade| *grade > 0);
    let ndcg = share(gain(&grades), gain(&best));
    let mrr = first.map_or(0.0, |rank| 1.0 / (rank + 1) as f64);
    [ndcg, mrr, recall(1), recall(5), recall(10), recall(100)]
}

/// Returns the mean over all queries.
pub fn mean(all: &[Scores]) -> Scores {
    std::array::from_fn(|at| share(all.iter().map(|scores| scores[at]).sum(), all.len() as f64))
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
