//! The row of a document, and the operations that all transitions share.

use std::{collections::HashMap, ops::AddAssign};

use chrono::{DateTime, Utc};
use schemas::{
    DocumentId, Fields, ProjectId, Scope,
    ingest::{IngestDocument, ObjectRef},
    problem::Reason,
};
use sqlx::{PgConnection, PgPool, types::Json};

use crate::{
    Job, passages,
    revision::Revision,
    scope::{self, ProjectTx, Tx},
};

/// The current state of a document, locked until the transaction ends.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Row {
    pub key: i64,
    pub id: String,
    pub kind: String,
    pub state: String,
    pub accepted_at: DateTime<Utc>,
    /// When the job that made the row was first accepted; earlier than `accepted_at` if it was queued again.
    pub since: DateTime<Utc>,
    pub starts: i16,
    pub reason: Option<Json<Reason>>,
    pub superseded_by: Option<String>,
    pub job: Option<Json<IngestDocument>>,
    pub object: String,
    pub file_type: String,
    pub fields: Json<Fields>,
    pub date_modified: Option<DateTime<Utc>>,
    pub chunks: i32,
    pub terms: i32,
    pub text_length: i64,
}

/// Maximum number of passages that one statement deletes, so that it does not reach its time limit. The slices of a
/// commit do not cross those of a deletion.
const SLICE: i32 = 4_096;
const STEP: usize = SLICE as usize;
const _: () = assert!(STEP.is_multiple_of(passages::SLICE));

impl Row {
    /// Whether this row has the outcome of the job accepted at `accepted_at`, or was written by a later job of the
    /// document. Jobs that were queued again are compared by the time of their first acceptance, `since`.
    pub fn settles(&self, accepted_at: DateTime<Utc>, since: DateTime<Utc>) -> bool {
        match self.accepted_at == accepted_at {
            true => self.state != "processing",
            false => self.since > since,
        }
    }

    pub fn revision(&self) -> Revision {
        Revision {
            code: self.fields.revision.clone(),
            date_modified: self.date_modified,
            accepted_at: self.since,
        }
    }

    pub async fn clear(&self, tx: &mut ProjectTx) -> sqlx::Result<Sums> {
        clear(tx, &[(self.key, self.chunks, self.terms)]).await
    }
}

/// Deletes the passages of documents and removes them from the keyword index. A document is given by its key, the number of
/// its passages and their length in terms. Returns how the project's sums change.
pub async fn clear(tx: &mut ProjectTx, documents: &[(i64, i32, i32)]) -> sqlx::Result<Sums> {
    let (mut sums, mut together, mut passages) = (Sums::default(), Vec::new(), 0);
    for (key, chunks, terms) in documents.iter().copied().filter(|(_, chunks, _)| *chunks > 0) {
        sums += Sums { chunks: -i64::from(chunks), terms: -i64::from(terms) };
        if chunks > SLICE {
            for first in (0..chunks).step_by(STEP) {
                clear_slice(tx, &[key], first).await?;
            }
            continue;
        }
        if passages + chunks > SLICE {
            clear_slice(tx, &std::mem::take(&mut together), 0).await?;
            passages = 0;
        }
        together.push(key);
        passages += chunks;
    }
    if !together.is_empty() {
        clear_slice(tx, &together, 0).await?;
    }
    Ok(sums)
}

/// Deletes a slice of the passages of each document. Words that are not merged yet are deleted with the passages; passages
/// whose words are merged are listed in posting_dead. A running merge has locked its rows: this statement waits for it, and
/// then sees the words as merged.
async fn clear_slice(tx: &mut ProjectTx, keys: &[i64], first: i32) -> sqlx::Result<()> {
    sqlx::query(
        "WITH waiting AS (
             DELETE FROM posting_pending
             WHERE project_key = $1 AND document_key = ANY($2) AND first >= $3 AND first < $4
             RETURNING document_key, first, first + passages AS next),
         gone AS (
             DELETE FROM chunk
             WHERE project_key = $1 AND document_key = ANY($2) AND ordinal >= $3 AND ordinal < $4
             RETURNING key, document_key, ordinal)
         INSERT INTO posting_dead (project_key, chunk_key)
         SELECT $1, key FROM gone
         WHERE NOT EXISTS (SELECT FROM waiting
                           WHERE waiting.document_key = gone.document_key AND ordinal >= first AND ordinal < next)",
    )
    .bind(tx.project)
    .bind(keys)
    .bind(first)
    .bind(first.saturating_add(SLICE))
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Locks and returns the document's row.
pub async fn find(tx: &mut ProjectTx, document: &DocumentId) -> sqlx::Result<Option<Row>> {
    Ok(select(tx.project, tx, &[], &[document.as_str()]).await?.pop())
}

