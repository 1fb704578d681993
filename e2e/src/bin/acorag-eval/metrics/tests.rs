use super::*;

fn scores(found: &str, relevant: &[(&str, u32)]) -> Scores {
    let found: Vec<_> = found.split_whitespace().map(str::to_owned).collect();
    of(&found, &relevant.iter().map(|(id, grade)| ((*id).to_owned(), *grade)).collect())
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
}

#[test]
fn one_relevant_document_in_third_place() {
    let [ndcg, mrr, recall_1, recall_5, recall_10, _] = scores("a b c d", &[("c", 1)]);
    near(mrr, 1.0 / 3.0);
    near(ndcg, 0.5); // 1 / log2(4), and the best order has 1 / log2(2)
    assert_eq!((recall_1, recall_5, recall_10), (0.0, 1.0, 1.0));
}

#[test]
fn grades_count_and_a_missing_document_lowers_the_score() {
    let [ndcg, mrr, recall_1, recall_5, ..] = scores("b x a", &[("a", 3), ("b", 1), ("c", 2), ("d", 0)]);
    // Found: 1/1 + 3/2 = 2.5. Best, 3 2 1: 3/1 + 2/1.5849625 + 1/2 = 4.7618595.
    near(ndcg, 2.5 / 4.761_859_5);
    near(mrr, 1.0);
    near(recall_1, 1.0 / 3.0);
    near(recall_5, 2.0 / 3.0);
}

#[test]
fn the_eleventh_counts_only_for_the_deep_recall() {
    assert_eq!(scores("1 2 3 4 5 6 7 8 9 10 a", &[("a", 1)]), [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn a_document_judged_irrelevant_is_no_hit() {
    assert_eq!(scores("a", &[("a", 0), ("b", 1)]), [0.0; 6]);
}

#[test]
fn more_than_ten_relevant_documents_can_still_be_perfect() {
    let relevant: Vec<_> =
        ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"].map(|id| (id, 1)).into();
    let [ndcg, _, _, _, recall_10, _] = scores("1 2 3 4 5 6 7 8 9 10", &relevant);
    near(ndcg, 1.0);
    near(recall_10, 10.0 / 12.0);
}

#[test]
fn nothing_found_scores_zero() {
    assert_eq!(scores("", &[("a", 1)]), [0.0; 6]);
    assert_eq!(mean(&[]), [0.0; 6]);
}

#[test]
fn the_mean_is_over_queries() {
    let [ndcg, mrr, recall_1, ..] = mean(&[scores("a", &[("a", 1)]), scores("b a", &[("a", 1)])]);
    near(mrr, 0.75);
    near(recall_1, 0.5);
    near(ndcg, f64::midpoint(1.0, 1.0 / 3_f64.log2()));
}
