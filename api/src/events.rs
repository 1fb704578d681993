//! The events of one document, as the ingest workers publish them.

use async_nats::Subscriber;
use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use platform::nats::Nats;
use schemas::{DocumentId, Problem, ProjectId, event::DocumentEvent, subjects};

/// The events of one document from now on.
pub struct Events(Subscriber);

/// Subscribes. A job that is published afterwards on the same connection reaches the server after the subscription, so that
/// none of its events can be missed.
pub async fn subscribe(nats: &Nats, project: &ProjectId, document: &DocumentId) -> Result<Events, Problem> {
    nats.client.subscribe(subjects::events_of(project, document)).await.map(Events).map_err(|error| {
        tracing::warn!(%error, "subscribing to events");
        Problem::unavailable()
    })
}

impl Events {
    /// The next event; `None` when the connection is closed for good.
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

    /// The next event of this request's own after which nothing more happens.
    pub async fn end(&mut self, own: &Own) -> Option<DocumentEvent> {
        loop {
            let event = self.next().await?;
            if event.facts.event.is_final() && own.includes(&event) {
                return Some(event);
            }
        }
    }
}

/// Tells the events that a request causes from earlier ones of the same document.
pub struct Own {
    pub request_id: String,
    pub since: DateTime<Utc>,
}

impl Own {
    /// By request id; by time for an event that another request's work caused, such as one sent at the same moment.
    fn includes(&self, event: &DocumentEvent) -> bool {
        event.facts.request_id == self.request_id || event.facts.at >= self.since
    }
}
