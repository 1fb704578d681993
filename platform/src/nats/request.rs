//! Sends requests to the workers: through JetStream, or directly if the request contains a secret. The reply is sent to
//! the inbox of this process.
//!
//! JetStream uses a message's reply subject for its own acknowledgement, so the inbox is sent in a header. One wildcard
//! subscription receives all replies to this process; each request has its own token in the reply subject.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_nats::{Message, StatusCode};
use bytes::Bytes;
use futures::StreamExt as _;
use schemas::{Answer, Problem, Request, headers, subjects};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::{Context, Nats, text};
use crate::lock::lock;

/// Maximum number of frames of one reply that may wait for a slow reader; with more, the reply ends with an error.
const FRAMES: usize = 1_024;

/// Who waits for a reply, by its subject.
type Waiting = Arc<Mutex<HashMap<String, mpsc::Sender<Received>>>>;

/// A message, and when it was received: its reader may be slow.
type Received = (Message, Instant);

#[derive(Clone)]
pub struct Requester {
    nats: Nats,
    inbox: Arc<str>,
    waiting: Waiting,
}

impl Requester {
    pub async fn start(nats: Nats) -> Result<Self, async_nats::SubscribeError> {
        let inbox = format!("{}.{}", subjects::REPLIES, uuid::Uuid::new_v4().simple());
        let mut replies = nats.client.subscribe(format!("{inbox}.*")).await?;
        let waiting = Waiting::default();
        let by_inbox = waiting.clone();
        tokio::spawn(async move {
            while let Some(message) = replies.next().await {
                let sender = lock(&by_inbox).get(message.subject.as_str()).cloned();
                // There is no sender if the requester has given up, or if this is the second reply to a redelivered
                // request.
                if let Some(sender) = sender
                    && let Err(refused) = sender.try_send((message, Instant::now()))
                {
                    tracing::debug!("a reply's reader is gone or too slow");
                    // Without this frame, the text of the following ones would be wrong.
                    let (message, _) = refused.into_inner();
                    lock(&by_inbox).remove(message.subject.as_str());
                }
            }
        });
        Ok(Self { nats, inbox: inbox.into(), waiting })
    }

    /// Sends a request and waits at most `patience` for the reply.
    pub async fn ask<R: Request>(
        &self,
        context: &Context,
        request: &R,
        patience: Duration,
    ) -> Result<R::Reply, Problem> {
        let reply = self.ask_streaming(context, request, patience).await?;
        read::<R::Reply>(&reply.only().await?.payload)
    }

    /// Sends a request whose reply consists of frames, of which the last is marked. Dropping the reply before the last
    /// frame tells the worker to stop.
    pub async fn ask_streaming<R: Request>(
        &self,
        context: &Context,
        request: &R,
        patience: Duration,
    ) -> Result<Reply, Problem> {
        let reply_to = format!("{}.{}", self.inbox, uuid::Uuid::new_v4().simple());
        let (sender, frames) = mpsc::channel(FRAMES);
        lock(&self.waiting).insert(reply_to.clone(), sender);
        let (waiting, nats) = (self.waiting.clone(), self.nats.clone());
        let deadline = Instant::now() + patience;
        let reply = Reply { reply_to, frames, deadline, done: false, waiting, nats };
        let mut header = context.clone().within(patience).headers();
        header.insert(headers::REPLY_TO, reply.reply_to.as_str());
        let payload = serde_json::to_vec(request).map_err(|error| {
            tracing::error!(%error, "serializing a query");
            Problem::internal()
        })?;
        if R::LANE.is_none() {
            // The server reports to the reply subject if there is no worker.
            let (client, inbox) = (&self.nats.client, reply.reply_to.clone());
            let sent =
                client.publish_with_reply_and_headers(R::subject(), inbox, header, payload.into()).await;
            return sent.map(|()| reply).map_err(|error| {
                tracing::warn!(%error, "sending a query");
                Problem::unavailable()
            });
        }
        let published = self.nats.publish_raw(R::subject(), header, payload.into()).await;
        published.map_err(|error| error.problem("publishing a query"))?;
        Ok(reply)
    }
}

/// One part of a reply.
#[derive(Debug, Clone)]
pub struct Frame {
    pub last: bool,
    pub payload: Bytes,
    pub received: Instant,
    /// On the last frame: how long the worker worked on the request, without the time in the queue.
    pub worked: Option<Duration>,
}

pub fn read<'a, R: serde::Deserialize<'a>>(payload: &'a [u8]) -> Result<R, Problem> {
    let answer: Answer<R> = serde_json::from_slice(payload).map_err(|error| {
        tracing::error!(%error, "a reply does not have the expected form");
        Problem::internal()
    })?;
    answer.into_result()
}

/// Returns the subject on which a worker is informed that the requester with this inbox has cancelled.
pub fn cancel_subject(reply_to: &str) -> String {
    format!("{reply_to}.{CANCEL}")
}

/// The last token of [`cancel_subject`].
pub(super) const CANCEL: &str = "cancel";

/// The reply to a request that is in progress.
pub struct Reply {
    reply_to: String,
    frames: mpsc::Receiver<Received>,
    deadline: Instant,
    done: bool,
    waiting: Waiting,
    nats: Nats,
}

impl Reply {
    /// Returns the frame of a reply that consists of one.
    pub async fn only(mut self) -> Result<Frame, Problem> {
        self.next().await.unwrap_or_else(|| Err(Problem::timeout()))
    }

    /// Returns the next frame; `None` after the last one.
    pub async fn next(&mut self) -> Option<Result<Frame, Problem>> {
        if self.done {
            return None;
        }
        let Ok(Some((message, received))) = timeout_at(self.deadline, self.frames.recv()).await else {
            return Some(Err(Problem::timeout()));
        };
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            self.done = true;
            return Some(Err(Problem::unavailable()));
        }
        self.done = text(message.headers.as_ref(), headers::FRAME).as_deref() != Some("more");
        let micros = text(message.headers.as_ref(), headers::WORKED).and_then(|micros| micros.parse().ok());
        let worked = micros.map(Duration::from_micros);
        Some(Ok(Frame { last: self.done, payload: message.payload, received, worked }))
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        lock(&self.waiting).remove(&self.reply_to);
        if !self.done
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (nats, subject) = (self.nats.clone(), cancel_subject(&self.reply_to));
            runtime.spawn(async move { nats.client.publish(subject, Bytes::new()).await });
        }
    }
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream::stream;
    use schemas::query::Ping;

    use super::*;
    use crate::nats::server;

    #[tokio::test]
    async fn a_reply_that_is_read_too_slowly_ends_with_an_error_and_has_no_gap() {
        let (_stack, nats) = server::start().await;
        let subjects = vec![Ping::subject()];
        let queries = stream::Config { name: "QUERIES".to_owned(), subjects, ..Default::default() };
        nats.jetstream.create_stream(queries).await.unwrap();
        let requester = Requester::start(nats.clone()).await.unwrap();
        let patience = Duration::from_secs(60);
        let mut reply = requester.ask_streaming(&Context::default(), &Ping {}, patience).await.unwrap();
        let mut more = async_nats::HeaderMap::new();
        more.insert(headers::FRAME, "more");
        for number in 0..FRAMES + 2 {
            let (subject, frame) = (reply.reply_to.clone(), number.to_string().into());
            nats.client.publish_with_headers(subject, more.clone(), frame).await.unwrap();
        }
        while !lock(&requester.waiting).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for number in 0..FRAMES {
            assert_eq!(reply.next().await.unwrap().unwrap().payload, number.to_string());
        }
        assert!(reply.next().await.unwrap().is_err());
    }
}
