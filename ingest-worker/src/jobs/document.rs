//! Indexes one document: reads it, cuts it into passages, embeds and commits them.

use std::path::Path;

use documents::{Committed, Content, Job, Passage, sentences, start::Start};
use embedding::Embedded;
use platform::{
    crash,
    nats::consume::{Delivery, Failure},
};
use reader::{Attachment, Extracted, ExtractedMetadata, Found, Hints};
use schemas::{
    Fields,
    event::Stage,
    fields::MAX_FIELD_CHARS,
    ingest::{IngestDocument, ObjectRef, Parent, Source},
    messages,
    metadata::plausible,
    subjects::{self, JobKind},
    text::clip,
};

use super::{
    Jobs, Outcome, files,
    import::{self, Import},
    turns::move_to,
};
use crate::{
    app::App,
    chunk::{Chunk, chunk},
    model::to_embed,
    progress::Progress,
};

/// Attachments of a mail and of the mails in it are read, not those of mails any deeper. Each attachment becomes a document:
/// with 100 in each mail, two levels make 10,000 documents of one file, and each further level 100 times as many.
const DEEPEST: u8 = 2;
/// Maximum number of characters of a media type; that of an attachment is what the mail says.
const MAX_MEDIA_TYPE_CHARS: usize = 255;
/// Number of passages embedded between two reports of progress.
const SLICE: usize = 16;

/// Processes the job and returns its outcome. [`super::Jobs::settle`] does what follows from it.
pub async fn index(
    jobs: &Jobs,
    delivery: &Delivery,
    job: &Job,
    progress: &Progress,
) -> Result<Outcome, Failure> {
    let (app, kind) = (&jobs.app, jobs.kind);
    if let Some(ended) = started(documents::start::start(&app.pool, job).await?) {
        return ended;
    }
    // A record of an import takes milliseconds, so its progress is not published.
    let is_record = kind == JobKind::Record;
    if !is_record && !import::goes_on(delivery) {
        progress.at(Stage::Reading, 5).await;
    }
    let (extracted, file) = match &job.body.source {
        Source::Text(text) => (Extracted::from_text(text), None),
        Source::File(_) | Source::Object(_) => {
            let object = &job.object();
            let (file, stored) = files::fetch(app, job, object).await?;
            if import::is_text_of_a_record(job, object) {
                let text = tokio::fs::read_to_string(file.path()).await.map_err(files::disk)?;
                (Extracted::from_text(&text), Some(stored))
            } else {
                match read(app, job, kind, file.path()).await? {
                    Found::Document(extracted) => (extracted, Some(stored)),
                    Found::Records(records) if kind == JobKind::Import => {
                        let (stopping, path, file) = (&jobs.stopping, file.path(), &stored);
                        let import = Import { app, delivery, job, progress, stopping, path, file };
                        return import.split(records).await;
                    }
                    // An import would occupy this slot for as long as its records take.
                    Found::Records(_) => {
                        move_to(app, delivery, job, JobKind::Import, None).await?;
                        return Ok(Outcome::Moved);
                    }
                }
            }
        }
    };
    let content = content(app, job, kind, progress, &extracted, file).await?;
    let depth = job.body.parent.as_ref().map_or(0, |parent| parent.depth);
    if depth < DEEPEST {
        for (index, attachment) in extracted.attachments.iter().enumerate() {
            publish_attachment(app, delivery, job, kind, index, attachment).await?;
        }
    } else if !extracted.attachments.is_empty() {
        tracing::info!(
            depth,
            attachments = extracted.attachments.len(),
            "attachments are left out: more levels of mails within mails could make a million documents of one file"
        );
    }
    if !is_record {
        progress.at(Stage::Storing, 95).await;
    }
    let committed = store(app, &[(job, &content)]).await?.pop().flatten();
    Ok(stored(content, committed))
}

/// Returns how a job ends that need not be processed; `None` if it must be.
pub fn started(start: Start) -> Option<Result<Outcome, Failure>> {
    Some(match start {
        Start::Go => return None,
        Start::Void => Ok(Outcome::Void),
        Start::Failed(reason) => Err(Failure::Dead(reason)),
        Start::KillsWorkers => Err(Failure::Dead(messages::jobs::kills_workers().reason("kills_workers"))),
        Start::Done { chunks, text_length, superseded, title, replaced, revived } => {
            Ok(Outcome::AlreadyDone { title, chunks, text_length, superseded, replaced, revived })
        }
    })
}

