//! Forgetting a document: its passages, its file, and what came with it. Its waiting jobs are void by the tombstone.

use platform::nats::consume::{Delivery, Failure};
use schemas::{Message, event::EventKind, ingest::DeleteDocument, messages, subjects};

use super::{again, document::remove};
use crate::{app::App, generations::Place, progress::Progress};

pub async fn delete(app: &App, delivery: &Delivery) -> Result<(), Failure> {
    let invalid = |message: Message| Failure::Dead(message.reason("invalid_job"));
    let (project, document) = subjects::parse_job(&delivery.subject)
        .map_err(|error| invalid(messages::jobs::bad_subject(&error.to_string())))?;
    let DeleteDocument {} = serde_json::from_slice(&delivery.payload)
        .map_err(|error| invalid(messages::jobs::bad_message(&error.to_string())))?;
    let place = Place::new(&project, &document);
    let deletion = documents::delete::delete(&app.pool, &project, &document, delivery.published);
    let Some(deleted) = app.generations.changing(place, deletion).await? else {
        tracing::info!("the document was uploaded anew after this deletion");
        return Ok(());
    };
    for object in deleted.objects {
        remove(app, &object).await;
    }
    again(app, delivery, &project, deleted.revived).await?;
    for deleted in deleted.parts.into_iter().chain([document]) {
        let progress = Progress::new(app.nats.clone(), delivery.context.clone(), project.clone(), deleted);
        progress.publish(progress.event(EventKind::Deleted), None).await?;
    }
    Ok(())
}