/// Locks and returns the rows of the documents with these ids, by their ids. They are locked in a fixed order, against
/// deadlocks.
pub async fn find_all(tx: &mut ProjectTx, documents: &[&str]) -> sqlx::Result<HashMap<String, Row>> {
    let rows = select(tx.project, tx, &[], documents).await?;
    Ok(rows.into_iter().map(|row| (row.id.clone(), row)).collect())
}

/// Like [`find_all`], for the rows with these keys, in the order of the keys.
pub async fn lock(tx: &mut ProjectTx, keys: &[i64]) -> sqlx::Result<Vec<Row>> {
    if keys.is_empty() { Ok(Vec::new()) } else { select(tx.project, tx, keys, &[]).await }
}

/// Locks and returns the rows with these keys and those of the documents with these ids, in the order of the keys.
/// The lock includes the key: whoever stores a document locks the key of what the document came with (parents.rs), and must wait
/// for a deletion.
pub async fn select(
    project_key: i32,
    tx: &mut PgConnection,
    keys: &[i64],
    documents: &[&str],
) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as(
        "SELECT key, id, kind, state, accepted_at, coalesce(since, accepted_at) AS since, starts, reason,
                superseded_by, job, object, file_type, fields, date_modified, chunks, terms, text_length
         FROM document
         -- Not `key = ANY($2) OR id = ANY($3)`, for which the planner may choose to read all documents of the project.
         WHERE project_key = $1
           AND key = ANY($2 || ARRAY(SELECT key FROM document WHERE project_key = $1 AND id = ANY($3)))
         ORDER BY key FOR UPDATE",
    )
    .bind(project_key)
    .bind(keys)
    .bind(documents)
    .fetch_all(tx)
    .await
}

/// Maximum time of a statement about all parts of a document, in milliseconds. With the usual limit, the job of a very large import
/// might be tried again for ever.
const PATIENCE: &str = "600000";

/// Gives the statements that follow in this transaction that time.
pub async fn be_patient(tx: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("SELECT set_config('statement_timeout', $1, true)").bind(PATIENCE).execute(tx).await.map(drop)
}

/// Begins a transaction that sees only this project, which is created if it does not exist.
pub async fn begin(pool: &PgPool, project: &ProjectId) -> sqlx::Result<ProjectTx> {
    in_project(scope::begin(pool, &Scope::Projects(vec![project.clone()])).await?, project).await
}

/// Continues a transaction in a project, which is created if it does not exist.
pub async fn in_project(mut tx: Tx, project: &ProjectId) -> sqlx::Result<ProjectTx> {
    let mut key = project_key(&mut tx, project).await?;
    if key.is_none() {
        sqlx::query("INSERT INTO project (id) VALUES ($1) ON CONFLICT (id) DO NOTHING")
            .bind(project.as_str())
            .execute(&mut *tx)
            .await?;
        key = project_key(&mut tx, project).await?;
    }
    Ok(ProjectTx { tx, project: key.ok_or(sqlx::Error::RowNotFound)? })
}

/// Returns the project's key. Notes the keys of the projects in scope in the transaction, as [`scope::projects`] does.
pub async fn project_key(tx: &mut PgConnection, project: &ProjectId) -> sqlx::Result<Option<i32>> {
    let (key, _): (Option<i32>, String) = sqlx::query_as(
        "SELECT max(key) FILTER (WHERE id = $1), set_config('acorag.projects', coalesce(array_agg(key), '{}')::text, true)
         FROM project",
    )
    .bind(project.as_str())
    .fetch_one(tx)
    .await?;
    Ok(key)
}

/// A change of the number of a project's passages, and of their lengths in terms.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sums {
    pub chunks: i64,
    pub terms: i64,
}

impl Sums {
    pub async fn add(self, tx: &mut ProjectTx) -> sqlx::Result<()> {
        if self.chunks == 0 && self.terms == 0 {
            return Ok(());
        }
        sqlx::query("UPDATE project SET chunks = chunks + $2, terms = terms + $3 WHERE key = $1")
            .bind(tx.project)
            .bind(self.chunks)
            .bind(self.terms)
            .execute(&mut **tx)
            .await
            .map(drop)
    }
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.chunks += other.chunks;
        self.terms += other.terms;
    }
}

