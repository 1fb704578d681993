//! The events of one document, as the ingest workers publish them.

use async_nats::Subscriber;
use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use platform::nats::Nats;
use schemas::{DocumentId, Problem, ProjectId, event::DocumentEvent, subjects};

/// A subscription to the events of one document.
pub struct Events(Subscriber);

/// Subscribes to the events of one document. The server gets the subscription before a job that is published later on the
/// same connection, so no event of the job is missed.
pub async fn subscribe(nats: &Nats, project: &ProjectId, document: &DocumentId) -> Result<Events, Problem> {
    nats.client.subscribe(subjects::events_of(project, document)).await.map(Events).map_err(|error| {
        tracing::warn!(%error, "subscribing to events");
        Problem::unavailable()
    })
}

impl Events {
    /// Waits for the next event. Returns `None` when the connection is permanently closed.
    pub async fn next(&mut self) -> Option<DocumentEvent> {
        loop {
            let message = self.0.next().await?;
            match serde_json::from_slice(&message.payload) {
                Ok(event) => return Some(event),
                Err(error) => {
                    tracing::warn!(%error, subject = %message.subject, "an event does not have the expected form");
                }
            }
        }
    }

    /// Waits for the next final event that has this request's id, or is not older than the request: another request for
    /// the same document, sent at the same moment, may have caused it. No further events follow a final event.
    pub async fn end(&mut self, own: &Own) -> Option<DocumentEvent> {
        loop {
            let event = self.next().await?;
            let is_own = event.facts.request_id == own.request_id || event.facts.at >= own.since;
            if is_own && event.facts.event.is_final() {
                return Some(event);
            }
        }
    }
}

/// Distinguishes the events that a request causes from earlier events of the same document.
pub struct Own {
    pub request_id: String,
    pub since: DateTime<Utc>,
}
