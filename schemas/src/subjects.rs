//! Every name on NATS, spelled once: streams, subjects, consumers.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::{DocumentId, ProjectId, event::EventKind, ids, ingest::SentFile, query::Lane};

pub const INGEST_STREAM: &str = "INGEST";
pub const QUERIES_STREAM: &str = "QUERIES";
pub const EVENTS_STREAM: &str = "EVENTS";
pub const DEAD_LETTERS_STREAM: &str = "DLQ";
/// Parts of the files that event producers send, each until a worker has taken its file into the object store.
pub const PARTS_STREAM: &str = "PARTS";
/// The object store that holds original files.
pub const FILES_BUCKET: &str = "FILES";
/// The stream in which NATS keeps that object store.
pub const FILES_STREAM: &str = "OBJ_FILES";

pub const QUERIES_ALL: &str = "acorag.v1.query.>";
pub const EVENTS_ALL: &str = "acorag.v1.event.>";
pub const DEAD_LETTERS_ALL: &str = "acorag.v1.dlq.>";
pub const PARTS_ALL: &str = "acorag.v1.file.*.*";
/// Queries that hold a secret; core NATS, in no stream.
pub const SECRETS_ALL: &str = "acorag.v1.secret.>";
/// The queue group of the workers that answer queries with a secret. NATS delivers each query to one of them.
pub const SECRETS_GROUP: &str = "query-workers";
/// Replies; core NATS, in no stream.
pub const REPLIES: &str = "acorag.v1.reply";

names! {
    /// The kinds of jobs on the INGEST stream. Each kind is a lane: it has a consumer of its own, so that no kind
    /// waits for another one. A person's upload does not wait for the records of an import, and a deletion waits
    /// for neither.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum JobKind {
        Document = "document",
        /// A document whose project has other documents in progress or in this lane. The workers move it here.
        Batch = "batch",
        /// A document whose project already has many documents in [`Self::Batch`]. The workers move it here.
        Bulk = "bulk",
        /// A file that was found to hold records. The workers move it here.
        Import = "import",
        Record = "record",
        Delete = "delete",
    }
}

impl JobKind {
    /// Kinds whose messages are documents by themselves: neither records nor deletions.
    pub const DOCUMENTS: [Self; 4] = [Self::Document, Self::Batch, Self::Bulk, Self::Import];

    /// Whether somebody may be waiting for this one document.
    pub fn is_urgent(self) -> bool {
        matches!(self, Self::Document | Self::Delete)
    }

    /// The subjects of all jobs of this kind.
    pub fn filters(self) -> Vec<String> {
        let uploads = (self == Self::Document).then_some(UPLOAD);
        let kinds = std::iter::once(self.name()).chain(uploads);
        kinds.map(|kind| format!("acorag.v1.ingest.{kind}.*.*")).collect()
    }
}

/// Returns the subjects of all jobs. The stream accepts only subjects that a consumer reads: a job on a
/// mistyped subject is refused instead of being kept for ever.
pub fn all_jobs() -> Vec<String> {
    JobKind::ALL.into_iter().flat_map(JobKind::filters).collect()
}

/// The token that replaces `document` in the subject of a document that came through the api. Event producers
/// may not publish on such a subject.
const UPLOAD: &str = "upload";

pub fn job(kind: JobKind, project: &ProjectId, document: &DocumentId) -> String {
    format!("acorag.v1.ingest.{}.{}.{}", kind.name(), project.token(), document.token())
}

/// Returns the subject of a document that the service itself queues. Unlike an event producer, the service is
/// trusted to name a parent and other projects in the message.
pub fn upload(project: &ProjectId, document: &DocumentId) -> String {
    format!("acorag.v1.ingest.{UPLOAD}.{}.{}", project.token(), document.token())
}

/// Whether only the service itself may publish on this subject of a job.
pub fn is_the_services_own(job: &str) -> bool {
    !job.starts_with(&format!("acorag.v1.ingest.{}.", JobKind::Document.name()))
}

/// Returns the time at which a job was accepted; it orders the jobs of a document. For a job that the service
/// publishes again later, the time is in the header [`crate::headers::ORDERED_AT`]. On a producer's subject
/// this header is ignored.
pub fn accepted_at(job: &str, ordered_at: Option<&str>, published: DateTime<Utc>) -> DateTime<Utc> {
    let ordered_at = ordered_at.filter(|_| is_the_services_own(job));
    let ordered_at = ordered_at.and_then(|at| DateTime::parse_from_rfc3339(at).ok());
    ordered_at.map_or(published, |at| at.to_utc())
}

