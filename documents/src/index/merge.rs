//! Moves the words of new documents into the blocks.

use std::collections::{BTreeMap, HashSet};

use schemas::{ProjectId, Scope};
use sqlx::PgPool;

use super::{
    block::{self, Block, Posting},
    pending,
    purge::purge,
};
use crate::{
    row::be_patient,
    scope::{self, ProjectTx, Tx},
};

/// Returns the number of unmerged passages at which a project is merged. Until then every search in this project reads
/// them completely. A large project may have more of them, because merging into it costs more.
fn due(chunks: i64) -> i64 {
    (chunks / 64).clamp(64, 1_024)
}

/// Number of unmerged passages of all projects together at which those projects are merged that have the most of them: a
/// search in all projects reads them all.
const MOST_WAITING: i64 = 2_048;
/// Approximate maximum number of passages that one transaction merges.
const AT_ONCE: i64 = 8_192;
/// Number of removed passages at which even the largest project is purged, and all projects together, because each search
/// reads their keys.
const MOST_DEAD: i64 = 4_096;
/// With fewer removed passages than this, a project is not purged for its own sake: it is not worth the cost.
const LEAST_DEAD: i64 = 256;
/// Approximate maximum number of blocks that one statement reads or writes.
pub const SLICE: usize = 4_096;

/// Merges and purges a project if it is due. If a call is interrupted, the next call continues its work. While one call
/// works on a project, other calls for it return at once.
pub async fn tidy(pool: &PgPool, project: &ProjectId) -> sqlx::Result<()> {
    tidy_at(pool, project, due).await
}

/// Like [`tidy`], but `due` returns the number of unmerged passages at which a project is merged.
pub async fn tidy_at(pool: &PgPool, project: &ProjectId, due: fn(i64) -> i64) -> sqlx::Result<()> {
    while let Some((mut tx, work)) = begin(pool, project).await? {
        if work.waiting >= due(work.chunks) && merge(&mut tx).await? {
            tx.commit().await?;
        } else if work.dead >= (work.chunks / 10).clamp(LEAST_DEAD, MOST_DEAD) {
            return purge(pool, project, tx).await;
        } else {
            return Ok(());
        }
    }
    Ok(())
}

/// Merges the projects that are due, because a call for one of them returns at once while another one works on it, and merges
/// and purges those with the most to do if all projects together have too much of it.
pub async fn tidy_all(pool: &PgPool) -> sqlx::Result<()> {
    let mut tx = scope::begin(pool, &Scope::All).await?;
    let waiting = sqlx::query_as::<_, (String, i64, i64)>(
        "SELECT id, sum(passages)::bigint AS waiting, chunks FROM posting_pending JOIN project ON key = project_key
         GROUP BY id, chunks ORDER BY waiting DESC",
    );
    let (late, others): (Vec<_>, Vec<_>) = waiting
        .fetch_all(&mut *tx)
        .await?
        .into_iter()
        .partition(|(_, waiting, chunks)| *waiting >= due(*chunks));
    let late = late.into_iter().filter_map(|(project, ..)| project.parse().ok());
    let others = others.into_iter().map(|(project, waiting, _)| (project, waiting)).collect();
    let waiting = late.chain(most(others, MOST_WAITING));
    let dead = sqlx::query_as(
        "SELECT id, count(*) AS dead FROM posting_dead JOIN project ON key = project_key GROUP BY id ORDER BY dead DESC",
    );
    let dead = most(dead.fetch_all(&mut *tx).await?, MOST_DEAD);
    drop(tx);
    let mut result = Ok(());
    for project in waiting {
        // A merge that fails keeps no other project waiting.
        result = merge_once(pool, &project).await.and(result);
    }
    for project in dead {
        let purged = async {
            match begin(pool, &project).await? {
                Some((tx, work)) if work.dead > 0 => purge(pool, &project, tx).await,
                _ => Ok(()),
            }
        };
        result = purged.await.and(result);
    }
    result
}

