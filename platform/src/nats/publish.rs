//! Publishes messages into a stream and waits until they are stored.

use std::time::Duration;

use async_nats::{
    HeaderMap,
    jetstream::{
        self,
        context::{PublishError, PublishErrorKind},
    },
};
use bytes::Bytes;
use schemas::Problem;
use serde::Serialize;

use super::{Connection, Context};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stream has reached its maximum size. The caller reports the overload instead of waiting.
    #[error("the stream is full")]
    Full,
    #[error("NATS is not reachable or did not confirm")]
    Unavailable(#[source] PublishError),
    #[error("the message cannot be serialized")]
    Serialize(#[from] serde_json::Error),
}

impl Error {
    /// Whether the server refused this message itself, for example because its headers are too large.
    pub fn is_refusal(&self) -> bool {
        let Self::Unavailable(error) = self else { return false };
        matches!(error.kind(), PublishErrorKind::Other | PublishErrorKind::MaxPayloadExceeded)
    }

    /// Returns what a client is told. Unless the stream is full, the error and its cause are logged; `what` says what was tried.
    pub fn problem(&self, what: &str) -> Problem {
        if let Self::Full = self {
            return Problem::overloaded();
        }
        tracing::warn!(error = %self, cause = ?std::error::Error::source(self), "{what}");
        Problem::unavailable()
    }
}

impl Connection {
    /// Publishes and waits for JetStream's acknowledgement. If a message with the same `id` was published within the
    /// stream's duplicate window, the stream drops the new one.
    pub async fn publish(
        &self,
        subject: String,
        context: &Context,
        id: Option<&str>,
        message: &impl Serialize,
    ) -> Result<(), Error> {
        let mut headers = context.headers();
        if let Some(id) = id {
            headers.insert(schemas::headers::MESSAGE_ID, id);
        }
        self.publish_raw(subject, headers, serde_json::to_vec(message)?.into()).await
    }

    /// Publishes, and tries again for a few seconds while the stream elects another leader (for example, when a server
    /// of the cluster is restarted): then no server accepts the message, and it is stored nowhere.
    pub async fn publish_raw(
        &self,
        subject: String,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<(), Error> {
        let publish = async || {
            let (subject, headers, payload) = (subject.clone(), headers.clone(), payload.clone());
            self.jetstream.publish_with_headers(subject, headers, payload).await?.await
        };
        let mut pauses = PAUSES_MS.map(Duration::from_millis).into_iter();
        loop {
            let Err(error) = publish().await else { return Ok(()) };
            match pauses.next() {
                Some(pause) if error.kind() == PublishErrorKind::StreamNotFound => {
                    tokio::time::sleep(pause).await;
                }
                _ => return Err(refused(error)),
            }
        }
    }
}

/// Pauses between attempts, about three seconds in total; an election takes less than one.
const PAUSES_MS: [u64; 6] = [50, 100, 200, 400, 800, 1_600];

fn refused(error: PublishError) -> Error {
    let full = error.kind() == PublishErrorKind::Other
        && std::error::Error::source(&error)
            .and_then(|source| source.downcast_ref::<jetstream::Error>())
            .is_some_and(|source| STREAM_FULL.contains(&source.error_code().0));
    if full { Error::Full } else { Error::Unavailable(error) }
}

/// JetStream's "stream store failed" (maximum messages or bytes under `discard: new`) and "insufficient resources".
const STREAM_FULL: [u64; 3] = [10077, 10047, 10023];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nats::server;

    #[tokio::test]
    async fn a_message_that_nobody_takes_is_sent_again_for_a_moment() {
        let (_stack, nats) = server::start().await;
        let publish = || nats.publish_raw("leaderless.job".to_owned(), HeaderMap::new(), "x".into());
        let mut waiting = std::pin::pin!(publish());
        assert!(tokio::time::timeout(Duration::from_millis(200), &mut waiting).await.is_err());
        let subjects = vec!["leaderless.>".to_owned()];
        let stream = jetstream::stream::Config { name: "LATE".to_owned(), subjects, ..Default::default() };
        nats.jetstream.create_stream(stream).await.unwrap();
        waiting.await.unwrap();
        nats.jetstream.delete_stream("LATE").await.unwrap();
        assert!(matches!(publish().await, Err(Error::Unavailable(_))), "not for ever");
    }
}
