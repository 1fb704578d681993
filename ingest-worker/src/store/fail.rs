//! Giving a document up, with a reason.

use schemas::problem::Reason;
use sqlx::{PgPool, types::Json};

use super::{Job, Revived, clear, lock, project, revive, settle_record};

/// Whether another job has made this document.
pub async fn is_known_otherwise(pool: &PgPool, job: &Job) -> sqlx::Result<bool> {
    let mut tx = job.begin(pool).await?;
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM document d JOIN project p ON p.key = d.project_key
                        WHERE p.id = $1 AND d.id = $2 AND d.accepted_at <> $3)",
    )
    .bind(job.project.as_str())
    .bind(job.document.as_str())
    .bind(job.accepted_at)
    .fetch_one(&mut *tx)
    .await
}

/// Writes why a document failed. A later job of the same document, or its deletion, stands. Returns the revision that
/// it had superseded while it was readable.
pub async fn fail(pool: &PgPool, job: &Job, reason: &Reason) -> sqlx::Result<Option<Revived>> {
    let mut tx = job.begin(pool).await?;
    let project_key = project(&mut tx, &job.project).await?;
    let (object, sha256, size) = match &job.body.source {
        schemas::ingest::Source::Object(object) => {
            (object.name.as_str(), object.sha256.as_str(), object.size)
        }
        schemas::ingest::Source::Text(text) => ("", "", text.len() as u64),
    };
    let key: i64 = match lock(&mut tx, project_key, &job.document).await? {
        Some(row) if row.accepted_at > job.accepted_at || row.state == "deleted" => {
            settle_record(&mut tx, job.body.parent.as_ref(), &job.project, &job.document, "superseded", None)
                .await?;
            tx.commit().await?;
            return Ok(None);
        }
        Some(row) => {
            // The new content failed; the old must not go on answering as if it were the document.
            clear(&mut tx, project_key, row.key, row.chunks, row.terms).await?;
            row.key
        }
        None => {
            sqlx::query_scalar(
                "INSERT INTO document (project_key, id, state, accepted_at) VALUES ($1, $2, 'failed', $3) RETURNING key",
            )
            .bind(project_key)
            .bind(job.document.as_str())
            .bind(job.accepted_at)
            .fetch_one(&mut *tx)
            .await?
        }
    };
    let metadata = &job.body.metadata;
    sqlx::query(
        "UPDATE document SET state = 'failed', percent = 0, reason = $2, accepted_at = $3, starts = 0, chunks = 0,
                terms = 0, indexed_at = NULL, job = $4, object = $5, sha256 = $6, size = $7, filename = $8,
                media_type = $9, title = $10, number = $11, revision = $12, category = $13, doc_type = $14,
                status = $15, author = $16, date_modified = $17, metadata = $18
         WHERE key = $1",
    )
    .bind(key)
    .bind(Json(reason))
    .bind(job.accepted_at)
    .bind(Json(&job.body))
    .bind(object)
    .bind(sha256)
    .bind(i64::try_from(size).unwrap_or(i64::MAX))
    .bind(&job.body.filename)
    .bind(&job.body.media_type)
    .bind(job.title())
    .bind(&metadata.number)
    .bind(&metadata.revision)
    .bind(&metadata.category)
    .bind(&metadata.doc_type)
    .bind(&metadata.status)
    .bind(&metadata.author)
    .bind(metadata.date_modified)
    .bind(Json(&metadata.extra))
    .execute(&mut *tx)
    .await?;
    settle_record(&mut tx, job.body.parent.as_ref(), &job.project, &job.document, "failed", Some(reason))
        .await?;
    let revived = revive(&mut tx, project_key, &job.document, None).await?;
    tx.commit().await?;
    Ok(revived)
}
