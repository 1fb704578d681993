//! Publishing into a stream, and hearing that it is there.

use async_nats::{
    HeaderMap,
    jetstream::{self, context::PublishErrorKind},
};
use bytes::Bytes;
use serde::Serialize;

use super::{Context, Nats};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stream is at its bounds: the overload is answered, not queued.
    #[error("the stream is full")]
    Full,
    #[error("NATS is not reachable or did not confirm")]
    Unavailable(#[source] jetstream::context::PublishError),
    #[error("the message cannot be serialized")]
    Serialize(#[from] serde_json::Error),
}

impl Nats {
    /// Publishes and waits for JetStream's acknowledgement. With an `id`, a repetition within the stream's window is
    /// dropped there.
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

    pub async fn publish_raw(
        &self,
        subject: String,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<(), Error> {
        let acknowledgement =
            self.jetstream.publish_with_headers(subject, headers, payload).await.map_err(refused)?;
        acknowledgement.await.map(|_| ()).map_err(refused)
    }
}

fn refused(error: jetstream::context::PublishError) -> Error {
    let full = error.kind() == PublishErrorKind::Other
        && std::error::Error::source(&error)
            .and_then(|source| source.downcast_ref::<jetstream::Error>())
            .is_some_and(|source| STREAM_FULL.contains(&source.error_code().0));
    if full { Error::Full } else { Error::Unavailable(error) }
}

/// JetStream's "stream store failed" (maximum messages or bytes under `discard: new`) and "insufficient resources".
const STREAM_FULL: [u64; 3] = [10077, 10047, 10023];
