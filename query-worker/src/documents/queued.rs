//! Documents that no worker has taken yet. "Queued" is not a stored flag, which could be wrong: it means that the job
//! is in the stream.

use std::collections::BTreeMap;

use documents::Job;
use futures::{StreamExt as _, TryStreamExt as _, future::ready, stream};
use platform::nats::{stored::Stored, text};
use schemas::{
    DocumentId, Problem, ProjectId, Scope,
    document::{Document, Facts, FileLocation, Kind, State},
    headers,
    ingest::{IngestDocument, Source},
    subjects::{self, JobKind},
};

use crate::{app::App, reply};

/// Returns the job of a queued document.
pub async fn job(app: &App, scope: &Scope, document: &DocumentId) -> Result<Option<Job>, Problem> {
    for project in projects(scope) {
        let subject = subjects::jobs_of(project, document);
        let last = readable(app.nats.last_stored(subjects::INGEST_STREAM, &subject).await)?;
        if let Some(job) = last.as_ref().and_then(read) {
            return Ok(Some(job));
        }
    }
    Ok(None)
}

/// Returns where the file of a queued document is.
pub fn file(job: Job) -> Option<FileLocation> {
    let Source::Object(object) = job.body.source else { return None };
    Some(FileLocation {
        project_id: job.project,
        object: object.name,
        filename: job.body.filename,
        media_type: job.body.media_type,
        size: object.size,
        sha256: object.sha256,
    })
}

/// Maximum number of jobs that are read for one page, because a filter may match only a few of very many.
const MOST_READ: usize = 200;
/// Maximum number of questions to NATS at the same time: a caller may have very many projects.
const AT_ONCE: usize = 16;

/// Returns at most `limit` queued documents that `wanted` accepts, in the queue's order from `from` on, and where the
/// next page begins if there are more. Records of an import are not listed, only the import. The page ends earlier if it
/// would be too large for a reply.
pub async fn page(
    app: &App,
    scope: &Scope,
    from: u64,
    limit: usize,
    wanted: impl Fn(&Document) -> bool,
) -> Result<(Vec<Document>, Option<u64>), Problem> {
    let mut filters = Vec::new();
    for project in projects(scope) {
        for all in JobKind::DOCUMENTS.into_iter().flat_map(JobKind::filters) {
            filters.push(project.map_or(all.clone(), |project| all.replacen('*', &project.token(), 1)));
        }
    }
    // The next job of each kind and project, by its sequence number in the queue.
    let heads = stream::iter(filters).map(|filter| next(app, filter, from)).buffer_unordered(AT_ONCE);
    let heads = heads.try_filter_map(|head| ready(Ok(head)));
    let mut heads: BTreeMap<_, _> = heads.try_collect().await?;
    let mut documents: Vec<Document> = Vec::new();
    let mut room = reply::BUDGET;
    for _ in 0..MOST_READ {
        if documents.len() == limit {
            break;
        }
        let Some((sequence, (filter, message))) = heads.pop_first() else { break };
        // A record or attachment is listed only after it is stored.
        let job = read(&message).filter(|job| job.body.parent.is_none());
        let document = job.map(view).filter(&wanted);
        let size = document.as_ref().map_or(0, reply::size);
        if size > room && !documents.is_empty() {
            heads.insert(sequence, (filter, message));
            break;
        }
        room = room.saturating_sub(size);
        documents.extend(document);
        heads.extend(next(app, filter, sequence + 1).await?);
    }
    Ok((documents, heads.first_key_value().map(|(sequence, _)| *sequence)))
}

/// Returns the sequence number of the next job on these subjects, from this number on, its subjects and its message.
async fn next(app: &App, filter: String, from: u64) -> Result<Option<(u64, (String, Stored))>, Problem> {
    let message = readable(app.nats.first_stored(subjects::INGEST_STREAM, &filter, from).await)?;
    Ok(message.map(|message| (message.sequence, (filter, message))))
}

fn projects(scope: &Scope) -> Vec<Option<&ProjectId>> {
    match scope {
        Scope::All => vec![None],
        Scope::Projects(projects) => projects.iter().map(Some).collect(),
    }
}

fn readable(message: anyhow::Result<Option<Stored>>) -> Result<Option<Stored>, Problem> {
    message.map_err(|error| {
        tracing::warn!(error = format!("{error:#}"), "looking into the queue");
        Problem::unavailable()
    })
}

/// Returns the job of a message. A job that will be refused counts as queued until then, but nothing in its body is
/// shown, because its sender may not be allowed to send it. Returns `None` if the message is not a job.
fn read(message: &Stored) -> Option<Job> {
    let ordered_at = text(message.headers.as_ref(), headers::ORDERED_AT);
    let accepted_at = subjects::accepted_at(&message.subject, ordered_at.as_deref(), message.time);
    Job::read(&message.subject, &message.payload, accepted_at).ok().or_else(|| {
        let (project, document) = subjects::parse_job(&message.subject).ok()?;
        serde_json::from_slice::<IngestDocument>(&message.payload).ok()?;
        Some(Job::new(project, document, accepted_at, IngestDocument::default()))
    })
}

pub fn view(job: Job) -> Document {
    let (fields, object) = (job.fields(), job.object());
    let IngestDocument { metadata, filename, parent, .. } = job.body;
    let extension = filename.rsplit_once('.').map(|(_, extension)| extension.to_lowercase());
    let facts = Facts {
        document_id: job.document,
        project_id: job.project,
        kind: Kind::Document,
        state: State::Queued,
        percent: 0,
        fields,
        file_type: extension.unwrap_or_default(),
        filename,
        date_modified: metadata.date_modified,
        size: object.size,
        sha256: object.sha256,
        pages: 0,
        chunks: 0,
        text_length: 0,
        records: None,
        parent_id: parent.map(|parent| parent.document_id),
        superseded_by: None,
        accepted_at: job.accepted_at,
        indexed_at: None,
        metadata: metadata.extra,
    };
    Document { facts, reason: None }
}
