//! Starts the processing of a job.

use schemas::{ingest::IngestDocument, messages, problem::Reason};
use sqlx::{PgConnection, PgPool, types::Json};

use crate::{
    Committed, Job,
    parents::{CameWith, attachment, came_with, is_void},
    row::{Row, be_patient, find, find_all, project},
};

/// Whether a job must be processed and, if not, why.
#[derive(Debug, PartialEq)]
pub enum Start {
    Go,
    /// Like `Go`; the document was a mail before, whose attachments go if the new content does not bring them.
    GoAfterMail,
    /// The job is already done, and only its acknowledgement was lost; or the same content is already indexed.
    /// Revisions that its commit brought back are named until they are indexed again.
    Done(Committed),
    /// The import is closed, and only the acknowledgement of its own job was lost.
    Closed,
    /// The job failed for good, but the work that follows a failure was interrupted; or the worker died at every attempt.
    Failed(Reason),
    /// A later job or a deletion of the same document has made this job void.
    Void,
}

/// Number of worker deaths after which a document is given up. Most workers do not die of the document: they are
/// stopped, or another document used up the memory. With 5, one of 5,000 documents was given up while a worker was
/// killed every five seconds for ten minutes.
const MAX_STARTS: i16 = 10;

/// Whether a file of this type may have attachments, which are documents of their own.
pub fn is_mail(file_type: &str) -> bool {
    matches!(file_type, "eml" | "msg")
}

/// Starts a job: marks the document as being processed, unless nothing is left to do.
pub async fn start(pool: &PgPool, job: &Job) -> sqlx::Result<Start> {
    start_all(pool, &[job]).await?.pop().ok_or(sqlx::Error::RowNotFound)
}

/// Starts jobs of different documents of one project that came with the same parent, in one transaction.
pub async fn start_all(pool: &PgPool, jobs: &[&Job]) -> sqlx::Result<Vec<Start>> {
    let Some(first) = jobs.first() else { return Ok(Vec::new()) };
    let mut tx = first.begin(pool).await?;
    let project_key = project(&mut tx, &first.project).await?;
    let came_with = came_with(&mut tx, &first.body).await?;
    let ids: Vec<&str> = jobs.iter().map(|job| job.document.as_str()).collect();
    let mut rows = find_all(&mut tx, project_key, &ids).await?;
    let mut starts = Vec::with_capacity(jobs.len());
    for job in jobs {
        let row = rows.remove(job.document.as_str());
        let start = decide(&mut tx, project_key, job, came_with.as_ref(), row).await?;
        // When an import is sent again, its records are noted again without an outcome. A record that is already
        // done gets its outcome here.
        match &start {
            Start::Done(committed) if committed.superseded_by.is_none() => {
                job.settle(&mut tx, "indexed", None).await?;
            }
            Start::Void | Start::Done(_) => job.settle(&mut tx, "superseded", None).await?,
            Start::Go | Start::GoAfterMail | Start::Closed | Start::Failed(_) => {}
        }
        starts.push(start);
    }
    tx.commit().await?;
    Ok(starts)
}

async fn decide(
    tx: &mut PgConnection,
    project_key: i32,
    job: &Job,
    came_with: Option<&CameWith>,
    row: Option<Row>,
) -> sqlx::Result<Start> {
    if is_void(came_with, &job.body, job.since, row.as_ref()) {
        return Ok(Start::Void);
    }
    let row = match row {
        Some(row) => row,
        None if insert(tx, project_key, job).await? => return Ok(Start::Go),
        // Another job of the document was faster.
        None => find(tx, project_key, &job.document).await?.ok_or(sqlx::Error::RowNotFound)?,
    };
    let is_same_job = row.accepted_at == job.accepted_at;
    if row.settles(job.accepted_at, job.since) {
        return match row.state.as_str() {
            _ if !is_same_job => Ok(Start::Void),
            "deleted" => Ok(Start::Void),
            "indexed" if row.kind == "import" => Ok(Start::Closed),
            // `fail` always writes a reason.
            "failed" => Ok(Start::Failed(row.reason.map_or_else(kills_workers, |Json(reason)| reason))),
            _ => done(tx, row).await,
        };
    }
    if is_same_job && row.starts >= MAX_STARTS {
        return Ok(Start::Failed(kills_workers()));
    }
    // The same import or mail again indexes what has changed since: its records or attachments may have failed, or have
    // been deleted or replaced.
    if row.state == "indexed"
        && row.kind != "import"
        && !is_mail(&row.file_type)
        && let Some(Json(known)) = &row.job
        && known.same_content(&job.body)
    {
        // The file stays the known one. With its new parent, the job is not void if the former parent is deleted.
        let known = IngestDocument { parent: job.body.parent.clone(), ..known.clone() };
        sqlx::query("UPDATE document SET job = $3 WHERE project_key = $1 AND key = $2")
            .bind(row.project_key)
            .bind(row.key)
            .bind(Json(known))
            .execute(&mut *tx)
            .await?;
        adopt(tx, &row, job).await?;
        return done(tx, row).await;
    }
    if !is_same_job {
        // Records noted by an earlier job of the import do not count. Another attempt of the same job keeps them and
        // continues: records that have an outcome are not published again.
        if row.kind == "import" {
            be_patient(tx).await?;
        }
        sqlx::query("DELETE FROM import_record WHERE project_key = $1 AND import_key = $2")
            .bind(row.project_key)
            .bind(row.key)
            .execute(&mut *tx)
            .await?;
    }
    // The passages that are already indexed stay searchable until the new ones replace them. This comes before `adopt`,
    // because it compares the job with the one before.
    sqlx::query(
        "UPDATE document SET state = 'processing', percent = 0, reason = NULL,
                starts = CASE WHEN accepted_at = $2 THEN starts + 1 ELSE 1 END,
                records = CASE WHEN accepted_at = $2 THEN records END
         WHERE project_key = $3 AND key = $1",
    )
    .bind(row.key)
    .bind(job.accepted_at)
    .bind(row.project_key)
    .execute(&mut *tx)
    .await?;
    adopt(tx, &row, job).await?;
    Ok(if is_mail(&row.file_type) { Start::GoAfterMail } else { Start::Go })
}

