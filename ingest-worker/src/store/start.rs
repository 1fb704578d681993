//! Taking a job up.

use schemas::{DocumentId, ingest::Parent, problem::Reason};
use sqlx::{PgPool, types::Json};

use super::{Job, Tx, lock, project, settle_record};

/// Whether there is anything to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Start {
    Go,
    /// It is done already, and only its acknowledgement was lost; or the same content is indexed already.
    Done {
        chunks: u32,
        text_length: u64,
        superseded: bool,
        title: String,
        /// The revisions in whose place it answers.
        replaced: Vec<DocumentId>,
    },
    /// It failed for good, and what follows from that was cut short.
    Failed(Reason),
    /// A later job of the same document, or its deletion, has made it void.
    Void,
    /// Its worker died each time it was taken up.
    KillsWorkers,
}

/// A document whose worker died this often is given up.
const MAX_STARTS: i16 = 5;

/// Takes a job up: writes that the document is being processed, unless there is nothing (more) to do.
pub async fn start(pool: &PgPool, job: &Job) -> sqlx::Result<Start> {
    let mut tx = job.begin(pool).await?;
    let start = decide(&mut tx, job).await?;
    // An import that was sent again has noted its records anew: those that are done already have an outcome now.
    let outcome = match &start {
        Start::Void | Start::Done { superseded: true, .. } => Some("superseded"),
        Start::Done { superseded: false, .. } => Some("indexed"),
        Start::Go | Start::Failed(_) | Start::KillsWorkers => None,
    };
    if let Some(outcome) = outcome {
        settle_record(&mut tx, job.body.parent.as_ref(), &job.project, &job.document, outcome, None).await?;
    }
    tx.commit().await?;
    Ok(start)
}

async fn decide(tx: &mut Tx, job: &Job) -> sqlx::Result<Start> {
    let project_key = project(tx, &job.project).await?;
    if parent_is_deleted(tx, job).await? {
        return Ok(Start::Void);
    }
    let Some(row) = lock(tx, project_key, &job.document).await? else {
        insert(tx, project_key, job).await?;
        return Ok(Start::Go);
    };
    if row.accepted_at != job.accepted_at && row.accepted_at > job.since {
        return Ok(Start::Void);
    }
    if row.accepted_at == job.accepted_at && row.state != "processing" {
        return match row.state.as_str() {
            "deleted" => Ok(Start::Void),
            "failed" => failed(tx, row.key).await,
            _ => done(tx, row.key, job).await,
        };
    }
    if row.accepted_at == job.accepted_at && row.starts >= MAX_STARTS {
        return Ok(Start::KillsWorkers);
    }
    if row.accepted_at < job.accepted_at && row.state == "indexed" && same_content(tx, row.key, job).await? {
        sqlx::query("UPDATE document SET accepted_at = $2 WHERE key = $1")
            .bind(row.key)
            .bind(job.accepted_at)
            .execute(&mut **tx)
            .await?;
        adopt(tx, row.key, job.body.parent.as_ref()).await?;
        return done(tx, row.key, job).await;
    }
    if row.accepted_at < job.accepted_at {
        // What an earlier job of an import noted does not count. A later attempt of the same job goes on where the one
        // before it was cut short: records that are settled by now are not published again.
        sqlx::query("DELETE FROM import_record WHERE import_key = $1")
            .bind(row.key)
            .execute(&mut **tx)
            .await?;
    }
    // What is indexed of it goes on answering until the new passages replace it.
    sqlx::query(
        "UPDATE document SET state = 'processing', percent = 0, reason = NULL, accepted_at = $2,
                starts = CASE WHEN accepted_at = $2 THEN starts + 1 ELSE 1 END,
                records = CASE WHEN accepted_at = $2 THEN records END
         WHERE key = $1",
    )
    .bind(row.key)
    .bind(job.accepted_at)
    .execute(&mut **tx)
    .await?;
    adopt(tx, row.key, job.body.parent.as_ref()).await?;
    Ok(Start::Go)
}

/// A document belongs to what it came with last: the import that brought it anew, or nothing.
async fn adopt(tx: &mut Tx, key: i64, parent: Option<&Parent>) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE document SET parent_id = $2, parent_key =
                (SELECT d.key FROM document d JOIN project p ON p.key = d.project_key WHERE p.id = $3 AND d.id = $2)
         WHERE key = $1",
    )
    .bind(key)
    .bind(parent.map(|parent| parent.document_id.as_str()))
    .bind(parent.map(|parent| parent.project_id.as_str()))
    .execute(&mut **tx)
    .await
    .map(drop)
}

