//! One document's way into the index: read, cut, embed, commit, tell.

use std::path::Path;

use documents::{Committed, Content, Job, Passage, start::Start};
use platform::nats::{
    consume::{Delivery, Failure},
    objects,
};
use reader::{Attachment, Extracted, Found, Hints};
use schemas::{
    DocumentId,
    event::{EventKind, Facts, Stage},
    ingest::{IngestDocument, ObjectRef, Parent, Source},
    messages,
    problem::Reason,
};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;

use super::{again, import};
use crate::{
    app::App,
    chunk::{Chunk, chunk},
    progress::Progress,
};

/// Mails within mails are read down to here: each costs a document.
const DEEPEST: u8 = 5;
/// Passages embedded between two signs of progress.
const SLICE: usize = 16;

pub async fn index(app: &App, delivery: &Delivery, job: &Job, progress: &Progress) -> Result<(), Failure> {
    if delivery.attempt == 1
        && platform::nats::text(delivery.headers.as_ref(), schemas::headers::ANNOUNCED).is_none()
    {
        // Published straight to NATS: its followers get the same events as those of an upload.
        let event = Facts { at: delivery.published, ..progress.event(EventKind::Queued) };
        progress.publish(event, None).await?;
    }
    match documents::start::start(&app.pool, job).await? {
        Start::Go => {}
        Start::Void => return import::record_settled(app, delivery, job, false).await,
        Start::Failed(reason) => return Err(Failure::Dead(reason)),
        Start::KillsWorkers => {
            return Err(Failure::Dead(messages::jobs::kills_workers().reason("kills_workers")));
        }
        Start::Done { chunks, text_length, superseded, title, replaced } => {
            // Its worker may have died between the commit and the news of it to the caches.
            app.generations.changed(job).await;
            if delivery.attempt > 1 {
                // Whoever committed it may have died before it told anybody.
                tell_superseded(job, progress, replaced).await?;
            }
            let kind = if superseded { EventKind::Superseded } else { EventKind::Indexed };
            publish_outcome(job, progress, kind, title, chunks, text_length, None).await?;
            return import::record_settled(app, delivery, job, false).await;
        }
    }
    progress.at(Stage::Reading, 5).await;
    let (extracted, file) = match &job.body.source {
        Source::Text(text) => (Extracted::from_text(text), None),
        Source::Object(object) => {
            let (file, stored) = fetch(app, object).await?;
            if import::is_text_of_a_record(job, object) {
                let text = tokio::fs::read_to_string(file.path()).await.map_err(disk)?;
                (Extracted::from_text(&text), Some(stored))
            } else {
                match read(app, job, file.path()).await? {
                    Found::Document(extracted) => (extracted, Some(stored)),
                    Found::Records(records) => {
                        return import::split(app, delivery, job, progress, records, &stored).await;
                    }
                }
            }
        }
    };
    let content = content(app, job, progress, &extracted, file).await?;
    let depth = job.body.parent.as_ref().map_or(0, |parent| parent.depth);
    if depth < DEEPEST {
        for (index, attachment) in extracted.attachments.iter().enumerate() {
            publish_attachment(app, delivery, job, index, attachment).await?;
        }
    } else if !extracted.attachments.is_empty() {
        tracing::info!(depth, "attachments so deep within mails are left out");
    }
    progress.at(Stage::Storing, 95).await;
    let committed = {
        let _timer = app.metrics.stage_seconds.with_label_values(&["store"]).start_timer();
        app.generations.changing(job, documents::commit::commit(&app.pool, job, &content)).await?
    };
    let Some(committed) = committed else {
        tracing::info!("a later job of this document has made this one void");
        return import::record_settled(app, delivery, job, false).await;
    };
    tell(app, delivery, job, progress, &content, committed).await?;
    import::record_settled(app, delivery, job, false).await
}

/// Publishes what the commit changed, and drops the file that nothing refers to any more.
async fn tell(
    app: &App,
    delivery: &Delivery,
    job: &Job,
    progress: &Progress,
    content: &Content,
    committed: Committed,
) -> Result<(), Failure> {
    let chunks = u32::try_from(content.passages.len()).unwrap_or(u32::MAX);
    app.metrics.chunks.with_label_values::<&str>(&[]).inc_by(u64::from(chunks));
    tell_superseded(job, progress, committed.superseded).await?;
    let (kind, chunks) = match committed.superseded_by {
        Some(_) => (EventKind::Superseded, 0),
        None => (EventKind::Indexed, chunks),
    };
    let by = committed.superseded_by;
    publish_outcome(job, progress, kind, content.fields.title.clone(), chunks, content.text_length, by)
        .await?;
    again(app, delivery, &job.project, committed.revived).await?;
    if let Some(object) = committed.unused_object {
        remove(app, &object).await;
    }
    tracing::info!(document_id = %job.document, project_id = %job.project, chunks, "indexed");
    Ok(())
}

