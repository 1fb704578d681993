//! Forgetting a document.

use chrono::{DateTime, SubsecRound as _, Utc};
use schemas::{DocumentId, ProjectId, Scope};
use sqlx::PgPool;

use super::{Revived, Tx, clear, lock, project, revive};

/// What a deletion leaves to do outside the database.
#[derive(Debug, Default)]
pub struct Deleted {
    pub objects: Vec<String>,
    /// What went with an import or mail, in the same project.
    pub parts: Vec<DocumentId>,
    /// Revisions that were superseded by what is deleted, and are the current ones again once they are indexed again.
    pub revived: Vec<Revived>,
}

/// Removes the document and what came with it, leaving a tombstone that voids every job accepted before `at`.
/// `None` when a job accepted later has made it anew.
pub async fn delete(
    pool: &PgPool,
    project_id: &ProjectId,
    document: &DocumentId,
    at: DateTime<Utc>,
) -> sqlx::Result<Option<Deleted>> {
    let at = at.trunc_subsecs(6);
    let mut tx = platform::postgres::begin(pool, &Scope::Projects(vec![project_id.clone()])).await?;
    let project_key = project(&mut tx, project_id).await?;
    let Some(row) = lock(&mut tx, project_key, document).await? else {
        sqlx::query(
            "INSERT INTO document (project_key, id, state, accepted_at) VALUES ($1, $2, 'deleted', $3)",
        )
        .bind(project_key)
        .bind(document.as_str())
        .bind(at)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        return Ok(Some(Deleted::default()));
    };
    if row.accepted_at > at {
        return Ok(None);
    }
    let parts: Vec<(i64, String, String, i32, i32)> = sqlx::query_as(
        "WITH RECURSIVE part AS (
             SELECT key FROM document WHERE parent_key = $1
             UNION
             SELECT document.key FROM document JOIN part ON parent_key = part.key
         )
         SELECT key, id, object, chunks, terms FROM document
         WHERE key IN (SELECT key FROM part) AND project_key = $2 AND state <> 'deleted' AND accepted_at <= $3
         ORDER BY key FOR UPDATE",
    )
    .bind(row.key)
    .bind(project_key)
    .bind(at)
    .fetch_all(&mut *tx)
    .await?;
    let mut deleted = Deleted::default();
    for (key, id, object, chunks, terms) in parts {
        clear(&mut tx, project_key, key, chunks, terms).await?;
        bury(&mut tx, key, at).await?;
        deleted.parts.extend(id.parse().ok());
        deleted.objects.push(object);
    }
    clear(&mut tx, project_key, row.key, row.chunks, row.terms).await?;
    bury(&mut tx, row.key, at).await?;
    // Asked when all are buried: none of them answers again.
    for gone in deleted.parts.iter().chain([document]) {
        deleted.revived.extend(revive(&mut tx, project_key, gone, None).await?);
    }
    sqlx::query("DELETE FROM import_record WHERE import_key = $1").bind(row.key).execute(&mut *tx).await?;
    tx.commit().await?;
    deleted.objects.push(row.object);
    Ok(Some(deleted))
}

/// Leaves nothing of a document but that it was deleted, and when.
async fn bury(tx: &mut Tx, key: i64, at: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE document SET state = 'deleted', accepted_at = $2, percent = 0, reason = NULL, starts = 0, job = NULL,
                object = '', filename = '', size = 0, sha256 = '', title = '', number = '', number_norm = '',
                revision = '', category = '', doc_type = '', status = '', author = '', date_modified = NULL,
                metadata = '{}', pages = 0, chunks = 0, terms = 0, text_length = 0, records = NULL,
                superseded_by = NULL, indexed_at = NULL
         WHERE key = $1",
    )
    .bind(key)
    .bind(at)
    .execute(&mut **tx)
    .await
    .map(drop)
}
