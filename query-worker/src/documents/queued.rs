//! Documents that no worker has taken yet. "Queued" is not a flag that could be wrong: the job is in the stream.

use async_nats::jetstream::stream::LastRawMessageErrorKind;
use futures::StreamExt as _;
use schemas::{
    DocumentId, Metadata, Problem, ProjectId, Scope,
    document::{Document, FileLocation, Kind, State},
    ingest::{IngestDocument, Source},
    subjects,
};

use crate::app::App;

struct Job {
    project: ProjectId,
    document: DocumentId,
    accepted_at: chrono::DateTime<chrono::Utc>,
    body: IngestDocument,
}

pub async fn find(app: &App, scope: &Scope, document: &DocumentId) -> Result<Option<Document>, Problem> {
    Ok(job(app, scope, document).await?.map(view))
}

/// Where the file of a queued document is.
pub async fn file(app: &App, scope: &Scope, document: &DocumentId) -> Result<Option<FileLocation>, Problem> {
    Ok(job(app, scope, document).await?.and_then(|job| match job.body.source {
        Source::Object(object) => Some(FileLocation {
            project_id: job.project,
            object: object.name,
            filename: job.body.filename,
            media_type: job.body.media_type,
            size: object.size,
            sha256: object.sha256,
        }),
        Source::Text(_) => None,
    }))
}

async fn job(app: &App, scope: &Scope, document: &DocumentId) -> Result<Option<Job>, Problem> {
    let projects: Vec<Option<&ProjectId>> = match scope {
        Scope::All => vec![None],
        Scope::Projects(projects) => projects.iter().map(Some).collect(),
    };
    for project in projects {
        if let Some(job) = last(app, &subjects::jobs_of(project, document)).await? {
            return Ok(Some(job));
        }
    }
    Ok(None)
}

async fn last(app: &App, subject: &str) -> Result<Option<Job>, Problem> {
    let stream = app
        .nats
        .jetstream
        .get_stream_no_info(subjects::INGEST_STREAM)
        .await
        .map_err(|_| Problem::unavailable())?;
    match stream.get_last_raw_message_by_subject(subject).await {
        Ok(message) => Ok(read(&message.subject, &message.payload, message.time)),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => {
            tracing::warn!(%error, "looking into the queue");
            Err(Problem::unavailable())
        }
    }
}

/// The first queued documents, oldest first.
pub async fn list(app: &App, scope: &Scope, limit: usize) -> Result<Vec<Document>, Problem> {
    let projects: Vec<String> = match scope {
        Scope::All => vec!["*".to_owned()],
        Scope::Projects(projects) => projects.iter().map(ProjectId::token).collect(),
    };
    let stream = app
        .nats
        .jetstream
        .get_stream_no_info(subjects::INGEST_STREAM)
        .await
        .map_err(|_| Problem::unavailable())?;
    let mut documents = Vec::new();
    for project in projects {
        let filter = format!("acorag.v1.ingest.*.{project}.*");
        let Ok(mut info) = stream.info_with_subjects(filter).await else { continue };
        while let Some(Ok((subject, _))) = info.next().await {
            if documents.len() >= limit {
                return Ok(documents);
            }
            documents.extend(last(app, &subject).await?.map(view));
        }
    }
    Ok(documents)
}

/// A job as far as it is readable; one that is not will end as a dead letter, with its reason.
fn read(subject: &str, payload: &[u8], accepted_at: chrono::DateTime<chrono::Utc>) -> Option<Job> {
    let (project, document) = subjects::parse_job(subject).ok()?;
    let body = serde_json::from_slice(payload).ok()?;
    Some(Job { project, document, accepted_at, body })
}

fn view(job: Job) -> Document {
    let IngestDocument { source, metadata, filename, parent, .. } = job.body;
    let (size, sha256) = match source {
        Source::Object(object) => (object.size, object.sha256),
        Source::Text(text) => (text.len() as u64, String::new()),
    };
    let Metadata {
        title, doc_type, number, category, revision, status, author, date_modified, extra, ..
    } = metadata;
    Document {
        document_id: job.document,
        project_id: job.project,
        kind: Kind::Document,
        state: State::Queued,
        percent: 0,
        reason: None,
        title: if title.is_empty() { filename.clone() } else { title },
        number,
        category,
        doc_type,
        revision,
        status,
        author,
        file_type: filename
            .rsplit_once('.')
            .map(|(_, extension)| extension.to_lowercase())
            .unwrap_or_default(),
        filename,
        date_modified,
        size,
        sha256,
        pages: 0,
        chunks: 0,
        text_length: 0,
        records: None,
        parent_id: parent.map(|parent| parent.document_id),
        superseded_by: None,
        accepted_at: job.accepted_at,
        indexed_at: None,
        metadata: extra,
    }
}
