//! A job after it was read from the queue and checked.

use chrono::{DateTime, SubsecRound as _, Utc};
use schemas::{
    DocumentId, Fields, Message, ProjectId, Scope,
    fields::MAX_FIELD_CHARS,
    ingest::{IngestDocument, MAX_JOB_BYTES, ObjectRef, Parent, SentFile, Source},
    messages,
    problem::Reason,
    subjects, text,
};
use serde_json::Value;
use sqlx::{PgConnection, PgPool, Postgres, postgres::PgArguments, query::Query, types::Json};

use crate::{
    revision::Revision,
    scope::{self, Tx},
};

#[derive(Debug, Clone)]
pub struct Job {
    pub project: ProjectId,
    pub document: DocumentId,
    /// When the queue accepted the job, in microseconds, as the database stores it. This time identifies the job.
    pub accepted_at: DateTime<Utc>,
    /// When the job was first accepted; earlier than `accepted_at` if it was queued again. This time orders the jobs of
    /// a document: a later one makes an earlier one void.
    pub since: DateTime<Utc>,
    /// The job's message. Its source is text or an object of the service's own store, never a producer's file
    /// (`Source::File`).
    pub body: IngestDocument,
    /// The file of an event producer that may still be in parts: a worker must then store it as the object
    /// that `body` names.
    pub sent: Option<SentFile>,
}

impl Job {
    pub fn new(
        project: ProjectId,
        document: DocumentId,
        published: DateTime<Utc>,
        mut body: IngestDocument,
    ) -> Self {
        let accepted_at = published.trunc_subsecs(6);
        let sent = if let Source::File(file) = &body.source { Some(file.clone()) } else { None };
        if let Some(file) = &sent {
            body.source = Source::Object(file.object(&project, &document));
        }
        Self { project, document, accepted_at, since: accepted_at, body, sent }
    }

    /// Reads and checks a job from the stream. Its content is not trusted: anybody who may publish on the subject can
    /// have written it.
    pub fn read(subject: &str, payload: &[u8], published: DateTime<Utc>) -> Result<Self, Reason> {
        let invalid = |message: Message| message.reason("invalid_job");
        if payload.len() > MAX_JOB_BYTES {
            return Err(invalid(messages::jobs::message_too_large(MAX_JOB_BYTES)));
        }
        let (project, document) = subjects::parse_job(subject)
            .map_err(|error| invalid(messages::jobs::bad_subject(&error.to_string())))?;
        let mut body: IngestDocument = serde_json::from_slice(payload)
            .map_err(|error| invalid(messages::jobs::bad_message(&error.to_string())))?;
        without_nul(&mut body);
        // The permissions of NATS protect the subject, so the body must not name another project.
        if body.metadata.project_id.as_ref().is_some_and(|named| *named != project) {
            return Err(invalid(messages::jobs::other_project()));
        }
        // Only our own services may name an object or another project; a producer's message that does is rejected.
        if !subjects::is_the_services_own(subject)
            && (matches!(body.source, Source::Object(_))
                || body.parent.is_some()
                || body.record_scope.is_some())
        {
            return Err(invalid(messages::jobs::reserved_fields()));
        }
        if let Source::File(file) = &body.source
            && !file.is_valid()
        {
            return Err(invalid(messages::jobs::bad_file()));
        }
        match body.metadata.out_of_bounds() {
            Some(problem) => Err(invalid(problem.detail)),
            None => Ok(Self::new(project, document, published, body)),
        }
    }

    /// The job of a message that cannot be read, for storing its failure; `None` if its subject names no document. On a
    /// subject of the service's own it keeps what the document came with, because an import waits for the outcome of each
    /// of its records.
    pub fn unreadable(subject: &str, payload: &[u8], published: DateTime<Utc>) -> Option<Self> {
        let (project, document) = subjects::parse_job(subject).ok()?;
        let known = subjects::is_the_services_own(subject).then(|| serde_json::from_slice(payload).ok());
        let parent = known.flatten().and_then(|mut known: Value| {
            serde_json::from_value::<Parent>(known.get_mut("parent")?.take()).ok()
        });
        Some(Self::new(project, document, published, IngestDocument { parent, ..IngestDocument::default() }))
    }

    /// Returns the job with `since` set to this earlier time of acceptance.
    #[must_use]
    pub fn first_accepted(self, at: DateTime<Utc>) -> Self {
        Self { since: self.accepted_at.min(at.trunc_subsecs(6)), ..self }
    }

    /// Returns the fields that are known before the document is read. Without a title, the file name is the title.
    pub fn fields(&self) -> Fields {
        let mut fields = self.body.metadata.fields.clone();
        if fields.title.is_empty() {
            text::clip(&self.body.filename, MAX_FIELD_CHARS).clone_into(&mut fields.title);
        }
        fields
    }

    /// The file that the document is read from, as far as the job describes the file.
    pub fn object(&self) -> ObjectRef {
        match &self.body.source {
            Source::Object(object) => object.clone(),
            Source::File(file) => file.object(&self.project, &self.document),
            Source::Text(text) => {
                ObjectRef { name: String::new(), size: text.len() as u64, sha256: String::new() }
            }
        }
    }

    pub(crate) fn revision(&self) -> Revision {
        Revision::of(&self.body.metadata, self.since)
    }

    /// The value of the column `since`: the first acceptance of a job that was queued again.
    pub(crate) fn first_acceptance(&self) -> Option<DateTime<Utc>> {
        (self.since != self.accepted_at).then_some(self.since)
    }