/// Merges what waits in a project now. What comes meanwhile waits for the next call, as commits may come faster than merges.
async fn merge_once(pool: &PgPool, project: &ProjectId) -> sqlx::Result<()> {
    if let Some((mut tx, _)) = begin(pool, project).await?
        && merge(&mut tx).await?
    {
        tx.commit().await?;
    }
    Ok(())
}

/// Returns the first of these projects, without which the counts of the others are at most half of `limit` together; none if
/// the counts of all are below it.
fn most(projects: Vec<(String, i64)>, limit: i64) -> Vec<ProjectId> {
    let mut left: i64 = projects.iter().map(|(_, count)| count).sum();
    if left < limit {
        return Vec::new();
    }
    let first = projects.into_iter().take_while(|(_, count)| {
        let is_taken = left > limit / 2;
        left -= count;
        is_taken
    });
    first.filter_map(|(project, _)| project.parse().ok()).collect()
}

#[derive(sqlx::FromRow)]
struct Work {
    locked: bool,
    project_key: i32,
    chunks: i64,
    /// Number of passages whose words are not merged.
    waiting: i64,
    /// Number of removed passages.
    dead: i64,
}

/// Begins a transaction in which nobody else merges or purges this project; `None` if somebody else is doing so.
async fn begin(pool: &PgPool, project: &ProjectId) -> sqlx::Result<Option<(ProjectTx, Work)>> {
    try_lock(scope::begin(pool, &Scope::Projects(vec![project.clone()])).await?, project).await
}

/// Begins the next transaction of a purge. It waits for its turn, and nobody else gets one while somebody waits: so it merges
/// what has become due.
pub async fn begin_next(pool: &PgPool, project: &ProjectId) -> sqlx::Result<Option<ProjectTx>> {
    let mut tx = scope::begin(pool, &Scope::Projects(vec![project.clone()])).await?;
    be_patient(&mut tx).await?;
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('posting', key)) FROM project WHERE id = $1")
        .bind(project.as_str())
        .execute(&mut *tx)
        .await?;
    let Some((mut tx, work)) = try_lock(tx, project).await? else { return Ok(None) };
    if work.waiting >= due(work.chunks) {
        merge(&mut tx).await?;
    }
    Ok(Some(tx))
}

async fn try_lock(mut tx: Tx, project: &ProjectId) -> sqlx::Result<Option<(ProjectTx, Work)>> {
    // Another transaction may hold the lock for long, so only a purge that has begun waits for it.
    let work: Option<Work> = sqlx::query_as(
        "SELECT pg_try_advisory_xact_lock(hashtextextended('posting', key)) AS locked, key AS project_key, chunks,
                (SELECT coalesce(sum(passages), 0)::bigint FROM posting_pending WHERE project_key = key) AS waiting,
                (SELECT count(*) FROM posting_dead WHERE project_key = key) AS dead
         FROM project WHERE id = $1",
    )
    .bind(project.as_str())
    .fetch_optional(&mut *tx)
    .await?;
    Ok(work.filter(|work| work.locked).map(|work| (ProjectTx { tx, project: work.project_key }, work)))
}

/// Merges unmerged words; returns false if there were none, or all were locked.
async fn merge(tx: &mut ProjectTx) -> sqlx::Result<bool> {
    // A locked row belongs to a document that is being replaced or deleted. It is skipped, because that transaction may
    // wait for another row that this one has locked.
    let rows: Vec<Vec<u8>> = sqlx::query_scalar(
        "WITH taken AS (
             SELECT project_key, document_key, first FROM (
                 SELECT project_key, document_key, first,
                        sum(passages) OVER (ORDER BY document_key GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
                            AS before
                 FROM posting_pending WHERE project_key = $1) AS counted
             WHERE coalesce(before, 0) < $2),
         locked AS (
             SELECT p.project_key, p.document_key, p.first FROM posting_pending p
             JOIN taken USING (project_key, document_key, first) FOR UPDATE OF p SKIP LOCKED)
         DELETE FROM posting_pending p USING locked l
         WHERE p.project_key = l.project_key AND p.document_key = l.document_key AND p.first = l.first
         RETURNING p.data",
    )
    .bind(tx.project)
    .bind(AT_ONCE)
    .fetch_all(&mut **tx)
    .await?;
    let mut terms: BTreeMap<&str, Vec<Posting>> = BTreeMap::new();
    for data in &rows {
        pending::decode(data, |_| true, |term, posting| terms.entry(term).or_default().push(posting));
    }
    let mut terms: Vec<(&str, Vec<Posting>)> = terms.into_iter().collect();
    for slice in terms.chunks_mut(SLICE) {
        append(tx, slice).await?;
    }
    Ok(!rows.is_empty())
}

