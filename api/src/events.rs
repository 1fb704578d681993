//! The events of one document, as the ingest workers publish them.

use async_nats::Subscriber;
use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use platform::nats::Nats;
use schemas::{DocumentId, Problem, ProjectId, event::DocumentEvent, subjects};

/// A subscription to the events of one document.
pub struct Events(Subscriber);

/// Subscribes to the events of one document. A job that is published later on the same connection reaches the NATS
/// server after the subscription, so that none of its events can be missed.
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

    /// Waits for the next final event that belongs to this request. No further events follow a final event.
    pub async fn end(&mut self, own: &Own) -> Option<DocumentEvent> {
        loop {
            let event = self.next().await?;
            if event.facts.event.is_final() && own.includes(&event) {
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

impl Own {
    /// Whether the event has this request's id, or is not older than this request: another request for the
    /// same document, sent at the same moment, may have caused the event.
    fn includes(&self, event: &DocumentEvent) -> bool {
        event.facts.request_id == self.request_id || event.facts.at >= self.since
    }
}