    pub(crate) async fn begin(&self, pool: &PgPool) -> sqlx::Result<Tx> {
        let mut projects = vec![self.project.clone()];
        projects.extend(self.body.parent.iter().map(|parent| parent.project_id.clone()));
        scope::begin(pool, &Scope::Projects(projects)).await
    }

    /// Runs a statement that changes the document's row if this job made it. The project, the document and the time of acceptance
    /// are its last parameters.
    pub(crate) async fn update(
        &self,
        pool: &PgPool,
        statement: Query<'static, Postgres, PgArguments>,
    ) -> sqlx::Result<()> {
        let mut tx = self.begin(pool).await?;
        let statement = statement.bind(self.project.as_str()).bind(self.document.as_str());
        statement.bind(self.accepted_at).execute(&mut *tx).await?;
        tx.commit().await
    }
}

/// Stores the outcomes of jobs of one project for the import whose records they are, if they are records of one. If the import
/// was sent again since, an outcome is not that of its new record.
pub(crate) async fn settle(
    tx: &mut PgConnection,
    outcomes: &[(&Job, &str, Option<&Reason>)],
) -> sqlx::Result<()> {
    let Some((first, ..)) = outcomes.first() else { return Ok(()) };
    let Some(parent) = &first.body.parent else { return Ok(()) };
    let sent = |job: &Job| job.body.parent.as_ref().and_then(|parent| parent.accepted_at);
    sqlx::query(
        "UPDATE import_record r SET outcome = settled.outcome, reason = settled.reason
         FROM unnest($4::text[], $5::text[], $6::jsonb[], $7::timestamptz[]) AS settled(document_id, outcome, reason, sent),
              document d JOIN project p ON p.key = d.project_key
         WHERE p.id = $1 AND d.id = $2 AND r.project_key = p.key AND r.import_key = d.key AND r.project_id = $3
           AND r.document_id = settled.document_id AND d.accepted_at = coalesce(settled.sent, d.accepted_at)
           -- Without this line, the planner may choose to read all records of the import.
           AND r.document_id = ANY($4)",
    )
    .bind(parent.project_id.as_str())
    .bind(parent.document_id.as_str())
    .bind(first.project.as_str())
    .bind(outcomes.iter().map(|(job, ..)| job.document.as_str()).collect::<Vec<_>>())
    .bind(outcomes.iter().map(|(_, outcome, _)| *outcome).collect::<Vec<_>>())
    .bind(outcomes.iter().map(|(.., reason)| reason.map(Json)).collect::<Vec<_>>())
    .bind(outcomes.iter().map(|(job, ..)| sent(job)).collect::<Vec<_>>())
    .execute(tx)
    .await
    .map(drop)
}

/// Removes NUL characters. PostgreSQL cannot store them, and text extracted from PDFs often contains some.
fn without_nul(body: &mut IngestDocument) {
    if let Source::Text(content) = &mut body.source {
        *content = text::without_nul(std::mem::take(content));
    }
    for name in [&mut body.filename, &mut body.media_type] {
        *name = text::without_nul(std::mem::take(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCER: &str = "acorag.v1.ingest.document.p.d";
    const OWN: &str = "acorag.v1.ingest.upload.p.d";

    fn read(subject: &str, body: &str) -> Result<Job, String> {
        Job::read(subject, body.as_bytes(), DateTime::UNIX_EPOCH).map_err(|reason| reason.code)
    }

    #[test]
    fn a_producer_names_no_object_and_no_other_project() {
        let parent = r#"{"text": "x", "parent": {"project_id": "q", "document_id": "i"}}"#;
        for body in [r#"{"object": {"name": "x"}}"#, r#"{"text": "x", "record_scope": "all"}"#, parent] {
            assert_eq!(read(PRODUCER, body).unwrap_err(), "invalid_job", "{body}");
            assert!(read(OWN, body).is_ok(), "{body}");
        }
        for body in
            [r#"{"text": "x", "metadata": {"project_id": "q"}}"#, r#"{"file": {"id": ">"}}"#, "", "[]"]
        {
            assert_eq!(read(PRODUCER, body).unwrap_err(), "invalid_job", "{body}");
        }
    }

    #[test]
    fn an_unreadable_message_of_the_services_own_keeps_what_it_came_with() {
        let parent = |subject: &str, body: &str| {
            Job::unreadable(subject, body.as_bytes(), DateTime::UNIX_EPOCH).unwrap().body.parent
        };
        let body =
            r#"{"text": "x", "metadata": {"date": "x"}, "parent": {"project_id": "q", "document_id": "i"}}"#;
        assert_eq!(read(OWN, body).unwrap_err(), "invalid_job");
        assert_eq!(parent(OWN, body).unwrap().document_id.as_str(), "i");
        assert_eq!([parent(PRODUCER, body), parent(OWN, "x")], [None, None]);
    }

    #[test]
    fn a_sent_file_becomes_an_object_of_the_services_own() {
        let hash = "ab".repeat(32);
        let job =
            read(PRODUCER, &format!(r#"{{"file": {{"id": "x", "size": 3, "sha256": "{hash}"}}}}"#)).unwrap();
        assert!(job.object().name.starts_with("sent-") && job.sent.is_some());
        assert!(
            matches!(job.body.source, Source::Object(object) if object.size == 3 && object.sha256 == hash)
        );
    }
}
