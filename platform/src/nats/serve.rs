//! Answers requests: one handler for each type of request, like the handlers of an HTTP server. The reply is sent to
//! the requester's inbox.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::{
    HeaderMap,
    client::{PublishError, PublishErrorKind},
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{FutureExt as _, future::BoxFuture};
use schemas::{Answer, Problem, Request, headers, messages::calls, problem::Reason, subjects};
use serde::Serialize;
use uuid::Uuid;

use super::{
    Context, Nats,
    cancel::Cancellations,
    consume::{Delivery, Failure, Handler},
    text,
};
use crate::telemetry::said;

type Boxed<S> = Box<dyn Fn(S, Context, Bytes, Replier) -> BoxFuture<'static, Option<Bytes>> + Send + Sync>;

/// The handler of each request subject.
pub struct Router<S> {
    nats: Nats,
    state: S,
    handlers: HashMap<String, Boxed<S>>,
    cancellations: Cancellations,
}

/// Sends replies to the inbox of one requester.
#[derive(Clone)]
pub struct Replier {
    nats: Nats,
    reply_to: Arc<str>,
    attempt: i64,
}

impl Replier {
    /// Returns an id of the request, made from its inbox: no other request has that inbox, and the request keeps it when it
    /// is delivered again.
    pub fn request_uuid(&self) -> Uuid {
        const NAMESPACE: Uuid = uuid::uuid!("dab73e18-fed5-4095-91ad-087d9097aa1f");
        Uuid::new_v5(&NAMESPACE, self.reply_to.as_bytes())
    }

    /// Whether another worker may have sent frames of this reply already: it had the request and died.
    pub fn begins_again(&self) -> bool {
        self.attempt > 1
    }

    /// Sends one frame of a streamed reply. The last frame is not sent by this method: it is what the handler
    /// returns.
    pub async fn frame(&self, frame: &impl Serialize) -> anyhow::Result<()> {
        let mut map = HeaderMap::new();
        map.insert(headers::FRAME, "more");
        Ok(self.send(map, serde_json::to_vec(frame)?.into()).await?)
    }

    async fn last(&self, worked: Duration, payload: Bytes) -> anyhow::Result<()> {
        let mut map = HeaderMap::new();
        map.insert(headers::FRAME, "last");
        map.insert(headers::WORKED, worked.as_micros().to_string());
        let bytes = payload.len();
        match self.send(map.clone(), payload).await {
            // Without an answer, the requester would wait until its deadline.
            Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
                tracing::error!(bytes, "a reply is too large for NATS");
                let answer = Answer::<()>::Problem(calls::answer_too_large());
                Ok(self.send(map, serde_json::to_vec(&answer)?.into()).await?)
            }
            sent => Ok(sent?),
        }
    }

    async fn send(&self, headers: HeaderMap, payload: Bytes) -> Result<(), PublishError> {
        self.nats.client.publish_with_headers(self.reply_to.to_string(), headers, payload).await
    }
}

impl<S: Clone + Send + Sync + 'static> Router<S> {
    pub fn new(nats: Nats, state: S) -> Self {
        Self { nats, state, handlers: HashMap::new(), cancellations: Cancellations::default() }
    }

    /// Returns an error if one of these subjects has no handler.
    pub fn answering(self, subjects: &[String]) -> anyhow::Result<Self> {
        match subjects.iter().find(|subject| !self.handlers.contains_key(*subject)) {
            Some(subject) => anyhow::bail!("no handler answers {subject}"),
            None => Ok(self),
        }
    }

    /// Adds a handler that answers the request type `R` with one reply.
    #[must_use]
    pub fn on<R, F>(self, handler: impl Fn(S, Context, R) -> F + Send + Sync + Clone + 'static) -> Self
    where
        R: Request,
        F: Future<Output = Result<R::Reply, Problem>> + Send,
    {
        self.on_stream::<R, _>(move |state, context, query, _| handler(state, context, query))
    }

    /// Adds a handler that answers the request type `R` with frames sent through the [`Replier`] and the returned reply
    /// as the last frame. The handler's future is dropped when the requester cancels.
    #[must_use]
    pub fn on_stream<R, F>(
        mut self,
        handler: impl Fn(S, Context, R, Replier) -> F + Send + Sync + Clone + 'static,
    ) -> Self
    where
        R: Request,
        F: Future<Output = Result<R::Reply, Problem>> + Send,
    {
        let boxed: Boxed<S> = Box::new(move |state, context, payload, replier| {
            let handler = handler.clone();
            Box::pin(async move {
                let answer = AssertUnwindSafe(async {
                    let query = serde_json::from_slice(&payload).map_err(|error| {
                        tracing::error!(%error, request = R::NAME, "a query does not have the expected form");
                        Problem::internal()
                    })?;
                    handler(state, context, query, replier).await
                });
                // A panic is answered like any other error: otherwise the requester would wait until its deadline.
                let result = answer.catch_unwind().await.unwrap_or_else(|panic| {
                    tracing::error!(panic = said(&*panic), request = R::NAME, "a handler panicked");
                    Err(Problem::internal())
                });
                serde_json::to_vec(&result.map_or_else(Answer::Problem, Answer::Ok))
                    .map_err(|error| tracing::error!(%error, request = R::NAME, "serializing a reply"))
                    .map(Bytes::from)
                    .ok()
            })
        });
        self.handlers.insert(R::subject(), boxed);
        self
    }
}

