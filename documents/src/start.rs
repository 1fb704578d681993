//! Starts the processing of a job.

use std::collections::HashSet;

use schemas::{Fields, ingest::IngestDocument, messages, problem::Reason};
use sqlx::{PgPool, types::Json};

use crate::{
    Committed, Job,
    job::settle,
    parents::{CameWith, attachment, came_with, is_void},
    row::{Row, be_patient, find, find_all, in_project},
    scope::ProjectTx,
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
    let mut tx = in_project(first.begin(pool).await?, &first.project).await?;
    let came_with = came_with(&mut tx, &first.body).await?;
    let ids: Vec<&str> = jobs.iter().map(|job| job.document.as_str()).collect();
    let mut rows = find_all(&mut tx, &ids).await?;
    let is_new = |job: &&Job| {
        !rows.contains_key(job.document.as_str()) && !is_void(came_with.as_ref(), &job.body, job.since, None)
    };
    let new: Vec<&Job> = jobs.iter().copied().filter(is_new).collect();
    let inserted = insert(&mut tx, &new).await?;
    let mut starts = Vec::with_capacity(jobs.len());
    for job in jobs {
        if inserted.contains(job.document.as_str()) {
            starts.push(Start::Go);
            continue;
        }
        let row = rows.remove(job.document.as_str());
        let start = decide(&mut tx, job, came_with.as_ref(), row).await?;
        // When an import is sent again, its records are noted again without an outcome. A record that is already
        // done gets its outcome here.
        match &start {
            Start::Done(committed) if committed.superseded_by.is_none() => {
                settle(&mut tx, &[(job, "indexed", None)]).await?;
            }
            Start::Void | Start::Done(_) => settle(&mut tx, &[(job, "superseded", None)]).await?,
            Start::Go | Start::GoAfterMail | Start::Closed | Start::Failed(_) => {}
        }
        starts.push(start);
    }
    tx.commit().await?;
    Ok(starts)
}

