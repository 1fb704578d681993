//! The import or mail that a document came with, and when it makes a job of the document void.

use chrono::{DateTime, SubsecRound as _, Utc};
use schemas::{
    DocumentId, ProjectId,
    ingest::{IngestDocument, ObjectRef, Source},
};
use sqlx::PgConnection;

use crate::{
    row::{Row, lock, project_key, select},
    scope::ProjectTx,
};

/// How the names of the files of attachments begin.
pub const ATTACHMENT: &str = "part-";

/// Returns the job's file if it is the attachment of a mail.
pub fn attachment(job: &IngestDocument) -> Option<&ObjectRef> {
    match &job.source {
        Source::Object(object) if object.name.starts_with(ATTACHMENT) => Some(object),
        _ => None,
    }
}

/// Locks and returns the attachments of these mails, without imports: the records of an import are documents of their own.
pub async fn attachments(tx: &mut ProjectTx, mails: &[i64]) -> sqlx::Result<Vec<Row>> {
    let keys: Vec<i64> = sqlx::query_scalar(
        "SELECT key FROM document
         WHERE project_key = $1 AND parent_project = $1 AND parent_key = ANY($2) AND state <> 'deleted'
           AND kind <> 'import' AND starts_with(object, $3)",
    )
    .bind(tx.project)
    .bind(mails)
    .bind(ATTACHMENT)
    .fetch_all(&mut **tx)
    .await?;
    lock(tx, &keys).await
}

/// The import or mail that a document came with.
#[derive(sqlx::FromRow)]
pub struct CameWith {
    since: DateTime<Utc>,
    is_deleted: bool,
    /// What has superseded a mail, if anything has.
    pub superseded_by: Option<String>,
}

/// Returns what the job's document came with, and locks its key until the transaction ends: a deletion that comes now waits, and
/// so does a mail that is sent again. Then they find the document among the parts. They lock the import or mail before its parts,
/// so this comes before the lock of the document, against deadlocks.
pub async fn came_with(tx: &mut PgConnection, job: &IngestDocument) -> sqlx::Result<Option<CameWith>> {
    let Some(parent) = &job.parent else { return Ok(None) };
    sqlx::query_as(
        "SELECT coalesce(d.since, d.accepted_at) AS since, d.state = 'deleted' AS is_deleted,
                CASE WHEN d.state = 'superseded' THEN d.superseded_by END AS superseded_by
         FROM document d JOIN project p ON p.key = d.project_key
         WHERE p.id = $1 AND d.id = $2 FOR KEY SHARE OF d",
    )
    .bind(parent.project_id.as_str())
    .bind(parent.document_id.as_str())
    .fetch_optional(tx)
    .await
}

/// Whether a job that was first accepted at `since` is void because of what its document came with: this import or mail was
/// deleted after it was accepted; or the mail was sent again, and now brings its attachments itself. `row` is the document's.
pub fn is_void(
    came_with: Option<&CameWith>,
    job: &IngestDocument,
    since: DateTime<Utc>,
    row: Option<&Row>,
) -> bool {
    let (Some(parent), Some(found)) = (&job.parent, came_with) else { return false };
    // A document that this job has begun already is found among the parts by the deletion, or by the new mail. They delete it, or
    // they leave it, as a deletion does with documents of other projects.
    let has_begun = row.is_some_and(|row| row.state != "deleted" && row.since == since);
    // Of an import or mail that was queued again, this time is the later one, but its parts know the first one.
    let accepted_at = parent.accepted_at.map_or(since, |at| at.min(since));
    !has_begun && found.since > accepted_at && (found.is_deleted || attachment(job).is_some())
}

/// Whether a worker would skip this job, which was published at `published` and first accepted at `since`: the database has
/// its outcome or knows a later job of the document, or what the document came with makes the job void.
pub async fn is_settled(
    tx: &mut PgConnection,
    project: &ProjectId,
    document: &DocumentId,
    published: DateTime<Utc>,
    since: DateTime<Utc>,
    job: Option<&IngestDocument>,
) -> sqlx::Result<bool> {
    let (accepted_at, since) = (published.trunc_subsecs(6), since.trunc_subsecs(6));
    let project_key = project_key(tx, project).await?;
    let came_with = match job {
        Some(job) => came_with(tx, job).await?,
        None => None,
    };
    let row = match project_key {
        Some(project_key) => select(project_key, tx, &[], &[document.as_str()]).await?.pop(),
        None => None,
    };
    let is_void = job.is_some_and(|job| is_void(came_with.as_ref(), job, since, row.as_ref()));
    Ok(is_void || row.is_some_and(|row| row.settles(accepted_at, since)))
}