impl<S: Clone + Send + Sync + 'static> Handler for Router<S> {
    async fn handle(&self, delivery: Delivery) -> Result<(), Failure> {
        let Some(reply_to) = text(delivery.headers.as_ref(), headers::REPLY_TO) else {
            return Err(unanswerable(&format!("no {} header", headers::REPLY_TO)));
        };
        // The requester chooses the subject to which this worker publishes, so only reply inboxes are allowed.
        if !reply_to.starts_with(&format!("{}.", subjects::REPLIES)) {
            return Err(unanswerable(&format!("{} names no inbox for replies", headers::REPLY_TO)));
        }
        let Some(handler) = self.handlers.get(&delivery.subject) else {
            return Err(unanswerable(&format!("no handler for {}", delivery.subject)));
        };
        let Some(left) = delivery.context.time_left() else {
            // If it has hardly waited, the clocks of the machines differ.
            let waited_ms = (Utc::now() - delivery.published).num_milliseconds();
            tracing::info!(waited_ms, "expired before it was answered");
            return Ok(());
        };
        let started = Instant::now();
        self.cancellations.listen(&self.nats).await;
        let Some(request) = self.cancellations.register(&reply_to) else {
            tracing::info!("cancelled before it was answered");
            return Ok(());
        };
        let replier =
            Replier { nats: self.nats.clone(), reply_to: reply_to.into(), attempt: delivery.attempt };
        let answer = handler(self.state.clone(), delivery.context, delivery.payload, replier.clone());
        let payload = tokio::select! {
            payload = answer => payload,
            () = tokio::time::sleep(left.min(MAX_WORK)) => {
                tracing::warn!("no answer by the deadline");
                None
            }
            () = request.token.cancelled() => {
                tracing::info!("the asker is gone");
                None
            }
        };
        if let Some(payload) = payload
            && let Err(error) = replier.last(started.elapsed(), payload).await
        {
            tracing::warn!(%error, "sending a reply");
        }
        Ok(())
    }

    async fn give_up(&self, delivery: &Delivery, _: &Reason) -> anyhow::Result<DateTime<Utc>> {
        Ok(delivery.published)
    }
}

fn unanswerable(why: &str) -> Failure {
    Failure::Dead(calls::unanswerable(why).reason("unanswerable"))
}

/// Maximum duration of the work on one request, even if the requester's deadline is later.
const MAX_WORK: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use schemas::ProblemKind;

    use super::*;
    use crate::nats::{request, server};

    #[tokio::test]
    async fn a_reply_that_is_too_large_for_nats_is_answered_with_a_problem() {
        let (_stack, nats) = server::start().await;
        let mut replies = nats.client.subscribe("replies.1").await.unwrap();
        nats.client.flush().await.unwrap();
        let replier = Replier { nats: nats.clone(), reply_to: "replies.1".into(), attempt: 1 };
        let largest = nats.client.max_payload();
        replier.last(Duration::ZERO, vec![b' '; largest].into()).await.unwrap();
        let reply = replies.next().await.unwrap();
        let headers = reply.headers.as_ref();
        assert_eq!(text(headers, schemas::headers::FRAME).as_deref(), Some("last"));
        let problem = request::read::<()>(&reply.payload).unwrap_err();
        assert_eq!(problem.kind, ProblemKind::TooLarge);
    }
}
