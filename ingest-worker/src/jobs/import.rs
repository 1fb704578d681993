//! A bulk import: a file of records, each of which becomes a job and a document of its own.

use documents::{
    Job,
    import::{Record as Noted, Standing},
};
use platform::nats::{
    consume::{Delivery, Failure},
    publish,
};
use reader::{Record, RecordError, Records};
use schemas::{
    DocumentId, Problem, ProjectId,
    event::{EventKind, Facts, Stage},
    ingest::{IngestDocument, MAX_JOB_BYTES, ObjectRef, Parent, Source},
    messages,
    problem::Reason,
};

use super::{Outcome, document::unreadable, files};
use crate::{app::App, progress::Progress};

/// Records noted and published together.
const BATCH: usize = 200;
/// A longer file name is cut.
const MAX_FILENAME_CHARS: usize = 255;
/// Between two looks whether a full queue has room again.
const FULL: std::time::Duration = std::time::Duration::from_secs(1);
/// Between two counts of how far an import is: counting costs as much as it has records.
const EVERY: u32 = 50;

/// Makes a job of every record. Cut short, it starts again: a record published twice is the same document, and one that
/// is done is not published again.
pub async fn split(
    app: &App,
    delivery: &Delivery,
    job: &Job,
    progress: &Progress,
    mut records: Records,
    file: &ObjectRef,
) -> Result<Outcome, Failure> {
    documents::import::begin(&app.pool, job).await?;
    let mut index = 0;
    loop {
        let batch = records.next(BATCH).await.map_err(unreadable)?;
        if batch.is_empty() {
            break;
        }
        let prepared: Vec<Prepared> = batch.into_iter().map(|record| prepare(job, record)).collect();
        let noted: Vec<Noted> = prepared.iter().map(Prepared::noted).collect();
        let Some(settled) = documents::import::note(&app.pool, job, &noted).await? else {
            return Ok(Outcome::Void);
        };
        for record in prepared {
            if let Prepared::Document { project, document, body } = record
                && !settled.contains(&(project.to_string(), document.to_string()))
            {
                publish_record(app, delivery, job, index, &project, &document, *body).await?;
            }
            index += 1;
        }
        progress.at(Stage::Records, 0).await;
    }
    let extension =
        job.body.filename.rsplit_once('.').map_or("ndjson", |(_, extension)| extension).to_lowercase();
    documents::import::split(&app.pool, job, file, &extension).await?;
    tracing::info!(records = index, "an import is split into its records");
    Ok(Outcome::Split)
}

/// A record on its way to a job, or the reason why it cannot become one.
enum Prepared {
    Document { project: ProjectId, document: DocumentId, body: Box<IngestDocument> },
    Bad { project: ProjectId, name: String, reason: Reason },
}

impl Prepared {
    fn noted(&self) -> Noted {
        match self {
            Self::Document { project, document, .. } => {
                Noted { project: project.clone(), name: document.to_string(), failure: None }
            }
            Self::Bad { project, name, reason } => {
                Noted { project: project.clone(), name: name.clone(), failure: Some(reason.clone()) }
            }
        }
    }
}

fn prepare(job: &Job, record: Result<Record, RecordError>) -> Prepared {
    let bad = |name: String, reason| Prepared::Bad { project: job.project.clone(), name, reason };
    let record = match record {
        Ok(record) => record,
        Err(error) => return bad(format!("#{}", error.index), error.reason),
    };
    let name = format!("#{}", record.index);
    let document = match record.document_id.parse::<DocumentId>() {
        Ok(document) => document,
        Err(error) => return bad(name, invalid(error.problem("DocumentId"))),
    };
    let project = match project_of(job, record.project.as_deref()) {
        Ok(project) => project,
        Err(reason) => return bad(document.to_string(), reason),
    };
    let mut metadata = record.metadata;
    metadata.project_id = None;
    if let Some(problem) = metadata.out_of_bounds() {
        return bad(document.to_string(), invalid(problem));
    }
    let text = record.full_text.filter(|text| !text.trim().is_empty()).unwrap_or(record.labelled);
    let body = IngestDocument {
        source: Source::Text(text),
        metadata,
        filename: record.filename.chars().take(MAX_FILENAME_CHARS).collect(),
        media_type: String::new(),
        parent: Some(Parent {
            project_id: job.project.clone(),
            document_id: job.document.clone(),
            index: u32::try_from(record.index).unwrap_or(u32::MAX),
            depth: 1,
            accepted_at: Some(job.accepted_at),
        }),
        record_scope: None,
    };
    Prepared::Document { project, document, body: Box::new(body) }
}

