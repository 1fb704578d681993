//! Forgetting a document: its passages, its file, its jobs, and what came with it.

use platform::nats::consume::Delivery;
use schemas::{
    DocumentId, ProjectId,
    event::EventKind,
    ingest::DeleteDocument,
    problem::Reason,
    subjects::{self, JobKind},
};

use super::Failure;
use crate::{app::App, progress::Progress, store};

pub async fn delete(app: &App, delivery: &Delivery) -> Result<(), Failure> {
    let invalid = |es: String, en: String| Failure::Dead(Reason::new("invalid_job", es, en));
    let (project, document) = subjects::parse_job(&delivery.subject).map_err(|error| {
        invalid(
            format!("El asunto no nombra un documento: {error}"),
            format!("The subject names no document: {error}"),
        )
    })?;
    let DeleteDocument {} = serde_json::from_slice(&delivery.payload).map_err(|error| {
        invalid(format!("El mensaje no es válido: {error}"), format!("The message is not valid: {error}"))
    })?;
    let deleted = store::delete::delete(&app.pool, &project, &document, delivery.published).await?;
    app.generations.renew(&project).await;
    let Some(deleted) = deleted else {
        tracing::info!("the document was uploaded anew after this deletion");
        return Ok(());
    };
    purge(app, delivery, &project, &document).await;
    for object in deleted.objects {
        if let Err(error) = app.objects.delete(&object).await {
            tracing::warn!(%error, object, "a deleted document's file stays until the sweep");
        }
    }
    if let Some((revived, job)) = deleted.revive {
        // The revision that the deleted one had replaced answers again.
        let id = format!("revive:{}", delivery.sequence);
        let subject = subjects::job(JobKind::Document, &project, &revived);
        app.nats.publish(subject, &delivery.context, Some(&id), &job).await?;
    }
    for deleted in deleted.parts.into_iter().chain([document]) {
        let progress = Progress::new(app.nats.clone(), delivery.context.clone(), project.clone(), deleted);
        progress.publish(&progress.event(EventKind::Deleted)).await?;
    }
    Ok(())
}

/// Takes the document's waiting jobs out of the queue. The tombstone would void them anyway; this spares the work.
async fn purge(app: &App, delivery: &Delivery, project: &ProjectId, document: &DocumentId) {
    let Ok(stream) = app.nats.jetstream.get_stream_no_info(subjects::INGEST_STREAM).await else { return };
    for kind in [JobKind::Document, JobKind::Record] {
        let subject = subjects::job(kind, project, document);
        if let Err(error) = stream.purge().filter(subject).sequence(delivery.sequence).await {
            tracing::debug!(%error, "purging the jobs of a deleted document");
        }
    }
}
