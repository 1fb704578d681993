//! The SQL of the ingest worker. Each step is one transaction, walled to its project, and may run twice.

pub mod delete;
pub mod fail;
pub mod import;
pub mod index;
pub mod model;
pub mod start;

use chrono::{DateTime, SubsecRound as _, Utc};
use schemas::{
    DocumentId, ProjectId, Scope,
    ingest::{IngestDocument, Parent},
};
use sqlx::{PgPool, Postgres, Transaction, types::Json};

use crate::revision::Revision;

type Tx = Transaction<'static, Postgres>;

/// A job as the store knows it.
#[derive(Debug, Clone)]
pub struct Job {
    pub project: ProjectId,
    pub document: DocumentId,
    /// When the queue took it, to the microsecond that the database keeps. It identifies the job, and orders the jobs
    /// of one document.
    pub accepted_at: DateTime<Utc>,
    /// When it was first accepted, should it be queued again: what came in between makes it void.
    pub since: DateTime<Utc>,
    pub body: IngestDocument,
}

impl Job {
    pub fn new(
        project: ProjectId,
        document: DocumentId,
        published: DateTime<Utc>,
        body: IngestDocument,
    ) -> Self {
        let accepted_at = published.trunc_subsecs(6);
        Self { project, document, accepted_at, since: accepted_at, body }
    }

    /// The same, accepted for the first time at an earlier moment.
    #[must_use]
    pub fn first_accepted(self, at: DateTime<Utc>) -> Self {
        Self { since: self.accepted_at.min(at.trunc_subsecs(6)), ..self }
    }

    /// What to call it before it is read.
    pub fn title(&self) -> &str {
        let title = &self.body.metadata.title;
        if title.is_empty() { &self.body.filename } else { title }
    }

    fn scope(&self) -> Scope {
        let mut projects = vec![self.project.clone()];
        projects.extend(self.body.parent.iter().map(|parent| parent.project_id.clone()));
        Scope::Projects(projects)
    }

    async fn begin(&self, pool: &PgPool) -> sqlx::Result<Tx> {
        platform::postgres::begin(pool, &self.scope()).await
    }
}

/// What a document is made of now, locked until the transaction ends.
#[derive(Debug, Clone, sqlx::FromRow)]
struct Row {
    key: i64,
    state: String,
    accepted_at: DateTime<Utc>,
    starts: i16,
    object: String,
    chunks: i32,
    terms: i32,
}

async fn lock(tx: &mut Tx, project_key: i32, document: &DocumentId) -> sqlx::Result<Option<Row>> {
    sqlx::query_as(
        "SELECT key, state, accepted_at, starts, object, chunks, terms FROM document
         WHERE project_key = $1 AND id = $2 FOR UPDATE",
    )
    .bind(project_key)
    .bind(document.as_str())
    .fetch_optional(&mut **tx)
    .await
}

/// The project's key; the project is made when this is its first document.
async fn project(tx: &mut Tx, project: &ProjectId) -> sqlx::Result<i32> {
    let known = sqlx::query_scalar("SELECT key FROM project WHERE id = $1")
        .bind(project.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    if let Some(key) = known {
        return Ok(key);
    }
    sqlx::query("INSERT INTO project (id) VALUES ($1) ON CONFLICT (id) DO NOTHING")
        .bind(project.as_str())
        .execute(&mut **tx)
        .await?;
    sqlx::query_scalar("SELECT key FROM project WHERE id = $1")
        .bind(project.as_str())
        .fetch_one(&mut **tx)
        .await
}

/// Takes a document's passages out of the index.
async fn clear(tx: &mut Tx, project_key: i32, key: i64, chunks: i32, terms: i32) -> sqlx::Result<()> {
    if chunks == 0 {
        return Ok(());
    }
    sqlx::query("DELETE FROM chunk WHERE document_key = $1").bind(key).execute(&mut **tx).await?;
    add_to_sums(tx, project_key, -i64::from(chunks), -i64::from(terms)).await
}

async fn add_to_sums(tx: &mut Tx, project_key: i32, chunks: i64, terms: i64) -> sqlx::Result<()> {
    sqlx::query("UPDATE project SET chunks = chunks + $2, terms = terms + $3 WHERE key = $1")
        .bind(project_key)
        .bind(chunks)
        .bind(terms)
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// A revision that answers again, and the job that brings it back.
pub type Revived = (DocumentId, IngestDocument);

/// The newest of the revisions that this document had superseded, of those whose number is not `kept` by it.
async fn revive(
    tx: &mut Tx,
    project_key: i32,
    document: &DocumentId,
    kept: Option<&str>,
) -> sqlx::Result<Option<Revived>> {
    let candidates: Vec<(String, Json<IngestDocument>, DateTime<Utc>)> = sqlx::query_as(
        "SELECT id, job, accepted_at FROM document
         WHERE project_key = $1 AND superseded_by = $2 AND state = 'superseded' AND job IS NOT NULL",
    )
    .bind(project_key)
    .bind(document.as_str())
    .fetch_all(&mut **tx)
    .await?;
    let revision = |(_, Json(job), accepted_at): &(String, Json<IngestDocument>, DateTime<Utc>)| Revision {
        code: job.metadata.revision.clone(),
        date_modified: job.metadata.date_modified,
        accepted_at: *accepted_at,
    };
    let is_kept = |job: &IngestDocument| {
        kept.is_some() && analysis::codes::identity(&job.metadata.number).as_deref() == kept
    };
    let newest =
        candidates.into_iter().filter(|(_, Json(job), _)| !is_kept(job)).reduce(|best, candidate| {
            if revision(&candidate).replaces(&revision(&best)) { candidate } else { best }
        });
    Ok(newest.and_then(|(id, Json(job), _)| Some((id.parse().ok()?, job))))
}

/// Notes in its import what became of a record.
async fn settle_record(
    tx: &mut Tx,
    parent: Option<&Parent>,
    project: &ProjectId,
    document: &DocumentId,
    outcome: &str,
    reason: Option<&schemas::problem::Reason>,
) -> sqlx::Result<()> {
    let Some(parent) = parent else { return Ok(()) };
    sqlx::query(
        "UPDATE import_record r SET outcome = $5, reason = $6
         FROM document d JOIN project p ON p.key = d.project_key
         WHERE p.id = $1 AND d.id = $2 AND r.import_key = d.key AND r.project_id = $3 AND r.document_id = $4",
    )
    .bind(parent.project_id.as_str())
    .bind(parent.document_id.as_str())
    .bind(project.as_str())
    .bind(document.as_str())
    .bind(outcome)
    .bind(reason.map(Json))
    .execute(&mut **tx)
    .await
    .map(drop)
}

#[cfg(test)]
mod tests;
