//! Checks that the index contains every word of every passage.

use std::collections::HashMap;

use sqlx::PgConnection;

use super::{block, pending};

/// Returns the passages of a project whose postings do not add up to their length. It reads the whole index, in a
/// transaction with one snapshot.
pub async fn wrong(tx: &mut PgConnection, project_key: i32) -> sqlx::Result<Vec<i64>> {
    let mut found: HashMap<i64, i64> = HashMap::new();
    let blocks: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT first, data FROM posting WHERE project_key = $1")
            .bind(project_key)
            .fetch_all(&mut *tx)
            .await?;
    let waiting: Vec<Vec<u8>> = sqlx::query_scalar("SELECT data FROM posting_pending WHERE project_key = $1")
        .bind(project_key)
        .fetch_all(&mut *tx)
        .await?;
    let mut count = |posting: block::Posting| {
        *found.entry(posting.chunk).or_default() += i64::from(posting.frequency);
    };
    for (first, data) in &blocks {
        block::postings(*first, data).for_each(&mut count);
    }
    for data in &waiting {
        pending::decode(data, |_| true, |_, posting| count(posting));
    }
    let passages: Vec<(i64, i32)> = sqlx::query_as("SELECT key, terms FROM chunk WHERE project_key = $1")
        .bind(project_key)
        .fetch_all(tx)
        .await?;
    let is_wrong =
        |(key, terms): &(i64, i32)| found.get(key).copied().unwrap_or_default() != i64::from(*terms);
    Ok(passages.into_iter().filter(is_wrong).map(|(key, _)| key).collect())
}
