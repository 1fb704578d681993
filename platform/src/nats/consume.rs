//! Consumes a stream: pulling, progress reports, acknowledgements, retries and dead letters; the same code for every
//! worker.
//!
//! A worker has a number of slots. Each slot pulls one message, or a few small ones together, handles them completely and
//! only then pulls the next. No message is fetched before a slot is free, so its `ack_wait` never runs out while it waits
//! in a buffer, and a burst is spread over all workers.

mod puller;
mod waited;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use async_nats::{
    HeaderMap,
    jetstream::{
        AckKind, Message,
        consumer::{Consumer, pull},
    },
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::future::join_all;
use schemas::{headers, messages, problem::Reason, subjects};
use tokio::{sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

use self::{puller::Puller, waited::Waited};
use super::{Context, Nats, publish, text, travelling};
use crate::{crash, telemetry};

/// One message, as its handler receives it.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub subject: String,
    pub payload: Bytes,
    pub headers: Option<HeaderMap>,
    pub context: Context,
    /// The number of this attempt, from 1.
    pub attempt: i64,
    /// When the message was accepted, which determines the order of changes to a document: the time at which the stream
    /// stored it, or the original time if the service itself published the message again later.
    pub published: DateTime<Utc>,
    pub sequence: u64,
    /// Number of messages of the consumer that no worker had taken when this one was sent.
    pub pending: u64,
}

impl Delivery {
    /// Returns the span of all that is done for this message, in the trace of its sender.
    pub(super) fn span(&self) -> Span {
        let span = tracing::info_span!(
            "message",
            otel.name = %self.subject,
            subject = %self.subject,
            request_id = %self.context.request_id,
            attempt = self.attempt,
        );
        telemetry::adopt(&span, |name| text(self.headers.as_ref(), name));
        span
    }

    /// Whether a client made the server send this message, which must then be dropped. The server adds a header to stored
    /// messages that it returns to a client. Permissions check the subject to which a client publishes, but not the reply
    /// subject of its request. With one of our subjects as the reply subject, a client could send any stored bytes to a
    /// worker, although it may not publish there.
    pub(super) fn is_forged(&self) -> bool {
        let Some(stream) = text(self.headers.as_ref(), "Nats-Stream") else { return false };
        tracing::error!(stream, "an answer of the server's that was sent here as a message: dropped");
        true
    }
}

/// Why a message was not handled completely. Only the variant decides what happens to the message.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// A required service is unavailable. The message is retried until the service is available, so an outage loses no
    /// document.
    #[error("{0}")]
    Wait(String),
    /// A possibly temporary failure; after `max_attempts` the message counts as dead.
    #[error("{}", .0.message.en)]
    Retry(Reason),
    /// A permanent failure: no retry can succeed.
    #[error("{}", .0.message.en)]
    Dead(Reason),
}

impl Failure {
    /// Returns a retry with a general reason, for an internal error whose cause is in the log.
    pub fn internal() -> Self {
        Self::Retry(messages::jobs::internal().reason("internal"))
    }
}

#[cfg(feature = "postgres")]
impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        if crate::postgres::is_transient(&error) {
            return Self::Wait(format!("PostgreSQL: {error}"));
        }
        tracing::error!(%error, "database");
        Self::internal()
    }
}

impl From<publish::Error> for Failure {
    fn from(error: publish::Error) -> Self {
        Self::Wait(format!("NATS: {error}"))
    }
}

/// Work on the messages of one consumer.
pub trait Handler: Send + Sync + 'static {
    fn handle(&self, delivery: Delivery) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Returns how many messages a slot pulls together, of which this is the first. The others are pulled only if they are
    /// already waiting.
    fn together(&self, _first: &Delivery) -> usize {
        1
    }

    /// Handles those messages that can share their work; returns the outcome of each, or `None` for one that must be handled
    /// alone.
    fn handle_together(
        &self,
        deliveries: Vec<Delivery>,
    ) -> impl Future<Output = Vec<Option<Result<(), Failure>>>> + Send {
        std::future::ready(vec![None; deliveries.len()])
    }

    /// Records that a message is given up, before it is moved to the dead letters. On failure the message is
    /// kept and retried. Returns the acceptance time for the case that an operator queues the message again:
    /// with a new time, the message would undo later changes.
    fn give_up(
        &self,
        delivery: &Delivery,
        reason: &Reason,
    ) -> impl Future<Output = anyhow::Result<DateTime<Utc>>> + Send;
}

#[derive(Debug, Clone)]
pub struct Settings {
    pub stream: &'static str,
    pub consumer: String,
    /// Number of slots, which work at the same time.
    pub slots: usize,
    /// Number of attempts after which a `Retry` counts as dead. Once a message had to wait in this process (`Wait`), only its
    /// failures since then count.
    pub max_attempts: i64,
    /// Whether to wait until the server has confirmed each acknowledgement. Not needed for work that may be repeated
    /// cheaply and without harm.
    pub confirm: bool,
}