/// Commits documents of one project together.
pub async fn store(app: &App, documents: &[(&Job, &Content)]) -> Result<Vec<Option<Committed>>, Failure> {
    let Some((first, _)) = documents.first() else { return Ok(Vec::new()) };
    crash::point("before-commit", first.project.as_str());
    let _timer = app.metrics.stage_seconds.with_label_values(&["store"]).start_timer();
    // The change has the name of the first document. If the worker dies, its job ends the change when it comes again.
    let committing = documents::commit::commit_all(&app.pool, documents);
    app.generations.changing(*first, committing).await.map_err(|error| {
        match documents::model::is_dropped(&error) {
            true => Failure::Wait("this worker's model was dropped".to_owned()),
            false => error.into(),
        }
    })
}

/// Returns the outcome of a document after its commit.
pub fn stored(content: Content, committed: Option<Committed>) -> Outcome {
    match committed {
        Some(committed) => Outcome::Indexed {
            title: content.fields.title,
            chunks: u32::try_from(content.passages.len()).unwrap_or(u32::MAX),
            text_length: content.text_length,
            committed,
        },
        None => Outcome::Void,
    }
}

/// Reads a document, or opens an import. The records of an import are read later, when the queue has room for
/// them. Meanwhile the import uses no slot for reading, so that other files do not wait.
pub async fn read(app: &App, job: &Job, kind: JobKind, path: &Path) -> Result<Found, Failure> {
    let _turn = app.readers.turn(kind).await;
    let _timer = app.metrics.stage_seconds.with_label_values(&["extract"]).start_timer();
    let hints = Hints { filename: job.body.filename.clone(), media_type: job.body.media_type.clone() };
    let (found, ()) = tokio::join!(app.reader.read(path, hints), async {
        // The first step of reading has started the child process.
        crash::point("child-running", job.project.as_str());
    });
    found.map_err(unreadable)
}

pub fn unreadable(error: reader::Error) -> Failure {
    tracing::info!(%error, "the file could not be read");
    if error.is_transient() { Failure::Wait(error.to_string()) } else { Failure::Dead(error.reason()) }
}

/// Cuts the text into passages, embeds them, and returns what the commit writes.
pub async fn content(
    app: &App,
    job: &Job,
    kind: JobKind,
    progress: &Progress,
    extracted: &Extracted,
    object: Option<ObjectRef>,
) -> Result<Content, Failure> {
    let (model, options) = (app.model.clone(), app.chunking.clone());
    // Without the attachments, which may be large.
    let copy = Extracted { blocks: extracted.blocks.clone(), ..Extracted::default() };
    let chunks =
        tokio::task::spawn_blocking(move || chunk(&copy, &|text| model.count_tokens(text), &options))
            .await
            .map_err(|error| {
                tracing::error!(%error, "cutting a document into passages");
                Failure::internal()
            })?
            .map_err(|error| Failure::Dead(error.reason()))?;
    if chunks.is_empty() {
        return Err(Failure::Dead(reader::Error::NoText.reason()));
    }
    let embedded = embed(app, job, kind, progress, &chunks).await?;
    let found = &extracted.metadata;
    let passages = chunks.into_iter().zip(embedded).map(|(chunk, (vector, sentences))| Passage {
        page: chunk.page_first,
        page_last: chunk.page_last,
        heading: chunk.heading,
        language: chunk.language,
        text: chunk.text,
        vector,
        sentences,
    });
    Ok(Content {
        fields: fields(&job.body, found),
        date: found.date.and_then(plausible),
        media_type: found.media_type.clone(),
        file_type: found.file_type.clone(),
        object: object.unwrap_or_else(|| ObjectRef {
            name: String::new(),
            size: extracted.text_length(),
            sha256: String::new(),
        }),
        pages: found.pages,
        text_length: extracted.text_length(),
        model: app.model_number,
        passages: passages.collect(),
    })
}

/// Returns the fields of a document: what its sender said, else what its file says. A file may say it at any length, and
/// the fields are sent in events and in search results, so they are clipped.
fn fields(sent: &IngestDocument, found: &ExtractedMetadata) -> Fields {
    let mut fields = sent.metadata.fields.clone();
    let title = [&found.title, &sent.filename].into_iter().find(|title| !title.trim().is_empty());
    for (field, found) in [(&mut fields.title, title), (&mut fields.author, Some(&found.author))] {
        if let Some(found) = found
            && field.is_empty()
        {
            clip(found, MAX_FIELD_CHARS).clone_into(field);
        }
    }
    fields
}