/// Removes a file that its document no longer needs. One that a producer stored under a name of its own may serve others,
/// which only the sweep can tell.
pub async fn remove(app: &App, object: &str) {
    let is_the_services_own = ["part-", "record-"].iter().any(|prefix| object.starts_with(prefix))
        || object.parse::<uuid::Uuid>().is_ok();
    if is_the_services_own && let Err(error) = app.objects.delete(object).await {
        tracing::warn!(%error, object, "an unused file stays until the sweep");
    }
}

async fn tell_superseded(job: &Job, progress: &Progress, older: Vec<DocumentId>) -> Result<(), Failure> {
    for older in older {
        let event = Facts {
            document_id: older,
            superseded_by: Some(job.document.clone()),
            ..progress.event(EventKind::Superseded)
        };
        progress.publish(event, None).await?;
    }
    Ok(())
}

async fn publish_outcome(
    job: &Job,
    progress: &Progress,
    kind: EventKind,
    title: String,
    chunks: u32,
    text_length: u64,
    superseded_by: Option<DocumentId>,
) -> Result<(), Failure> {
    let event = Facts {
        title,
        revision: job.body.metadata.fields.revision.clone(),
        chunks: Some(chunks),
        text_length: Some(text_length),
        superseded_by,
        ..progress.event(kind)
    };
    Ok(progress.publish(event, None).await?)
}

/// Brings a file from the object store into a temporary one, checks that it is what was announced, and says what it is.
async fn fetch(app: &App, object: &ObjectRef) -> Result<(NamedTempFile, ObjectRef), Failure> {
    let _timer = app.metrics.stage_seconds.with_label_values(&["read"]).start_timer();
    let missing = || Failure::Dead(messages::jobs::file_missing().reason("file_missing"));
    let stored = app.objects.info(&object.name).await.map_err(|error| match error {
        objects::Error::NotFound => missing(),
        error => Failure::Wait(format!("object store: {error}")),
    })?;
    if stored.size == 0 {
        return Err(Failure::Dead(reader::Error::Empty.reason()));
    }
    if stored.size > app.max_file_bytes {
        return Err(Failure::Dead(too_large(app.max_file_bytes)));
    }
    if !object.sha256.is_empty() && !object.sha256.eq_ignore_ascii_case(&stored.sha256) {
        return Err(Failure::Dead(messages::jobs::wrong_hash().reason("wrong_hash")));
    }
    let mut bytes = app.objects.get(&object.name, 0, u64::MAX).await.map_err(|error| match error {
        objects::Error::NotFound => missing(),
        error => Failure::Wait(format!("object store: {error}")),
    })?;
    let file = NamedTempFile::new().map_err(disk)?;
    let mut target = tokio::fs::File::create(file.path()).await.map_err(disk)?;
    let copied = tokio::io::copy(&mut bytes, &mut target)
        .await
        .map_err(|error| Failure::Wait(format!("object store: {error}")))?;
    target.flush().await.map_err(disk)?;
    if copied != stored.size {
        return Err(Failure::Wait(format!("object store: {copied} of {} bytes came", stored.size)));
    }
    Ok((file, ObjectRef { name: stored.name, size: stored.size, sha256: stored.sha256 }))
}

fn too_large(limit: u64) -> Reason {
    messages::jobs::too_large(limit >> 20).reason("too_large")
}

fn disk(error: std::io::Error) -> Failure {
    Failure::Wait(format!("temporary file: {error}"))
}

/// A document, or the beginning of an import: its records wait for the queue, and keep no other file waiting meanwhile.
async fn read(app: &App, job: &Job, path: &Path) -> Result<Found, Failure> {
    let _turn = app.readers.acquire().await;
    let _timer = app.metrics.stage_seconds.with_label_values(&["extract"]).start_timer();
    let hints = Hints { filename: job.body.filename.clone(), media_type: job.body.media_type.clone() };
    app.reader.read(path, hints).await.map_err(unreadable)
}

pub fn unreadable(error: reader::Error) -> Failure {
    tracing::info!(%error, "the file could not be read");
    if error.is_transient() { Failure::Wait(error.to_string()) } else { Failure::Dead(error.reason()) }
}