/// What is stored about a document whose job is done or has failed, or about an import whose records are counted.
pub struct Written<'a> {
    pub key: i64,
    pub job: &'a Job,
    /// 'processing' for an import whose records are counted, else 'indexed', 'superseded' or 'failed'.
    pub state: &'static str,
    pub reason: Option<&'a Reason>,
    pub number_norm: &'a str,
    pub pages: i32,
    pub chunks: i32,
    pub terms: i32,
    pub text_length: i64,
    pub superseded_by: Option<DocumentId>,
    pub fields: &'a Fields,
    pub date_modified: Option<DateTime<Utc>>,
    pub object: &'a ObjectRef,
    pub media_type: &'a str,
    /// `None` keeps the stored value.
    pub file_type: Option<&'a str>,
}

/// Writes documents of one project. Their rows are locked ([`find`]).
pub async fn write(tx: &mut ProjectTx, documents: &[Written<'_>]) -> sqlx::Result<()> {
    let size = |object: &ObjectRef| i64::try_from(object.size).unwrap_or(i64::MAX);
    sqlx::query(
        "UPDATE document d
         SET state = new.state, reason = new.reason, number_norm = new.number_norm, pages = new.pages, chunks = new.chunks,
             terms = new.terms, text_length = new.text_length, superseded_by = new.superseded_by, job = new.job,
             filename = new.filename, metadata = new.metadata, fields = new.fields, date_modified = new.date_modified,
             object = new.object, sha256 = new.sha256, size = new.size, media_type = new.media_type,
             file_type = coalesce(new.file_type, d.file_type),
             kind = CASE WHEN new.state IN ('indexed', 'superseded') THEN 'document' ELSE d.kind END,
             percent = CASE new.state WHEN 'processing' THEN d.percent WHEN 'failed' THEN 0 ELSE 100 END,
             starts = CASE new.state WHEN 'processing' THEN d.starts ELSE 0 END,
             indexed_at = CASE new.state WHEN 'processing' THEN d.indexed_at WHEN 'failed' THEN NULL ELSE now() END
         FROM unnest($2::bigint[], $3::text[], $4::jsonb[], $5::text[], $6::int[], $7::int[], $8::int[], $9::bigint[],
                     $10::text[], $11::jsonb[], $12::text[], $13::jsonb[], $14::jsonb[], $15::timestamptz[], $16::text[],
                     $17::text[], $18::bigint[], $19::text[], $20::text[])
              AS new(key, state, reason, number_norm, pages, chunks, terms, text_length, superseded_by, job, filename,
                     metadata, fields, date_modified, object, sha256, size, media_type, file_type)
         WHERE d.project_key = $1 AND d.key = new.key",
    )
    .bind(tx.project)
    .bind(documents.iter().map(|new| new.key).collect::<Vec<_>>())
    .bind(documents.iter().map(|new| new.state).collect::<Vec<_>>())
    .bind(documents.iter().map(|new| new.reason.map(Json)).collect::<Vec<_>>())
    .bind(documents.iter().map(|new| new.number_norm).collect::<Vec<_>>())
    .bind(documents.iter().map(|new| new.pages).collect::<Vec<_>>())
    .bind(documents.iter().map(|new| new.chunks).collect::<Vec<_>>())
    .bind(documents.iter().map(|new| new.terms).collect::<Vec<_>>())
    .bind(documents.iter().map(|new| new.text_length).collect::<Vec<_>>())
    .bind(documents.iter().map(|new| new.superseded_by.as_ref().map(DocumentId::as_str)).collect::<Vec<_>>())
    .bind(documents.iter().map(|new| Json(&new.job.body)).collect::<Vec<_>>())
    .bind(documents.iter().map(|new| new.job.body.filename.as_str()).collect::<Vec<_>>())
    .bind(documents.iter().map(|new| Json(&new.job.body.metadata.extra)).collect::<Vec<_>>())
    .bind(documents.iter().map(|new| Json(new.fields.given())).collect::<Vec<_>>())
    .bind(documents.iter().map(|new| new.date_modified).collect::<Vec<_>>())
    .bind(documents.iter().map(|new| new.object.name.as_str()).collect::<Vec<_>>())
    .bind(documents.iter().map(|new| new.object.sha256.as_str()).collect::<Vec<_>>())
    .bind(documents.iter().map(|new| size(new.object)).collect::<Vec<_>>())
    .bind(documents.iter().map(|new| new.media_type).collect::<Vec<_>>())
    .bind(documents.iter().map(|new| new.file_type).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await
    .map(drop)
}