/// The project a record goes to: the upload's when its sender named one, else the one the record names, if the sender
/// may write there.
fn project_of(job: &Job, named: Option<&str>) -> Result<ProjectId, Reason> {
    let (Some(scope), Some(named)) = (&job.body.record_scope, named) else { return Ok(job.project.clone()) };
    let project = named.parse::<ProjectId>().map_err(|error| invalid(error.problem("project_id")))?;
    if scope.allows(&project) || project == job.project {
        return Ok(project);
    }
    Err(messages::jobs::forbidden_project().reason("forbidden_project"))
}

fn invalid(problem: Problem) -> Reason {
    Reason { code: "invalid_record".to_owned(), message: problem.detail }
}

/// Whether a file is a record's long text: text, whatever the record's file name or its own first words look like.
pub fn is_text_of_a_record(job: &Job, object: &ObjectRef) -> bool {
    job.body.parent.is_some() && object.name.starts_with(files::RECORD)
}

async fn publish_record(
    app: &App,
    delivery: &Delivery,
    job: &Job,
    index: u32,
    project: &ProjectId,
    document: &DocumentId,
    mut body: IngestDocument,
) -> Result<(), Failure> {
    // A job refers to a document: a long text goes to the object store first.
    if let Source::Text(text) = &body.source
        && serde_json::to_vec(&body).map_err(publish::Error::from)?.len() > MAX_JOB_BYTES
    {
        let name = format!("{}{}-{}", files::RECORD, document.token(), job.accepted_at.timestamp_micros());
        body.source = Source::Object(files::store(app, &name, text.clone().into()).await?);
    }
    let id = app.message_id(&format!("{}:{index}", delivery.sequence));
    let subject = body.subject(project, document);
    // A full queue is waited for right here: begun anew, the import would fill what room there is with what it has
    // published before, and never end.
    loop {
        match app.nats.publish(subject.clone(), &delivery.context, Some(&id), &body).await {
            Err(publish::Error::Full) => tokio::time::sleep(FULL).await,
            published => return Ok(published?),
        }
    }
}

/// The import that a job may have finished: its own, or the one that its record belongs to. And whether this is a moment
/// to count how far that import is.
fn import_of<'a>(job: &'a Job, outcome: &Outcome) -> Option<(&'a ProjectId, &'a DocumentId, bool)> {
    match (outcome, &job.body.parent) {
        (Outcome::Split, _) => Some((&job.project, &job.document, true)),
        (_, Some(parent)) => Some((&parent.project_id, &parent.document_id, parent.index % EVERY == 0)),
        (_, None) => None,
    }
}

/// Closes the import that a job belongs to if nothing of it is left to do. Failed records may be the last, too.
pub async fn close(app: &App, delivery: &Delivery, job: &Job, outcome: &Outcome) -> Result<(), Failure> {
    let Some((project, import, report)) = import_of(job, outcome) else { return Ok(()) };
    let progress = Progress::new(app.nats.clone(), delivery.context.clone(), project.clone(), import.clone());
    let (event, reason) =
        match documents::import::close(&app.pool, project, import, report, delivery.attempt > 1).await? {
            Standing::Closed => return Ok(()),
            Standing::Open { percent } => {
                if report {
                    progress.at(Stage::Records, percent).await;
                }
                return Ok(());
            }
            Standing::Finished { title, chunks, text_length } => (
                Facts {
                    title,
                    chunks: Some(chunks),
                    text_length: Some(text_length),
                    ..progress.event(EventKind::Indexed)
                },
                None,
            ),
            Standing::Failed(reason) => (progress.event(EventKind::Failed), Some(reason)),
        };
    progress.publish(event, reason).await.map_err(Failure::from)
}
