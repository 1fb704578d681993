//! Deletes a document.
//!
//! An import may have brought a million documents, so a deletion is many transactions, each of some hundred documents. The
//! first one makes the document itself a tombstone, which makes all jobs void that it still brings. A deletion that is cut
//! short is continued by the next attempt, and what it has deleted already is part of its result again.

use chrono::{DateTime, SubsecRound as _, Utc};
use schemas::{DocumentId, ProjectId};
use sqlx::PgPool;

use crate::{
    ATTACHMENT, Job, Revived,
    revive::revive,
    row::{self, Row, be_patient, begin, find, in_project},
    scope::ProjectTx,
};

/// Maximum number of documents that one transaction deletes.
const BATCH: usize = 500;
/// Maximum number of records of an import that one statement forgets.
const RECORDS: i64 = 10_000;

/// A deletion that is done in the database.
#[derive(Debug)]
pub struct Deletion {
    project: ProjectId,
    /// The deleted documents that are not reported yet: the document itself, and those that came with it.
    keys: Vec<i64>,
}

/// What remains to be done outside the database for some of the deleted documents.
#[derive(Debug, Default)]
pub struct Deleted {
    pub objects: Vec<String>,
    pub documents: Vec<DocumentId>,
    /// Revisions that the deleted documents had superseded. Each becomes the current one when it is indexed again.
    pub revived: Vec<Revived>,
}

/// Deletes the document and the documents of the same project that came with it. Their rows stay as tombstones (state
/// `deleted`), which make all jobs accepted before `at` void. Returns `None` if a job accepted later has replaced the
/// document.
pub async fn delete(
    pool: &PgPool,
    project_id: &ProjectId,
    document: &DocumentId,
    at: DateTime<Utc>,
) -> sqlx::Result<Option<Deletion>> {
    let at = at.trunc_subsecs(6);
    let mut tx = begin(pool, project_id).await?;
    // A document without a row gets a tombstone, too: its job may still wait.
    sqlx::query(
        "INSERT INTO document (project_key, id, state, accepted_at) VALUES ($1, $2, 'deleted', $3)
         ON CONFLICT (project_key, id) DO NOTHING",
    )
    .bind(tx.project)
    .bind(document.as_str())
    .bind(at)
    .execute(&mut *tx)
    .await?;
    let row = find(&mut tx, document).await?.ok_or(sqlx::Error::RowNotFound)?;
    if row.since > at {
        return Ok(None);
    }
    leave_tombstones(&mut tx, &[(row.key, row.chunks, row.terms)], at).await?;
    tx.commit().await?;

    while forget_records(pool, project_id, &row, at).await? {}
    let mut tx = begin(pool, project_id).await?;
    be_patient(&mut tx).await?;
    // Parts that an earlier attempt of this deletion removed are included: that attempt may have been interrupted
    // before it published the events.
    let mut keys: Vec<i64> = sqlx::query_scalar(
        "WITH RECURSIVE part AS (
             SELECT project_key, key FROM document WHERE parent_project = $2 AND parent_key = $1
             UNION
             SELECT d.project_key, d.key FROM document d
             JOIN part ON d.parent_project = part.project_key AND d.parent_key = part.key
         )
         SELECT key FROM part JOIN document d USING (project_key, key)
         WHERE project_key = $2 AND key <> $1
           AND (accepted_at = $3 OR (state <> 'deleted' AND coalesce(since, accepted_at) < $3))
         ORDER BY key",
    )
    .bind(row.key)
    .bind(tx.project)
    .bind(at)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    for keys in keys.chunks(BATCH) {
        let mut tx = begin(pool, project_id).await?;
        // Those that no later job has replaced.
        let parts: Vec<(i64, i32, i32)> = sqlx::query_as(
            "SELECT key, chunks, terms FROM document
             WHERE project_key = $1 AND key = ANY($2) AND state <> 'deleted' AND coalesce(since, accepted_at) < $3
             ORDER BY key FOR UPDATE",
        )
        .bind(tx.project)
        .bind(keys)
        .bind(at)
        .fetch_all(&mut *tx)
        .await?;
        leave_tombstones(&mut tx, &parts, at).await?;
        tx.commit().await?;
    }
    keys.push(row.key);
    Ok(Some(Deletion { project: project_id.clone(), keys }))
}

