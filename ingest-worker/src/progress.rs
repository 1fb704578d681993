//! Publishes the progress of a document.

use chrono::Utc;
use platform::nats::{Context, Nats, consume::Delivery, publish};
use schemas::{
    DocumentId, ProjectId,
    event::{DocumentEvent, EventKind, Facts, Stage},
    problem::Reason,
};

use crate::app::App;

/// Publishes the events of one document.
pub struct Progress {
    nats: Nats,
    context: Context,
    project: ProjectId,
    document: DocumentId,
}

impl Progress {
    /// The events belong to the request that brought this delivery.
    pub fn new(app: &App, delivery: &Delivery, project: &ProjectId, document: &DocumentId) -> Self {
        Self {
            nats: app.nats.clone(),
            context: delivery.context.clone(),
            project: project.clone(),
            document: document.clone(),
        }
    }

    /// Returns an event of this document, to be filled in.
    pub fn event(&self, kind: EventKind) -> Facts {
        let event = DocumentEvent::new(kind, self.project.clone(), self.document.clone(), Utc::now());
        Facts { request_id: self.context.request_id.clone(), ..event.facts }
    }

    pub async fn at(&self, stage: Stage, percent: u8) {
        self.processing(stage, percent, None).await;
    }

    /// Publishes the progress, and why the document waits, if it does. An error is only logged, because nobody depends on
    /// this event.
    pub async fn processing(&self, stage: Stage, percent: u8, reason: Option<Reason>) {
        let event = Facts { percent, stage: Some(stage), ..self.event(EventKind::Processing) };
        if let Err(error) = self.publish(event, reason).await {
            tracing::debug!(%error, "publishing progress");
        }
    }

    /// Publishes an event that a client may wait for, and waits until the stream has stored it.
    pub async fn publish(&self, facts: Facts, reason: Option<Reason>) -> Result<(), publish::Error> {
        let event = DocumentEvent { facts, reason };
        self.nats.publish(event.subject(), &self.context, None, &event).await
    }

    /// Publishes that documents were superseded by another one: one event for each of them.
    pub async fn superseded(&self, older: &[DocumentId], by: &DocumentId) -> Result<(), publish::Error> {
        for older in older {
            let event = Facts {
                document_id: older.clone(),
                superseded_by: Some(by.clone()),
                ..self.event(EventKind::Superseded)
            };
            self.publish(event, None).await?;
        }
        Ok(())
    }
}