/// Adds postings to the last block of each term, and to new blocks when that block is full.
async fn append(tx: &mut ProjectTx, terms: &mut [(&str, Vec<Posting>)]) -> sqlx::Result<()> {
    let names: Vec<&str> = terms.iter().map(|(term, _)| *term).collect();
    let open: Vec<(String, i64, Vec<u8>)> = sqlx::query_as(
        "SELECT open.term, open.first, open.data FROM unnest($2::text[]) AS wanted(term)
         CROSS JOIN LATERAL (SELECT * FROM posting WHERE project_key = $1 AND posting.term = wanted.term
                             ORDER BY posting.first DESC LIMIT 1) AS open
         WHERE open.passages < $3",
    )
    .bind(tx.project)
    .bind(&names)
    .bind(i32::try_from(block::SIZE).unwrap_or(i32::MAX))
    .fetch_all(&mut **tx)
    .await?;
    let mut replaced: Vec<(&str, i64)> = Vec::new();
    for (term, first, data) in &open {
        let Ok(place) = terms.binary_search_by_key(&term.as_str(), |(term, _)| *term) else { continue };
        terms[place].1.extend(block::postings(*first, data));
        replaced.push((term.as_str(), *first));
    }
    let mut blocks = Vec::new();
    for (term, postings) in terms.iter_mut() {
        postings.sort_unstable();
        postings.dedup_by_key(|posting| posting.chunk);
        blocks.extend(postings.chunks(block::SIZE).filter_map(Block::of).map(|block| (*term, block)));
    }
    // A block that still begins with the same passage is overwritten, so its index entries stay.
    let kept: HashSet<(&str, i64)> = blocks.iter().map(|(term, block)| (*term, block.first)).collect();
    replaced.retain(|block| !kept.contains(block));
    remove(tx, &replaced).await?;
    write(tx, &blocks).await
}

pub async fn write(tx: &mut ProjectTx, blocks: &[(&str, Block)]) -> sqlx::Result<()> {
    for slice in blocks.chunks(SLICE) {
        sqlx::query(
            "INSERT INTO posting (project_key, term, first, last, passages, best, data)
             SELECT $1, * FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::int[], $6::bytea[], $7::bytea[])
             ON CONFLICT (project_key, term, first) DO UPDATE
             SET last = excluded.last, passages = excluded.passages, best = excluded.best, data = excluded.data",
        )
        .bind(tx.project)
        .bind(slice.iter().map(|(term, _)| *term).collect::<Vec<_>>())
        .bind(slice.iter().map(|(_, block)| block.first).collect::<Vec<_>>())
        .bind(slice.iter().map(|(_, block)| block.last).collect::<Vec<_>>())
        .bind(slice.iter().map(|(_, block)| block.passages).collect::<Vec<_>>())
        .bind(slice.iter().map(|(_, block)| block.best.as_slice()).collect::<Vec<_>>())
        .bind(slice.iter().map(|(_, block)| block.data.as_slice()).collect::<Vec<_>>())
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

pub async fn remove(tx: &mut ProjectTx, blocks: &[(&str, i64)]) -> sqlx::Result<()> {
    sqlx::query(
        "DELETE FROM posting p USING unnest($2::text[], $3::bigint[]) AS gone(term, first)
         WHERE p.project_key = $1 AND p.term = gone.term AND p.first = gone.first",
    )
    .bind(tx.project)
    .bind(blocks.iter().map(|(term, _)| *term).collect::<Vec<_>>())
    .bind(blocks.iter().map(|(_, first)| *first).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await
    .map(drop)
}
