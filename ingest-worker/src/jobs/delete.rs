//! Processes a deletion: removes a document with its passages, its file, and the documents that came with it,
//! such as attachments. The document's row stays in state `deleted`, so that jobs of the document that still
//! wait become void.

use platform::{
    crash,
    nats::consume::{Delivery, Failure},
};
use schemas::{
    DocumentId, Message, ProjectId, event::EventKind, ingest::DeleteDocument, messages, problem::Reason,
    subjects,
};

use super::{again, files};
use crate::{app::App, generations::Change, progress::Progress};

pub async fn delete(app: &App, delivery: &Delivery) -> Result<(), Failure> {
    let (project, document) = read(delivery).map_err(Failure::Dead)?;
    let change = Change::new(&project, &document);
    let deletion = documents::delete::delete(&app.pool, &project, &document, delivery.published);
    let Some(mut deletion) = app.generations.changing(change, deletion).await? else {
        tracing::info!("the document was uploaded anew after this deletion");
        return Ok(());
    };
    crash::point("deletion-committed", project.as_str());
    while let Some(deleted) = deletion.next(&app.pool).await? {
        for object in deleted.objects {
            files::remove(app, &object).await;
        }
        again(app, delivery, &project, deleted.revived).await?;
        for deleted in deleted.documents {
            let progress =
                Progress::new(app.nats.clone(), delivery.context.clone(), project.clone(), deleted);
            progress.publish(progress.event(EventKind::Deleted), None).await?;
        }
    }
    Ok(())
}

fn read(delivery: &Delivery) -> Result<(ProjectId, DocumentId), Reason> {
    let invalid = |message: Message| message.reason("invalid_job");
    let named = subjects::parse_job(&delivery.subject)
        .map_err(|error| invalid(messages::jobs::bad_subject(&error.to_string())))?;
    let DeleteDocument {} = serde_json::from_slice(&delivery.payload)
        .map_err(|error| invalid(messages::jobs::bad_message(&error.to_string())))?;
    Ok(named)
}
