//! The events of one document, as the ingest workers publish them.

use async_nats::Subscriber;
use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use platform::nats::Nats;
use schemas::{DocumentId, Problem, ProjectId, event::DocumentEvent, subjects};

use crate::extractors::RequestId;

/// A subscription to the events of one document.
pub struct Events {
    subscriber: Subscriber,
    pub since: DateTime<Utc>,
}

/// Subscribes to the events of one document. The server gets the subscription before a job that is published later on the
/// same connection, so no event of the job is missed.
pub async fn subscribe(nats: &Nats, project: &ProjectId, document: &DocumentId) -> Result<Events, Problem> {
    let since = Utc::now();
    let subscriber = nats.client.subscribe(subjects::events_of(project, document)).await;
    subscriber.map(|subscriber| Events { subscriber, since }).map_err(|error| {
        tracing::warn!(%error, "subscribing to events");
        Problem::unavailable()
    })
}

impl Events {
    /// Waits for the next event. Returns `None` when the connection is permanently closed.
    pub async fn next(&mut self) -> Option<DocumentEvent> {
        loop {
            let message = self.subscriber.next().await?;
            match serde_json::from_slice(&message.payload) {
                Ok(event) => return Some(event),
                Err(error) => {
                    tracing::warn!(%error, subject = %message.subject, "an event does not have the expected form");
                }
            }
        }
    }

    /// Waits for the next final event that has this request's id, or is not older than the subscription: another request
    /// for the same document, sent at the same moment, may have caused it. No further events of a job follow its final one.
    pub async fn end(&mut self, request: &RequestId) -> Option<DocumentEvent> {
        loop {
            let event = self.next().await?;
            let is_own = event.facts.request_id == request.0 || event.facts.at >= self.since;
            if is_own && event.facts.event.is_final() {
                return Some(event);
            }
        }
    }
}