async fn insert(tx: &mut Tx, project_key: i32, job: &Job) -> sqlx::Result<()> {
    let parent = job.body.parent.as_ref();
    sqlx::query(
        "INSERT INTO document (project_key, id, state, accepted_at, starts, title, filename, number, revision,
                               parent_id, parent_key)
         VALUES ($1, $2, 'processing', $3, 1, $4, $5, $6, $7, $8,
                 (SELECT d.key FROM document d JOIN project p ON p.key = d.project_key WHERE p.id = $9 AND d.id = $8))",
    )
    .bind(project_key)
    .bind(job.document.as_str())
    .bind(job.accepted_at)
    .bind(job.title())
    .bind(&job.body.filename)
    .bind(&job.body.metadata.number)
    .bind(&job.body.metadata.revision)
    .bind(parent.map(|parent| parent.document_id.as_str()))
    .bind(parent.map(|parent| parent.project_id.as_str()))
    .execute(&mut **tx)
    .await
    .map(drop)
}

async fn failed(tx: &mut Tx, key: i64) -> sqlx::Result<Start> {
    let reason: Option<Json<Reason>> = sqlx::query_scalar("SELECT reason FROM document WHERE key = $1")
        .bind(key)
        .fetch_one(&mut **tx)
        .await?;
    // `fail` always writes one.
    Ok(reason.map_or(Start::KillsWorkers, |Json(reason)| Start::Failed(reason)))
}

async fn done(tx: &mut Tx, key: i64, job: &Job) -> sqlx::Result<Start> {
    let (state, chunks, text_length, title): (String, i32, i64, String) =
        sqlx::query_as("SELECT state, chunks, text_length, title FROM document WHERE key = $1")
            .bind(key)
            .fetch_one(&mut **tx)
            .await?;
    let replaced: Vec<String> = sqlx::query_scalar(
        "SELECT r.id FROM document r JOIN document d ON d.project_key = r.project_key
         WHERE d.key = $1 AND r.superseded_by = $2 AND r.state = 'superseded' AND d.number_norm <> ''
           AND r.number_norm = d.number_norm",
    )
    .bind(key)
    .bind(job.document.as_str())
    .fetch_all(&mut **tx)
    .await?;
    Ok(Start::Done {
        chunks: u32::try_from(chunks).unwrap_or_default(),
        text_length: u64::try_from(text_length).unwrap_or_default(),
        superseded: state == "superseded",
        title,
        replaced: replaced.iter().filter_map(|id| id.parse().ok()).collect(),
    })
}

/// Whether the document is indexed with exactly this content and metadata.
async fn same_content(tx: &mut Tx, key: i64, job: &Job) -> sqlx::Result<bool> {
    let Some(Json(known)) = sqlx::query_scalar::<_, Option<Json<schemas::ingest::IngestDocument>>>(
        "SELECT job FROM document WHERE key = $1",
    )
    .bind(key)
    .fetch_one(&mut **tx)
    .await?
    else {
        return Ok(false);
    };
    Ok(known.same_content(&job.body))
}

async fn parent_is_deleted(tx: &mut Tx, job: &Job) -> sqlx::Result<bool> {
    let Some(parent) = &job.body.parent else { return Ok(false) };
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM document d JOIN project p ON p.key = d.project_key
                        WHERE p.id = $1 AND d.id = $2 AND d.state = 'deleted' AND d.accepted_at > $3)",
    )
    .bind(parent.project_id.as_str())
    .bind(parent.document_id.as_str())
    .bind(parent.accepted_at.unwrap_or(job.accepted_at))
    .fetch_one(&mut **tx)
    .await
}

/// An attempt ended without killing its worker: only starts without an end count.
pub async fn ended(pool: &PgPool, job: &Job) -> sqlx::Result<()> {
    let mut tx = job.begin(pool).await?;
    sqlx::query(
        "UPDATE document SET starts = greatest(starts - 1, 0)
         WHERE project_key = (SELECT key FROM project WHERE id = $1) AND id = $2 AND accepted_at = $3",
    )
    .bind(job.project.as_str())
    .bind(job.document.as_str())
    .bind(job.accepted_at)
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// How far it is, for whoever asks.
pub async fn percent(pool: &PgPool, job: &Job, percent: u8) -> sqlx::Result<()> {
    let mut tx = job.begin(pool).await?;
    sqlx::query(
        "UPDATE document SET percent = $4
         WHERE project_key = (SELECT key FROM project WHERE id = $1) AND id = $2 AND accepted_at = $3",
    )
    .bind(job.project.as_str())
    .bind(job.document.as_str())
    .bind(job.accepted_at)
    .bind(i16::from(percent))
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}
