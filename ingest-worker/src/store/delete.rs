//! Forgetting a document.

use chrono::{DateTime, SubsecRound as _, Utc};
use schemas::{DocumentId, ProjectId, Scope, ingest::IngestDocument};
use sqlx::{PgPool, types::Json};

use super::{Tx, clear, lock, project};

/// What a deletion leaves to do outside the database.
#[derive(Debug, Default)]
pub struct Deleted {
    pub objects: Vec<String>,
    /// What went with an import or mail, in the same project.
    pub parts: Vec<DocumentId>,
    /// The revision that was superseded by the deleted one and is the current one again, once it is indexed again.
    pub revive: Option<(DocumentId, IngestDocument)>,
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
        "SELECT key, id, object, chunks, terms FROM document
         WHERE parent_key = $1 AND project_key = $2 AND state <> 'deleted' ORDER BY key FOR UPDATE",
    )
    .bind(row.key)
    .bind(project_key)
    .fetch_all(&mut *tx)
    .await?;
    let mut deleted = Deleted { revive: revive(&mut tx, project_key, document).await?, ..Deleted::default() };
    for (key, id, object, chunks, terms) in parts {
        clear(&mut tx, project_key, key, chunks, terms).await?;
        bury(&mut tx, key, at).await?;
        deleted.parts.extend(id.parse().ok());
        deleted.objects.push(object);
    }
    clear(&mut tx, project_key, row.key, row.chunks, row.terms).await?;
    bury(&mut tx, row.key, at).await?;
    sqlx::query("DELETE FROM import_record WHERE import_key = $1").bind(row.key).execute(&mut *tx).await?;
    tx.commit().await?;
    deleted.objects.push(row.object);
    deleted.objects.retain(|object| !object.is_empty());
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

/// The newest of the revisions that this document had superseded.
async fn revive(
    tx: &mut Tx,
    project_key: i32,
    document: &DocumentId,
) -> sqlx::Result<Option<(DocumentId, IngestDocument)>> {
    let candidates: Vec<(String, Json<IngestDocument>, DateTime<Utc>)> = sqlx::query_as(
        "SELECT id, job, accepted_at FROM document
         WHERE project_key = $1 AND superseded_by = $2 AND state = 'superseded' AND job IS NOT NULL",
    )
    .bind(project_key)
    .bind(document.as_str())
    .fetch_all(&mut **tx)
    .await?;
    let newest = candidates.into_iter().reduce(|best, candidate| {
        let revision = |(_, Json(job), accepted_at): &(String, Json<IngestDocument>, DateTime<Utc>)| {
            crate::revision::Revision {
                code: job.metadata.revision.clone(),
                date_modified: job.metadata.date_modified,
                accepted_at: *accepted_at,
            }
        };
        if revision(&candidate).replaces(&revision(&best)) { candidate } else { best }
    });
    Ok(newest.and_then(|(id, Json(job), _)| Some((id.parse().ok()?, job))))
}