impl Deletion {
    /// Returns what remains to be done for the next deleted documents; `None` after the last ones. This comes after all
    /// documents are deleted, so that no deleted document is among the revived ones.
    pub async fn next(&mut self, pool: &PgPool) -> sqlx::Result<Option<Deleted>> {
        let rest = self.keys.len().min(BATCH);
        let keys: Vec<i64> = self.keys.drain(..rest).collect();
        if keys.is_empty() {
            return Ok(None);
        }
        let mut tx = begin(pool, &self.project).await?;
        let gone: Vec<(String, String)> = sqlx::query_as(
            "SELECT id, object FROM document WHERE project_key = $1 AND key = ANY($2) AND state = 'deleted'
             ORDER BY array_position($2, key)",
        )
        .bind(tx.project)
        .bind(&keys)
        .fetch_all(&mut *tx)
        .await?;
        let ids: Vec<&str> = gone.iter().map(|(id, _)| id.as_str()).collect();
        let revived = revive(&mut tx, &ids, None).await?;
        tx.commit().await?;
        let documents = ids.iter().filter_map(|id| id.parse().ok()).collect();
        let objects = gone.into_iter().map(|(_, object)| object).filter(|object| !object.is_empty());
        Ok(Some(Deleted { objects: objects.collect(), documents, revived }))
    }
}

/// Returns the attachments of earlier versions of a document that this version does not have; `attached` are those that it has.
pub async fn other_attachments(
    pool: &PgPool,
    job: &Job,
    attached: &[DocumentId],
) -> sqlx::Result<Vec<DocumentId>> {
    let mut tx = in_project(job.begin(pool).await?, &job.project).await?;
    be_patient(&mut tx).await?;
    let others: Vec<String> = sqlx::query_scalar(
        "SELECT part.id FROM document part
         JOIN document mail ON mail.project_key = part.parent_project AND mail.key = part.parent_key
         WHERE mail.project_key = $1 AND mail.id = $2 AND part.project_key = $1 AND part.state <> 'deleted'
           AND coalesce(part.since, part.accepted_at) < $3 AND part.id <> ALL($4) AND starts_with(part.object, $5)",
    )
    .bind(tx.project)
    .bind(job.document.as_str())
    .bind(job.since)
    .bind(attached.iter().map(DocumentId::as_str).collect::<Vec<_>>())
    .bind(ATTACHMENT)
    .fetch_all(&mut *tx)
    .await?;
    Ok(others.iter().filter_map(|id| id.parse().ok()).collect())
}

/// Forgets some records of a deleted import. Returns whether there may be more.
async fn forget_records(
    pool: &PgPool,
    project_id: &ProjectId,
    import: &Row,
    at: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let mut tx = begin(pool, project_id).await?;
    let locked = row::lock(&mut tx, &[import.key]).await?.pop();
    // If the import was sent again in the meantime, the records are new ones.
    if locked.is_none_or(|row| row.state != "deleted" || row.accepted_at != at) {
        return Ok(false);
    }
    let forgotten = sqlx::query(
        "DELETE FROM import_record WHERE project_key = $1 AND import_key = $2 AND (project_id, document_id) IN
             (SELECT project_id, document_id FROM import_record WHERE project_key = $1 AND import_key = $2 LIMIT $3)",
    )
    .bind(tx.project)
    .bind(import.key)
    .bind(RECORDS)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(forgotten.rows_affected() > 0)
}

/// Deletes the passages of documents ([`row::clear`]) and turns the rows into tombstones. They keep the time of the deletion
/// and the name of the file that must still be removed.
async fn leave_tombstones(
    tx: &mut ProjectTx,
    documents: &[(i64, i32, i32)],
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    let sums = row::clear(tx, documents).await?;
    sqlx::query(
        "UPDATE document SET state = 'deleted', accepted_at = $2, since = NULL, percent = 0, reason = NULL, starts = 0, job = NULL,
                filename = '', size = 0, sha256 = '', fields = '{}', number_norm = '', date_modified = NULL,
                metadata = '{}', pages = 0, chunks = 0, terms = 0, text_length = 0, records = NULL,
                superseded_by = NULL, indexed_at = NULL
         WHERE project_key = $3 AND key = ANY($1)",
    )
    .bind(documents.iter().map(|(key, ..)| *key).collect::<Vec<_>>())
    .bind(at)
    .bind(tx.project)
    .execute(&mut **tx)
    .await?;
    sums.add(tx).await
}