/// Returns the vector of each passage, and the vectors of its sentences as they are stored: of a long table, the vectors
/// themselves would take gigabytes.
async fn embed(
    app: &App,
    job: &Job,
    kind: JobKind,
    progress: &Progress,
    chunks: &[Chunk],
) -> Result<Vec<(Vec<f32>, Vec<u8>)>, Failure> {
    let _timer = app.metrics.stage_seconds.with_label_values(&["embed"]).start_timer();
    let mut vectors = Vec::with_capacity(chunks.len());
    for slice in chunks.chunks(SLICE) {
        if !vectors.is_empty() {
            let percent = u8::try_from(10 + vectors.len() * 80 / chunks.len()).unwrap_or(90);
            progress.at(Stage::Embedding, percent).await;
            documents::start::percent(&app.pool, job, percent).await?;
        }
        let passages = slice.iter().map(|chunk| to_embed(&chunk.heading, &chunk.text)).collect();
        let embedded =
            if kind.is_urgent() { app.model.passages(passages) } else { app.model.bulk_passages(passages) };
        let embedded = embedded.await.map_err(|error| {
            tracing::warn!(%error, "embedding");
            if error.is_transient() { Failure::Wait(error.to_string()) } else { Failure::internal() }
        })?;
        vectors.extend(slice.iter().zip(embedded).map(|(chunk, Embedded { vector, sentences })| {
            let sentences = sentences::encode(&chunk.text, &vector, &sentences);
            (vector, sentences)
        }));
    }
    Ok(vectors)
}

/// Publishes an attachment of a mail as a document of its own. If the attachment is published twice, it is
/// still one document, because it has the same id.
async fn publish_attachment(
    app: &App,
    delivery: &Delivery,
    job: &Job,
    kind: JobKind,
    index: usize,
    attachment: &Attachment,
) -> Result<(), Failure> {
    let document = job.document.of_part(&format!("{index}/{}", attachment.filename));
    let name = format!("{}{}-{}", files::ATTACHMENT, document.token(), job.accepted_at.timestamp_micros());
    let bytes = bytes::Bytes::from(attachment.bytes.clone());
    let object = files::store(app, &name, bytes).await?;
    let parent = &job.body.metadata;
    let body = IngestDocument {
        source: Source::Object(object),
        metadata: schemas::Metadata {
            fields: Fields {
                doc_type: parent.fields.doc_type.clone(),
                category: parent.fields.category.clone(),
                author: parent.fields.author.clone(),
                ..Fields::default()
            },
            date_modified: parent.date_modified,
            ..schemas::Metadata::default()
        },
        filename: attachment.filename.clone(),
        media_type: clip(&attachment.media_type, MAX_MEDIA_TYPE_CHARS).to_owned(),
        parent: Some(Parent {
            project_id: job.project.clone(),
            document_id: job.document.clone(),
            index: u32::try_from(index).unwrap_or(u32::MAX),
            depth: job.body.parent.as_ref().map_or(0, |parent| parent.depth).saturating_add(1),
            accepted_at: Some(job.accepted_at),
        }),
        record_scope: None,
    };
    let id = app.message_id(&format!("{}:{index}", delivery.sequence));
    // A mail in a lane for waiting documents is one of many, so its attachments go to the same lane.
    let subject = match kind {
        JobKind::Batch | JobKind::Bulk => subjects::job(kind, &job.project, &document),
        _ => body.subject(&job.project, &document),
    };
    Ok(app.nats.publish(subject, &delivery.context, Some(&id), &body).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says_is_clipped() {
        let found = |title: &str, author: &str| ExtractedMetadata {
            title: title.to_owned(),
            author: author.to_owned(),
            ..ExtractedMetadata::default()
        };
        let mut sent = IngestDocument::empty();
        sent.filename = "plano.pdf".to_owned();
        let long = "ñ".repeat(1_000_000);
        let clipped = fields(&sent, &found(&long, &long));
        assert!(clipped.check("metadata").is_ok(), "{}", clipped.title.len());
        assert_eq!(clipped.title.chars().count(), MAX_FIELD_CHARS);
        assert_eq!(fields(&sent, &found(" ", "")).title, "plano.pdf");
        sent.metadata.fields.title = "Planta".to_owned();
        assert_eq!(fields(&sent, &found(&long, "Ana")).title, "Planta");
    }
}