fn kills_workers() -> Reason {
    messages::jobs::kills_workers().reason("kills_workers")
}

/// Inserts the document. Returns false if it is there already: two jobs of a new document may start at the same time.
pub(crate) async fn insert(tx: &mut PgConnection, project_key: i32, job: &Job) -> sqlx::Result<bool> {
    let (parent, fields) = (job.body.parent.as_ref(), job.fields());
    sqlx::query(
        "INSERT INTO document (project_key, id, state, accepted_at, since, starts, filename, fields, object, media_type,
                               number_norm, parent_id, parent_project, parent_key)
         SELECT $1, $2, 'processing', $3, $8, 1, $4, $5, $9, $10, $11, $6, parent.project_key, parent.key
         FROM (SELECT) AS new LEFT JOIN (
             SELECT d.project_key, d.key FROM document d JOIN project p ON p.key = d.project_key
             WHERE p.id = $7 AND d.id = $6) AS parent ON true
         ON CONFLICT (project_key, id) DO NOTHING",
    )
    .bind(project_key)
    .bind(job.document.as_str())
    .bind(job.accepted_at)
    .bind(&job.body.filename)
    .bind(Json(fields.given()))
    .bind(parent.map(|parent| parent.document_id.as_str()))
    .bind(parent.map(|parent| parent.project_id.as_str()))
    .bind(job.first_acceptance())
    // A later version of the mail finds its former attachments by the names of their files.
    .bind(attachment(&job.body).map_or("", |file| file.name.as_str()))
    .bind(&job.body.media_type)
    // The list of documents finds it by its number at once (an import only until its records are counted).
    .bind(analysis::codes::normalize(&fields.number))
    .execute(tx)
    .await
    .map(|inserted| inserted.rows_affected() > 0)
}

/// Makes this job the document's latest one, whose parent is the import or mail that the document came with, if any.
pub(crate) async fn adopt(tx: &mut PgConnection, row: &Row, job: &Job) -> sqlx::Result<()> {
    let parent = job.body.parent.as_ref();
    sqlx::query(
        "UPDATE document SET accepted_at = $5, since = $6, parent_id = $2, (parent_project, parent_key) =
                (SELECT d.project_key, d.key FROM document d JOIN project p ON p.key = d.project_key
                 WHERE p.id = $3 AND d.id = $2)
         WHERE project_key = $4 AND key = $1",
    )
    .bind(row.key)
    .bind(parent.map(|parent| parent.document_id.as_str()))
    .bind(parent.map(|parent| parent.project_id.as_str()))
    .bind(row.project_key)
    .bind(job.accepted_at)
    .bind(job.first_acceptance())
    .execute(tx)
    .await
    .map(drop)
}

async fn done(tx: &mut PgConnection, row: Row) -> sqlx::Result<Start> {
    let superseded: Vec<String> = sqlx::query_scalar(
        "SELECT r.id FROM document r JOIN document d ON d.project_key = r.project_key
         WHERE d.project_key = $1 AND d.key = $2 AND r.superseded_by = d.id AND r.state = 'superseded'
           AND d.number_norm <> '' AND r.number_norm IN (d.number_norm, '')",
    )
    .bind(row.project_key)
    .bind(row.key)
    .fetch_all(&mut *tx)
    .await?;
    let (identity, ours) = (analysis::codes::identity(&row.fields.number), row.revision());
    let kept = identity.as_deref().map(|identity| (identity, &ours));
    let revived = row.revive(tx, kept).await?;
    let newer = row.superseded_by.filter(|_| row.state == "superseded");
    Ok(Start::Done(Committed {
        title: row.fields.0.title,
        chunks: u32::try_from(row.chunks).unwrap_or_default(),
        text_length: u64::try_from(row.text_length).unwrap_or_default(),
        superseded_by: newer.and_then(|id| id.parse().ok()),
        superseded: superseded.iter().filter_map(|id| id.parse().ok()).collect(),
        revived,
        ..Committed::default()
    }))
}

/// Notes that an attempt ended without killing its worker, so that its start does not count towards
/// [`MAX_STARTS`]. If it waits for something, the document shows the reason until its next attempt.
pub async fn ended(pool: &PgPool, job: &Job, waits: Option<Reason>) -> sqlx::Result<()> {
    let statement = sqlx::query(
        "UPDATE document SET starts = greatest(starts - 1, 0),
                reason = CASE WHEN state = 'processing' THEN $1 ELSE reason END
         WHERE project_key = (SELECT key FROM project WHERE id = $2) AND id = $3 AND accepted_at = $4",
    );
    job.update(pool, statement.bind(waits.map(Json))).await
}

/// Stores the progress of the document, in percent.
pub async fn percent(pool: &PgPool, job: &Job, percent: u8) -> sqlx::Result<()> {
    let statement = sqlx::query(
        "UPDATE document SET percent = $1
         WHERE project_key = (SELECT key FROM project WHERE id = $2) AND id = $3 AND accepted_at = $4",
    );
    job.update(pool, statement.bind(i16::from(percent))).await
}