/// Returns the time at which a job was first accepted, which is in the header [`crate::headers::ACCEPTED`] if it was queued
/// again. It is never later than `accepted_at`.
pub fn first_accepted_at(first: Option<&str>, accepted_at: DateTime<Utc>) -> DateTime<Utc> {
    let first = first.and_then(|at| DateTime::parse_from_rfc3339(at).ok());
    first.map_or(accepted_at, |first| accepted_at.min(first.to_utc()))
}

pub fn jobs_of_project(kind: JobKind, project: &ProjectId) -> String {
    format!("acorag.v1.ingest.{}.{}.*", kind.name(), project.token())
}

/// Returns the subject filter for the jobs of every kind of one document, to look up whether the document is
/// still queued. Without a project, the filter matches the document's id in every project.
pub fn jobs_of(project: Option<&ProjectId>, document: &DocumentId) -> String {
    let project = project.map_or_else(|| "*".to_owned(), ProjectId::token);
    format!("acorag.v1.ingest.*.{project}.{}", document.token())
}

/// The project and document that a job's subject names.
pub fn parse_job(subject: &str) -> Result<(ProjectId, DocumentId), ids::Error> {
    let tokens: Vec<&str> = subject.split('.').collect();
    let ["acorag", "v1", "ingest", _kind, project, document] = tokens.as_slice() else {
        return Err(ids::Error::Token);
    };
    Ok((ProjectId::from_token(project)?, DocumentId::from_token(document)?))
}

/// Returns the subject on which an event producer publishes the parts of a file, in their order. The subject
/// names the project, so that the permissions of NATS can limit a producer to its projects.
pub fn parts(project: &ProjectId, file: &SentFile) -> String {
    format!("acorag.v1.file.{}.{}", project.token(), file.id)
}

pub fn is_part(subject: &str) -> bool {
    subject.starts_with("acorag.v1.file.")
}

/// Returns the subject of a query; with the name `>`, the filter for all queries of the lane.
pub fn query(lane: Lane, name: &str) -> String {
    format!("acorag.v1.query.{}.{name}", lane.name())
}

pub fn secret(name: &str) -> String {
    format!("acorag.v1.secret.{name}")
}

pub fn event(project: &ProjectId, document: &DocumentId, kind: EventKind) -> String {
    format!("acorag.v1.event.{}.{}.{}", project.token(), document.token(), kind.name())
}

pub fn events_of(project: &ProjectId, document: &DocumentId) -> String {
    format!("acorag.v1.event.{}.{}.*", project.token(), document.token())
}

pub fn ingest_consumer(kind: JobKind) -> String {
    format!("ingest-{}", kind.name())
}

pub fn query_consumer(lane: Lane) -> String {
    format!("query-{}", lane.name())
}

/// How long the server waits for an acknowledgement or a progress report before it delivers a message again.
pub fn ack_wait(stream: &str) -> Duration {
    Duration::from_secs(if stream == QUERIES_STREAM { 10 } else { 30 })
}

/// Returns the subject of the dead letters of `consumer`: messages that no worker could process.
pub fn dead_letter(consumer: &str) -> String {
    format!("acorag.v1.dlq.{consumer}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_subject_leads_back_to_its_document() {
        let project: ProjectId = "Torre Norte / 2".parse().unwrap();
        let document: DocumentId = "271341.1".parse().unwrap();
        let subject = job(JobKind::Record, &project, &document);
        assert_eq!(subject, "acorag.v1.ingest.record.Torre=20Norte=20=2F=202.271341=2E1");
        assert_eq!(parse_job(&subject).unwrap(), (project, document));
        assert!(parse_job("acorag.v1.ingest.record.x").is_err());
    }

    #[test]
    fn only_the_service_says_when_a_job_was_accepted() {
        let (published, earlier) = (DateTime::UNIX_EPOCH, "1969-07-20T20:17:40.000001+00:00");
        for kind in JobKind::ALL {
            let subject = job(kind, &"p".parse().unwrap(), &"d".parse().unwrap());
            let at = accepted_at(&subject, Some(earlier), published);
            assert_eq!(at < published, kind != JobKind::Document, "{subject}");
            assert_eq!(accepted_at(&subject, Some("yesterday"), published), published);
            assert_eq!(accepted_at(&subject, None, published), published);
        }
    }
}