/// Pause after a failed pull, so that an outage does not become a busy loop.
const PAUSE: Duration = Duration::from_millis(500);
/// Maximum pause between two attempts.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// Consumes until `stopping` is cancelled, then finishes the messages being handled.
pub async fn run<H: Handler>(
    nats: Nats,
    settings: Settings,
    handler: Arc<H>,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let Settings { stream, consumer, .. } = &settings;
    let found = nats.jetstream.get_consumer_from_stream(consumer, *stream).await;
    let missing = || format!("consumer {consumer} of stream {stream} is missing: run acorag-migrate");
    let consumer: Consumer<pull::Config> = found.with_context(missing)?;
    let worker = Arc::new(Worker { nats, settings, handler, waited: Waited::default() });
    let slots = (0..worker.settings.slots).map(|_| {
        let (worker, stopping) = (worker.clone(), stopping.clone());
        let mut puller = Puller::new(worker.nats.clone(), consumer.clone());
        tokio::spawn(async move {
            while !stopping.is_cancelled() {
                match puller.pull(&*worker.handler).await {
                    Ok(messages) => worker.process(messages).await,
                    Err(error) => {
                        let consumer = &worker.settings.consumer;
                        tracing::warn!(consumer, %error, "pulling failed; trying again");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        })
    });
    join_all(slots).await;
    Ok(())
}

/// A message, what the handler receives of it, and the span of all that is done for it.
struct Taken {
    message: Message,
    delivery: Delivery,
    span: Span,
}

/// Of messages that were pulled together and cannot be handled together, this number is handled at a time: each may need as
/// much as one that was pulled alone.
const ALONE: usize = 2;

/// What all slots share.
struct Worker<H> {
    nats: Nats,
    settings: Settings,
    handler: Arc<H>,
    waited: Waited,
}

impl<H: Handler> Worker<H> {
    /// Handles messages that were pulled together, including their acknowledgements.
    async fn process(&self, messages: Vec<Message>) {
        let taken = join_all(messages.into_iter().map(take)).await;
        let taken: Vec<Taken> = taken.into_iter().flatten().collect();
        let outcomes = if taken.len() > 1 { self.together(&taken).await } else { vec![None; taken.len()] };
        let at_once = &Arc::new(Semaphore::new(ALONE));
        join_all(taken.iter().zip(outcomes).map(|(taken, outcome)| {
            async move {
                let outcome = match outcome {
                    Some(outcome) => outcome,
                    None => self.alone(taken, at_once).await,
                };
                if let Err(error) = self.settle(taken, outcome).await {
                    // The message will be delivered again, so every step may run twice.
                    let error = format!("{error:#}");
                    tracing::warn!(error, "a message could not be settled; it will come again");
                }
            }
            .instrument(taken.span.clone())
        }))
        .await;
    }

    /// Handles one message, with few others `at_once`. The handler runs in a separate task, so that a panic costs only one
    /// attempt of this message and not the slot.
    async fn alone(&self, taken: &Taken, at_once: &Arc<Semaphore>) -> Result<(), Failure> {
        let (handler, delivery, at_once) = (self.handler.clone(), taken.delivery.clone(), at_once.clone());
        let work = async move {
            let _permit = at_once.acquire().await;
            handler.handle(delivery).await
        };
        let work = tokio::spawn(work.in_current_span());
        let outcome = self.with_progress(std::slice::from_ref(taken), work).await;
        outcome.unwrap_or_else(|| Err(Failure::internal()))
    }

    /// Handles what can be handled together. After a panic each message is handled alone, so that it costs the others
    /// nothing.
    async fn together(&self, taken: &[Taken]) -> Vec<Option<Result<(), Failure>>> {
        let handler = self.handler.clone();
        let deliveries = taken.iter().map(|taken| taken.delivery.clone()).collect();
        let span = tracing::info_span!("messages", count = taken.len());
        let work = tokio::spawn(async move { handler.handle_together(deliveries).await }.instrument(span));
        self.with_progress(taken, work).await.unwrap_or_else(|| vec![None; taken.len()])
    }

    /// Reports progress to the server until `work` ends, so that the messages are not delivered again. `None` after a panic.
    async fn with_progress<T>(&self, taken: &[Taken], mut work: JoinHandle<T>) -> Option<T> {
        let third = subjects::ack_wait(self.settings.stream) / 3;
        let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + third, third);
        loop {
            tokio::select! {
                result = &mut work => {
                    return result.inspect_err(|panic| tracing::error!(%panic, "the handler panicked")).ok();
                }
                _ = beat.tick() => {
                    for taken in taken {
                        drop(taken.message.ack_with(AckKind::Progress).await);
                    }
                }
            }
        }
    }

    async fn settle(&self, taken: &Taken, outcome: Result<(), Failure>) -> anyhow::Result<()> {
        let Taken { message, delivery, .. } = taken;
        let reason = match outcome {
            Ok(()) => {
                self.waited.forget(delivery.sequence);
                crash::point("before-ack", &delivery.subject);
                let confirm = self.settings.confirm;
                let acknowledged = if confirm { message.double_ack().await } else { message.ack().await };
                return acknowledged.map_err(anyhow::Error::from_boxed);
            }
            Err(Failure::Wait(reason)) => {
                self.waited.note(delivery.sequence);
                return again(taken, &reason).await;
            }
            Err(Failure::Retry(reason)) if self.waited.failures(delivery) < self.settings.max_attempts => {
                return again(taken, &reason.message.en).await;
            }
            Err(Failure::Retry(reason) | Failure::Dead(reason)) => reason,
        };
        let given_up = async {
            let accepted =
                self.handler.give_up(delivery, &reason).await.context("writing down a dead letter")?;
            crash::point("before-dead-letter", &delivery.subject);
            self.dead_letter(delivery, &reason, accepted).await.context("publishing a dead letter")
        };
        if let Err(error) = given_up.await {
            return again(taken, &format!("{error:#}")).await;
        }
        crash::point("before-term", &delivery.subject);
        tracing::warn!(reason = reason.message.en, code = reason.code, "given up: moved to the dead letters");
        message.double_ack_with(AckKind::Term).await.map_err(anyhow::Error::from_boxed)
    }

    async fn dead_letter(
        &self,
        delivery: &Delivery,
        reason: &Reason,
        accepted: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        let Settings { stream, consumer, .. } = &self.settings;
        let publish = async |mut map: HeaderMap, reason: &Reason| {
            map.insert(headers::DEAD_SUBJECT, delivery.subject.as_str());
            let line = |text: &str| text.replace(['\r', '\n'], " ");
            let in_english = format!("{}: {}", reason.code, reason.message.en);
            map.insert(headers::DEAD_REASON, line(&in_english));
            map.insert(headers::DEAD_REASON_ES, line(&reason.message.es));
            map.insert(headers::DEAD_ATTEMPTS, delivery.attempt.to_string());
            map.insert(headers::ACCEPTED, accepted.to_rfc3339());
            // This step may be repeated: JetStream drops a second dead letter with the same id.
            map.insert(headers::MESSAGE_ID, format!("{stream}:{}", delivery.sequence));
            self.nats.publish_raw(subjects::dead_letter(consumer), map, delivery.payload.clone()).await
        };
        match publish(travelling(delivery.headers.as_ref()), reason).await {
            // The same letter would be refused again, so its message would be tried for ever and keep its place among those
            // that the consumer may have in progress.
            Err(error) if error.is_refusal() => {
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::error!(error, "a dead letter was refused; publishing it without its reason");
                publish(HeaderMap::new(), &messages::jobs::reason_lost().reason("internal")).await?;
            }
            published => published?,
        }
        Ok(())
    }
}

/// Reads a message that was pulled; `None` if it is none to handle.
async fn take(message: Message) -> Option<Taken> {
    let delivery = delivery(&message)
        .inspect_err(|error| tracing::error!(%error, "a message without JetStream's own data"))
        .ok()?;
    let span = delivery.span();
    if span.in_scope(|| delivery.is_forged()) {
        if let Err(error) = message.double_ack_with(AckKind::Term).await {
            tracing::warn!(parent: &span, %error, "a forged message could not be dropped; it will come again");
        }
        return None;
    }
    crash::point("job-taken", &delivery.subject);
    Some(Taken { message, delivery, span })
}

fn delivery(message: &Message) -> Result<Delivery, async_nats::Error> {
    let info = message.info()?;
    let ordered_at = text(message.headers.as_ref(), headers::ORDERED_AT);
    Ok(Delivery {
        subject: message.subject.to_string(),
        payload: message.payload.clone(),
        headers: message.headers.clone(),
        context: Context::of(message.headers.as_ref()),
        attempt: info.delivered,
        published: subjects::accepted_at(&message.subject, ordered_at.as_deref(), info.published),
        sequence: info.stream_sequence,
        pending: info.pending,
    })
}

async fn again(Taken { message, delivery, .. }: &Taken, reason: &str) -> anyhow::Result<()> {
    let delay = (PAUSE * (1_u32 << (delivery.attempt - 1).clamp(0, 6))).min(MAX_DELAY);
    tracing::warn!(reason, delay_ms = delay.as_millis() as u64, "will be tried again");
    message.ack_with(AckKind::Nak(Some(delay))).await.map_err(anyhow::Error::from_boxed)
}

#[cfg(test)]
mod tests;