/// Cuts, embeds, and gathers what the commit writes.
async fn content(
    app: &App,
    job: &Job,
    progress: &Progress,
    extracted: &Extracted,
    object: Option<ObjectRef>,
) -> Result<Content, Failure> {
    let (model, options, copy) = (app.model.clone(), app.chunking.clone(), extracted.clone());
    let chunks =
        tokio::task::spawn_blocking(move || chunk(&copy, &|text| model.count_tokens(text), &options))
            .await
            .map_err(|error| {
            tracing::error!(%error, "cutting a document into passages");
            Failure::internal()
        })?;
    if chunks.is_empty() {
        return Err(Failure::Dead(reader::Error::NoText.reason()));
    }
    let vectors = embed(app, job, progress, &chunks).await?;
    let found = &extracted.metadata;
    let mut fields = job.body.metadata.fields.clone();
    for (field, found) in [
        (
            &mut fields.title,
            [&found.title, &job.body.filename].into_iter().find(|title| !title.trim().is_empty()),
        ),
        (&mut fields.author, Some(&found.author)),
    ] {
        if let Some(found) = found
            && field.is_empty()
        {
            field.clone_from(found);
        }
    }
    let passages = chunks.into_iter().zip(vectors).map(|(chunk, vector)| Passage {
        page: chunk.page_first,
        page_last: chunk.page_last,
        heading: chunk.heading,
        language: chunk.language,
        text: chunk.text,
        vector,
    });
    Ok(Content {
        fields,
        date: found.date,
        media_type: found.media_type.clone(),
        file_type: found.file_type.clone(),
        object: object.unwrap_or_else(|| ObjectRef {
            name: String::new(),
            size: extracted.text_length(),
            sha256: String::new(),
        }),
        pages: found.pages,
        text_length: extracted.text_length(),
        passages: passages.collect(),
    })
}

async fn embed(
    app: &App,
    job: &Job,
    progress: &Progress,
    chunks: &[Chunk],
) -> Result<Vec<Vec<f32>>, Failure> {
    let _timer = app.metrics.stage_seconds.with_label_values(&["embed"]).start_timer();
    let mut vectors = Vec::with_capacity(chunks.len());
    for slice in chunks.chunks(SLICE) {
        if !vectors.is_empty() {
            let percent = u8::try_from(10 + vectors.len() * 80 / chunks.len()).unwrap_or(90);
            progress.at(Stage::Embedding, percent).await;
            documents::start::percent(&app.pool, job, percent).await?;
        }
        let texts = slice.iter().map(|chunk| Passage::under_heading(&chunk.heading, &chunk.text)).collect();
        vectors.extend(app.model.passages(texts).await.map_err(|error| {
            tracing::warn!(%error, "embedding");
            if error.is_transient() { Failure::Wait(error.to_string()) } else { Failure::internal() }
        })?);
    }
    Ok(vectors)
}

/// What a mail carries becomes a document of its own. Repeated, it is the same document.
async fn publish_attachment(
    app: &App,
    delivery: &Delivery,
    job: &Job,
    index: usize,
    attachment: &Attachment,
) -> Result<(), Failure> {
    let document = job.document.of_part(&format!("{index}/{}", attachment.filename));
    let name = format!("part-{}-{}", document.token(), job.accepted_at.timestamp_micros());
    let bytes = bytes::Bytes::from(attachment.bytes.clone());
    let stored = app
        .objects
        .put(&name, futures::stream::iter([Ok(bytes)]))
        .await
        .map_err(|error| Failure::Wait(format!("object store: {error}")))?;
    let parent = &job.body.metadata;
    let body = IngestDocument {
        source: Source::Object(ObjectRef { name: stored.name, size: stored.size, sha256: stored.sha256 }),
        metadata: schemas::Metadata {
            fields: schemas::Fields {
                doc_type: parent.fields.doc_type.clone(),
                category: parent.fields.category.clone(),
                author: parent.fields.author.clone(),
                ..schemas::Fields::default()
            },
            date_modified: parent.date_modified,
            ..schemas::Metadata::default()
        },
        filename: attachment.filename.clone(),
        media_type: attachment.media_type.clone(),
        parent: Some(Parent {
            project_id: job.project.clone(),
            document_id: job.document.clone(),
            index: u32::try_from(index).unwrap_or(u32::MAX),
            depth: job.body.parent.as_ref().map_or(0, |parent| parent.depth).saturating_add(1),
            accepted_at: Some(job.accepted_at),
        }),
        record_scope: None,
    };
    let id = format!("{}:{index}", delivery.sequence);
    Ok(app.nats.publish(body.subject(&job.project, &document), &delivery.context, Some(&id), &body).await?)
}
