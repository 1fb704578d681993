//! A job as the store knows it.

use chrono::{DateTime, SubsecRound as _, Utc};
use schemas::{
    DocumentId, Fields, ProjectId, Scope,
    ingest::{IngestDocument, ObjectRef, Source},
    problem::Reason,
};
use sqlx::{PgConnection, PgPool, types::Json};

use crate::{
    revision::Revision,
    scope::{self, Tx},
};

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

    /// What is said of the document before it is read: without a title it is called by its file's name.
    pub fn fields(&self) -> Fields {
        let mut fields = self.body.metadata.fields.clone();
        if fields.title.is_empty() {
            fields.title.clone_from(&self.body.filename);
        }
        fields
    }

    /// The file that the document is read from, as far as the job says.
    pub fn object(&self) -> ObjectRef {
        match &self.body.source {
            Source::Object(object) => object.clone(),
            Source::Text(text) => {
                ObjectRef { name: String::new(), size: text.len() as u64, sha256: String::new() }
            }
        }
    }

    pub(crate) fn revision(&self) -> Revision {
        Revision::of(&self.body, self.accepted_at)
    }

    pub(crate) async fn begin(&self, pool: &PgPool) -> sqlx::Result<Tx> {
        let mut projects = vec![self.project.clone()];
        projects.extend(self.body.parent.iter().map(|parent| parent.project_id.clone()));
        scope::begin(pool, &Scope::Projects(projects)).await
    }

    /// Notes in its import what became of this record.
    pub(crate) async fn settle(
        &self,
        tx: &mut PgConnection,
        outcome: &str,
        reason: Option<&Reason>,
    ) -> sqlx::Result<()> {
        let Some(parent) = &self.body.parent else { return Ok(()) };
        sqlx::query(
            "UPDATE import_record r SET outcome = $5, reason = $6
             FROM document d JOIN project p ON p.key = d.project_key
             WHERE p.id = $1 AND d.id = $2 AND r.import_key = d.key AND r.project_id = $3 AND r.document_id = $4",
        )
        .bind(parent.project_id.as_str())
        .bind(parent.document_id.as_str())
        .bind(self.project.as_str())
        .bind(self.document.as_str())
        .bind(outcome)
        .bind(reason.map(Json))
        .execute(tx)
        .await
        .map(drop)
    }
}
