//! Marks a document as failed, with a reason.

use schemas::{messages, problem::Reason};
use sqlx::{PgConnection, PgPool, types::Json};

use crate::{
    Job, Revived,
    job::settle,
    parents::came_with,
    row::{Written, find, in_project, write},
    start::{adopt, insert},
};

/// Marks the document as failed. Returns the revisions that it had superseded, which must be indexed again. Returns `None` and
/// leaves the document unchanged if a later job, a deletion or another attempt of this job was faster. If the message is not
/// readable, a document that another job has made stays as it is, unless it is deleted: the failure is stored only for the import
/// that waits for it.
pub async fn fail(
    pool: &PgPool,
    job: &Job,
    reason: &Reason,
    is_readable: bool,
) -> sqlx::Result<Option<Vec<Revived>>> {
    let mut tx = in_project(job.begin(pool).await?, &job.project).await?;
    // For its lock, which comes before that of the document.
    came_with(&mut tx, &job.body).await?;
    // A job that failed before it could start has no row yet.
    insert(&mut tx, &[job]).await?;
    let row = find(&mut tx, &job.document).await?.ok_or(sqlx::Error::RowNotFound)?;
    let is_same_job = row.accepted_at == job.accepted_at;
    if !is_readable && !is_same_job && row.state != "deleted" {
        settle(&mut tx, &[(job, "failed", Some(reason))]).await?;
        tx.commit().await?;
        return Ok(Some(Vec::new()));
    }
    let is_void = match is_same_job {
        true => !matches!(row.state.as_str(), "processing" | "failed"),
        false => row.since >= job.since,
    };
    if is_void {
        settle(&mut tx, &[(job, "superseded", None)]).await?;
        tx.commit().await?;
        return Ok(None);
    }
    let fields = job.fields();
    // The new content failed, so the old content must not stay searchable as if it were current.
    let sums = row.clear(&mut tx).await?;
    // The row may be that of another job, which this one failed too early to replace.
    if !is_same_job {
        adopt(&mut tx, &row, job, None).await?;
    }
    let failed = Written {
        key: row.key,
        job,
        state: "failed",
        reason: Some(reason),
        number_norm: &analysis::codes::normalize(&fields.number),
        pages: 0,
        chunks: 0,
        terms: 0,
        text_length: 0,
        superseded_by: None,
        fields: &fields,
        date_modified: job.body.metadata.date_modified,
        object: &job.object(),
        media_type: &job.body.media_type,
        file_type: None,
    };
    write(&mut tx, &[failed]).await?;
    settle(&mut tx, &[(job, "failed", Some(reason))]).await?;
    let revived = row.revive(&mut tx, None).await?;
    sums.add(&mut tx).await?;
    tx.commit().await?;
    Ok(Some(revived))
}

/// Marks a document as failed because its first job was lost in a restore from a backup.
pub async fn lose(tx: &mut PgConnection, project_key: i32, key: i64) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE document SET state = 'failed', percent = 0, starts = 0, reason = $3 WHERE project_key = $1 AND key = $2",
    )
    .bind(project_key)
    .bind(key)
    .bind(Json(messages::jobs::lost_in_restore().reason("lost_in_restore")))
    .execute(tx)
    .await
    .map(drop)
}
