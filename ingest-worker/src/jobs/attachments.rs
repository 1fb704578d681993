//! Queues the attachments of a mail, each of which becomes a document of its own.

use documents::ATTACHMENT;
use platform::nats::{consume::Failure, publish};
use reader::Attachment;
use schemas::{
    DocumentId, Fields, headers,
    ingest::{DeleteDocument, IngestDocument, Parent, Source},
    subjects::{self, JobKind},
    text::clip,
};

use super::{Attempt, files, queue::headers_of_part};

/// Attachments of a mail and of the mails in it are read, not those of mails any deeper. Each attachment becomes a document:
/// with 100 in each mail, two levels make 10,000 documents of one file, and each further level 100 times as many.
const DEEPEST: u8 = 2;
/// Maximum number of characters of a media type; that of an attachment is what the mail says.
const MAX_MEDIA_TYPE_CHARS: usize = 255;

/// Publishes the attachments of a document, and deletes those that only its earlier versions had.
pub async fn publish_all(attempt: &Attempt<'_>, attachments: Vec<Attachment>) -> Result<(), Failure> {
    let depth = attempt.job.body.parent.as_ref().map_or(0, |parent| parent.depth);
    if depth >= DEEPEST {
        if !attachments.is_empty() {
            tracing::info!(
                depth,
                attachments = attachments.len(),
                "attachments are left out: more levels of mails within mails could make a million documents of one file"
            );
        }
        return Ok(());
    }
    let mut published = Vec::with_capacity(attachments.len());
    for (index, attachment) in (0..).zip(attachments) {
        // A photo, film or recording is only named in the mail.
        if attachment.bytes.is_empty() {
            continue;
        }
        published.push(publish_one(attempt, index, attachment).await?);
    }
    delete_others(attempt, &published).await
}

/// Publishes an attachment as a document, and returns its id, which is the same if it is published twice.
async fn publish_one(
    attempt: &Attempt<'_>,
    index: u32,
    attachment: Attachment,
) -> Result<DocumentId, Failure> {
    let Attempt { jobs, delivery, job, .. } = attempt;
    let document = job.document.of_part(&format!("{index}/{}", attachment.filename));
    let name = format!("{ATTACHMENT}{}-{}", document.token(), job.accepted_at.timestamp_micros());
    let object = files::store(&jobs.app, &name, attachment.bytes.into()).await?;
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
        filename: attachment.filename,
        media_type: clip(&attachment.media_type, MAX_MEDIA_TYPE_CHARS).to_owned(),
        parent: Some(Parent {
            project_id: job.project.clone(),
            document_id: job.document.clone(),
            index,
            depth: job.body.parent.as_ref().map_or(0, |parent| parent.depth).saturating_add(1),
            accepted_at: Some(job.accepted_at),
        }),
        record_scope: None,
    };
    let map = headers_of_part(attempt, &format!("{}:{index}", delivery.sequence), index);
    // A mail in a lane for waiting documents is one of many, so its attachments go to the same lane.
    let subject = match jobs.kind {
        JobKind::Batch | JobKind::Bulk => subjects::job(jobs.kind, &job.project, &document),
        _ => body.subject(&job.project, &document),
    };
    let payload = serde_json::to_vec(&body).map_err(publish::Error::from)?;
    jobs.app.nats.publish_raw(subject, map, payload.into()).await?;
    Ok(document)
}

/// Queues the deletion of attachments that only earlier versions had. What was accepted after this version stays.
pub async fn delete_others(attempt: &Attempt<'_>, published: &[DocumentId]) -> Result<(), Failure> {
    let Attempt { jobs, delivery, job, .. } = attempt;
    let app = &jobs.app;
    for document in documents::delete::other_attachments(&app.pool, job, published).await? {
        let id = app.message_id(&format!("replaced:{}:{}", delivery.sequence, document.token()));
        let mut map = delivery.context.headers();
        map.insert(headers::MESSAGE_ID, id.as_str());
        map.insert(headers::ORDERED_AT, job.since.to_rfc3339().as_str());
        let subject = subjects::job(JobKind::Delete, &job.project, &document);
        let payload = serde_json::to_vec(&DeleteDocument {}).map_err(publish::Error::from)?;
        app.nats.publish_raw(subject, map, payload.into()).await?;
    }
    Ok(())
}