async fn decide(
    tx: &mut ProjectTx,
    job: &Job,
    came_with: Option<&CameWith>,
    row: Option<Row>,
) -> sqlx::Result<Start> {
    if is_void(came_with, &job.body, job.since, row.as_ref()) {
        return Ok(Start::Void);
    }
    let row = match row {
        Some(row) => row,
        // Another job of the document was faster than the insertion.
        None => find(tx, &job.document).await?.ok_or(sqlx::Error::RowNotFound)?,
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
        adopt(tx, &row, job, Some(&known)).await?;
        return done(tx, row).await;
    }
    if !is_same_job {
        // Records noted by an earlier job of the import do not count. Another attempt of the same job keeps them and
        // continues: records that have an outcome are not published again.
        if row.kind == "import" {
            be_patient(tx).await?;
        }
        sqlx::query("DELETE FROM import_record WHERE project_key = $1 AND import_key = $2")
            .bind(tx.project)
            .bind(row.key)
            .execute(&mut **tx)
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
    .bind(tx.project)
    .execute(&mut **tx)
    .await?;
    adopt(tx, &row, job, None).await?;
    Ok(if is_mail(&row.file_type) { Start::GoAfterMail } else { Start::Go })
}

fn kills_workers() -> Reason {
    messages::jobs::kills_workers().reason("kills_workers")
}

/// Inserts the documents of jobs that came with the same parent. Returns the ids of those that were not there already: two jobs
/// of a new document may start at the same time.
pub(crate) async fn insert(tx: &mut ProjectTx, jobs: &[&Job]) -> sqlx::Result<HashSet<String>> {
    let Some(first) = jobs.first() else { return Ok(HashSet::new()) };
    let parent = first.body.parent.as_ref();
    let fields: Vec<Fields> = jobs.iter().map(|job| job.fields()).collect();
    let inserted: Vec<String> = sqlx::query_scalar(
        "INSERT INTO document (project_key, id, state, accepted_at, since, starts, filename, fields, object, media_type,
                               number_norm, parent_id, parent_project, parent_key)
         SELECT $1, new.id, 'processing', new.accepted_at, new.since, 1, new.filename, new.fields, new.object,
                new.media_type, new.number_norm, $2, parent.project_key, parent.key
         FROM unnest($4::text[], $5::timestamptz[], $6::timestamptz[], $7::text[], $8::jsonb[], $9::text[], $10::text[],
                     $11::text[]) AS new(id, accepted_at, since, filename, fields, object, media_type, number_norm)
         LEFT JOIN (
             SELECT d.project_key, d.key FROM document d JOIN project p ON p.key = d.project_key
             WHERE p.id = $3 AND d.id = $2) AS parent ON true
         -- In a fixed order, against deadlocks.
         ORDER BY new.id
         ON CONFLICT (project_key, id) DO NOTHING RETURNING id",
    )
    .bind(tx.project)
    .bind(parent.map(|parent| parent.document_id.as_str()))
    .bind(parent.map(|parent| parent.project_id.as_str()))
    .bind(jobs.iter().map(|job| job.document.as_str()).collect::<Vec<_>>())
    .bind(jobs.iter().map(|job| job.accepted_at).collect::<Vec<_>>())
    .bind(jobs.iter().map(|job| job.first_acceptance()).collect::<Vec<_>>())
    .bind(jobs.iter().map(|job| job.body.filename.as_str()).collect::<Vec<_>>())
    .bind(fields.iter().map(|fields| Json(fields.given())).collect::<Vec<_>>())
    // A later version of the mail finds its former attachments by the names of their files.
    .bind(jobs.iter().map(|job| attachment(&job.body).map_or("", |file| &file.name)).collect::<Vec<_>>())
    .bind(jobs.iter().map(|job| job.body.media_type.as_str()).collect::<Vec<_>>())
    // The list of documents finds it by its number at once (an import only until its records are counted).
    .bind(fields.iter().map(|fields| analysis::codes::normalize(&fields.number)).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    Ok(inserted.into_iter().collect())
}

/// Makes this job the document's latest one, whose parent is the import or mail that the document came with, if any. `stored` is
/// the job that is stored with the document from now on, if it changes.
pub(crate) async fn adopt(
    tx: &mut ProjectTx,
    row: &Row,
    job: &Job,
    stored: Option<&IngestDocument>,
) -> sqlx::Result<()> {
    let parent = job.body.parent.as_ref();
    sqlx::query(
        "UPDATE document SET accepted_at = $5, since = $6, job = coalesce($7, job), parent_id = $2,
                (parent_project, parent_key) =
                (SELECT d.project_key, d.key FROM document d JOIN project p ON p.key = d.project_key
                 WHERE p.id = $3 AND d.id = $2)
         WHERE project_key = $4 AND key = $1",
    )
    .bind(row.key)
    .bind(parent.map(|parent| parent.document_id.as_str()))
    .bind(parent.map(|parent| parent.project_id.as_str()))
    .bind(tx.project)
    .bind(job.accepted_at)
    .bind(job.first_acceptance())
    .bind(stored.map(Json))
    .execute(&mut **tx)
    .await
    .map(drop)
}

async fn done(tx: &mut ProjectTx, row: Row) -> sqlx::Result<Start> {
    let superseded: Vec<String> = sqlx::query_scalar(
        "SELECT r.id FROM document r JOIN document d ON d.project_key = r.project_key
         WHERE d.project_key = $1 AND d.key = $2 AND r.superseded_by = d.id AND r.state = 'superseded'
           AND d.number_norm <> '' AND r.number_norm IN (d.number_norm, '')",
    )
    .bind(tx.project)
    .bind(row.key)
    .fetch_all(&mut **tx)
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

pub async fn percent(pool: &PgPool, job: &Job, percent: u8) -> sqlx::Result<()> {
    let statement = sqlx::query(
        "UPDATE document SET percent = $1
         WHERE project_key = (SELECT key FROM project WHERE id = $2) AND id = $3 AND accepted_at = $4",
    );
    job.update(pool, statement.bind(i16::from(percent))).await
}
