//! Deletes a document.

use chrono::{DateTime, SubsecRound as _, Utc};
use schemas::{DocumentId, ProjectId, Scope};
use sqlx::{PgConnection, PgPool};

use crate::{
    Revived,
    row::{Row, Sums, find, lock, project},
    scope,
    start::forget_records,
};

/// What remains to be done outside the database after a deletion.
#[derive(Debug, Default)]
pub struct Deleted {
    pub objects: Vec<String>,
    /// Documents of the same project that were deleted with their import or mail.
    pub parts: Vec<DocumentId>,
    /// Revisions that the deleted documents had superseded. Each becomes the current one when it is indexed again.
    pub revived: Vec<Revived>,
}

/// Deletes the document and the documents that came with it. Their rows stay as tombstones (state `deleted`),
/// which make all jobs accepted before `at` void. Returns `None` if a job accepted later has replaced the
/// document.
pub async fn delete(
    pool: &PgPool,
    project_id: &ProjectId,
    document: &DocumentId,
    at: DateTime<Utc>,
) -> sqlx::Result<Option<Deleted>> {
    let at = at.trunc_subsecs(6);
    let mut tx = scope::begin(pool, &Scope::Projects(vec![project_id.clone()])).await?;
    let project_key = project(&mut tx, project_id).await?;
    let Some(row) = find(&mut tx, project_key, document).await? else {
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
    if row.since > at {
        return Ok(None);
    }
    let parts: Vec<i64> = sqlx::query_scalar(
        "WITH RECURSIVE part AS (
             SELECT project_key, key FROM document WHERE parent_project = $2 AND parent_key = $1
             UNION
             SELECT d.project_key, d.key FROM document d
             JOIN part ON d.parent_project = part.project_key AND d.parent_key = part.key
         )
         SELECT key FROM part WHERE project_key = $2 AND key <> $1",
    )
    .bind(row.key)
    .bind(project_key)
    .fetch_all(&mut *tx)
    .await?;
    let mut gone = lock(&mut tx, project_key, &parts).await?;
    // Parts that an earlier attempt of this deletion removed are included: that attempt may have been interrupted
    // before it published the events.
    gone.retain(|part| part.accepted_at == at || (part.state != "deleted" && part.since < at));
    let parts = gone.iter().filter_map(|part| part.document()).collect();
    forget_records(&mut tx, &row).await?;
    gone.push(row);
    let mut sums = Sums::default();
    for row in &gone {
        sums += row.clear(&mut tx).await?;
        leave_tombstone(&mut tx, row, at).await?;
    }
    let mut deleted = Deleted { parts, ..Deleted::default() };
    // Revisions are looked up after all rows are marked as deleted, so that no deleted document is among
    // them.
    for row in gone {
        deleted.revived.extend(row.revive(&mut tx, None).await?);
        deleted.objects.push(row.object);
    }
    sums.add(&mut tx, project_key).await?;
    tx.commit().await?;
    Ok(Some(deleted))
}

/// Turns the row into a tombstone. It keeps the time of the deletion and the name of the file that must still be
/// removed.
async fn leave_tombstone(tx: &mut PgConnection, row: &Row, at: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE document SET state = 'deleted', accepted_at = $2, since = NULL, percent = 0, reason = NULL, starts = 0, job = NULL,
                filename = '', size = 0, sha256 = '', fields = '{}', number_norm = '', date_modified = NULL,
                metadata = '{}', pages = 0, chunks = 0, terms = 0, text_length = 0, records = NULL,
                superseded_by = NULL, indexed_at = NULL
         WHERE project_key = $3 AND key = $1",
    )
    .bind(row.key)
    .bind(at)
    .bind(row.project_key)
    .execute(tx)
    .await
    .map(drop)
}
