//! Deletes the postings of removed passages from the blocks.

use schemas::ProjectId;
use sqlx::PgPool;

use super::{
    block::{self, Block, Posting},
    merge::{SLICE, begin_next, remove, write},
};
use crate::scope::ProjectTx;

/// Each slice of terms is purged in its own transaction. Searches ignore the removed passages until all slices are
/// done. So a purge does not end when others work on the project in between: the next one would begin with the first term
/// again, and in a busy project none would reach the last one.
pub async fn purge(pool: &PgPool, project: &ProjectId, mut tx: ProjectTx) -> sqlx::Result<()> {
    let mut dead: Vec<i64> = sqlx::query_scalar("SELECT chunk_key FROM posting_dead WHERE project_key = $1")
        .bind(tx.project)
        .fetch_all(&mut *tx)
        .await?;
    dead.sort_unstable();
    let mut after = String::new();
    while let Some(last) = purge_slice(&mut tx, &dead, &after).await? {
        after = last;
        tx.commit().await?;
        let Some(next) = begin_next(pool, project).await? else { return Ok(()) };
        tx = next;
    }
    sqlx::query("DELETE FROM posting_dead WHERE project_key = $1 AND chunk_key = ANY($2)")
        .bind(tx.project)
        .bind(&dead)
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

/// Purges a slice of the terms that follow `after`. Returns the last term of the slice, or `None` if there
/// are no more terms.
async fn purge_slice(tx: &mut ProjectTx, dead: &[i64], after: &str) -> sqlx::Result<Option<String>> {
    let last: Option<String> = sqlx::query_scalar(
        "SELECT max(term) FROM (SELECT term FROM posting WHERE project_key = $1 AND term > $2
                                ORDER BY term LIMIT $3) AS slice",
    )
    .bind(tx.project)
    .bind(after)
    .bind(i64::try_from(SLICE).unwrap_or(i64::MAX))
    .fetch_one(&mut **tx)
    .await?;
    let Some(last) = last else { return Ok(None) };
    let blocks: Vec<(String, i64, i64, Vec<u8>)> = sqlx::query_as(
        "SELECT term, first, last, data FROM posting WHERE project_key = $1 AND term > $2 AND term <= $3",
    )
    .bind(tx.project)
    .bind(after)
    .bind(&last)
    .fetch_all(&mut **tx)
    .await?;
    let is_dead = |chunk: i64| dead.binary_search(&chunk).is_ok();
    let (mut gone, mut changed) = (Vec::new(), Vec::new());
    for (term, first, last, data) in &blocks {
        let from = dead.partition_point(|chunk| chunk < first);
        if dead.get(from).is_none_or(|chunk| chunk > last) {
            continue;
        }
        let alive: Vec<Posting> =
            block::postings(*first, data).filter(|posting| !is_dead(posting.chunk)).collect();
        let block = Block::of(&alive);
        if block.as_ref().is_none_or(|block| block.first != *first) {
            gone.push((term.as_str(), *first));
        }
        changed.extend(block.map(|block| (term.as_str(), block)));
    }
    remove(tx, &gone).await?;
    write(tx, &changed).await?;
    Ok(Some(last))
}
