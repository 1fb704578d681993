//! Consuming a stream: pulling, progress, acknowledging, retrying and dead-lettering, once for every worker.
//!
//! A worker has a number of slots. Each pulls one message, handles it to its end and only then pulls the next: nothing
//! is fetched before there is somebody to do it, so a message's `ack_wait` never runs while it waits in a buffer, and
//! a burst spreads over all workers.

use std::{future::Future, sync::Arc, time::Duration};

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
use futures::StreamExt as _;
use schemas::{headers, messages, problem::Reason, subjects};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

use super::{Context, Nats, publish, text, travelling};
use crate::{crash, telemetry};

/// One message, as a handler sees it.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub subject: String,
    pub payload: Bytes,
    pub headers: Option<HeaderMap>,
    pub context: Context,
    /// 1 for the first.
    pub attempt: i64,
    /// When it was accepted: the order of what happened to a document. That is when the stream took it, unless the
    /// service itself has published it later than that.
    pub published: DateTime<Utc>,
    pub sequence: u64,
}

/// Why a message was not handled to its end. The kind alone decides what becomes of the message.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A required service is unavailable. The message is retried until it is back, so an outage loses no document.
    #[error("{0}")]
    Wait(String),
    /// The work failed in a way that may pass; after a few attempts the message counts as dead.
    #[error("{}", .0.message.en)]
    Retry(Reason),
    /// The work can never succeed.
    #[error("{}", .0.message.en)]
    Dead(Reason),
}

impl Failure {
    /// A failure of our own, whose cause is in the log.
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

    /// Writes down that a message is given up, before it goes to the dead letters. On failure it is kept and retried.
    /// Returns when it counts as accepted, should it be queued again: nothing that came later is undone by it.
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
    /// Messages handled at the same time.
    pub slots: usize,
    /// The consumer's own `ack_wait`; progress is sent three times as often.
    pub ack_wait: Duration,
    /// Attempts after which a `Retry` counts as dead.
    pub max_attempts: i64,
    /// Wait until the server has confirmed each acknowledgement. Work whose repetition is harmless and cheap need not.
    pub confirm: bool,
}

/// The server writes this on what it reads from a stream for somebody. Permissions check what a client publishes, not
/// where it has an answer sent: with a subject of ours as its reply subject, such a read would put any stored bytes
/// before a worker, as if their reader had the right to publish here.
pub(super) const ANSWERED_FROM: &str = "Nats-Stream";

/// How long one pull waits. Also how long a stop may take when there is no work.
const PULL: Duration = Duration::from_secs(3);
/// Pause after a failed pull, so that an outage does not become a busy loop.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest pause between two attempts.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// Consumes until told to stop, then finishes what is under way.
pub async fn run<H: Handler>(
    nats: Nats,
    settings: Settings,
    handler: Arc<H>,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let consumer: Consumer<pull::Config> =
        nats.jetstream.get_consumer_from_stream(&settings.consumer, settings.stream).await.with_context(
            || {
                format!(
                    "consumer {} of stream {} is missing: run acorag-migrate",
                    settings.consumer, settings.stream
                )
            },
        )?;
    let slots = TaskTracker::new();
    for _ in 0..settings.slots {
        let (nats, settings, handler, stopping) =
            (nats.clone(), settings.clone(), handler.clone(), stopping.clone());
        let consumer = consumer.clone();
        slots.spawn(async move {
            while !stopping.is_cancelled() {
                match pull(&consumer).await {
                    Ok(Some(message)) => process(&nats, &settings, &handler, message).await,
                    Ok(None) => {}
                    Err(error) => {
                        tracing::warn!(consumer = settings.consumer, %error, "pulling failed; trying again");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        });
    }
    slots.close();
    slots.wait().await;
    Ok(())
}

async fn pull(consumer: &Consumer<pull::Config>) -> Result<Option<Message>, async_nats::Error> {
    // No heartbeat here: with one, a batch can stall. A pull that simply ends is asked again.
    let mut batch = consumer.batch().max_messages(1).expires(PULL).messages().await?;
    match tokio::time::timeout(PULL * 2, batch.next()).await {
        Ok(Some(Ok(message))) => Ok(Some(message)),
        Ok(Some(Err(error))) => Err(error),
        Ok(None) | Err(_) => Ok(None),
    }
}

/// Processes exactly one message to its acknowledgement.
pub async fn process<H: Handler>(nats: &Nats, settings: &Settings, handler: &Arc<H>, message: Message) {
    let delivery = match delivery(&message) {
        Ok(delivery) => delivery,
        Err(error) => return tracing::error!(%error, "a message without JetStream's own data"),
    };
    let span = tracing::info_span!(
        "message",
        otel.name = %delivery.subject,
        subject = %delivery.subject,
        request_id = %delivery.context.request_id,
        attempt = delivery.attempt,
    );
    telemetry::adopt(&span, |name| text(message.headers.as_ref(), name));
    async {
        if let Some(stream) = text(message.headers.as_ref(), ANSWERED_FROM) {
            tracing::error!(stream, "an answer of the server's that was sent here as a message: dropped");
            if let Err(error) = message.double_ack_with(AckKind::Term).await {
                tracing::warn!(%error, "a forged message could not be dropped; it will come again");
            }
            return;
        }
        crash::point("job-taken", &delivery.subject);
        // In a task of its own, so that a panic costs one attempt of one message and not the slot.
        let work = {
            let (handler, delivery) = (handler.clone(), delivery.clone());
            tokio::spawn(async move { handler.handle(delivery).await }.in_current_span())
        };
        let outcome = with_progress(&message, settings.ack_wait, work).await.unwrap_or_else(|panic| {
            tracing::error!(%panic, "the handler panicked");
            Err(Failure::internal())
        });
        if let Err(error) = settle(nats, settings, handler, &message, &delivery, outcome).await {
            // Not settled means redelivered, and every step may run twice.
            tracing::warn!(
                error = format!("{error:#}"),
                "a message could not be settled; it will come again"
            );
        }
    }
    .instrument(span)
    .await;
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
    })
}

/// Tells the server that long work is still under way.
async fn with_progress<T>(message: &Message, ack_wait: Duration, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + ack_wait / 3, ack_wait / 3);
    loop {
        tokio::select! {
            result = &mut work => return result,
            _ = beat.tick() => drop(message.ack_with(AckKind::Progress).await),
        }
    }
}

async fn settle<H: Handler>(
    nats: &Nats,
    settings: &Settings,
    handler: &Arc<H>,
    message: &Message,
    delivery: &Delivery,
    outcome: Result<(), Failure>,
) -> anyhow::Result<()> {
    if outcome.is_ok() {
        crash::point("before-ack", &delivery.subject);
    }
    let reason = match outcome {
        Ok(()) if settings.confirm => {
            return message.double_ack().await.map_err(anyhow::Error::from_boxed);
        }
        Ok(()) => return message.ack().await.map_err(anyhow::Error::from_boxed),
        Err(Failure::Wait(reason)) => return again(message, delivery, &reason).await,
        Err(Failure::Retry(reason)) if delivery.attempt < settings.max_attempts => {
            return again(message, delivery, &reason.message.en).await;
        }
        Err(Failure::Retry(reason) | Failure::Dead(reason)) => reason,
    };
    let given_up = async {
        let accepted = handler.give_up(delivery, &reason).await.context("writing down a dead letter")?;
        crash::point("before-dead-letter", &delivery.subject);
        dead_letter(nats, settings, delivery, &reason, accepted).await.context("publishing a dead letter")
    };
    if let Err(error) = given_up.await {
        return again(message, delivery, &format!("{error:#}")).await;
    }
    crash::point("before-term", &delivery.subject);
    tracing::warn!(reason = reason.message.en, code = reason.code, "given up: moved to the dead letters");
    message.double_ack_with(AckKind::Term).await.map_err(anyhow::Error::from_boxed)
}

async fn again(message: &Message, delivery: &Delivery, reason: &str) -> anyhow::Result<()> {
    let exponent = u32::try_from(delivery.attempt - 1).unwrap_or(0).min(6);
    let delay = (PAUSE * 2_u32.pow(exponent)).min(MAX_DELAY);
    tracing::warn!(
        reason,
        delay_ms = u64::try_from(delay.as_millis()).unwrap_or_default(),
        "will be tried again"
    );
    message.ack_with(AckKind::Nak(Some(delay))).await.map_err(anyhow::Error::from_boxed)
}

async fn dead_letter(
    nats: &Nats,
    settings: &Settings,
    delivery: &Delivery,
    reason: &Reason,
    accepted: DateTime<Utc>,
) -> anyhow::Result<()> {
    let mut map = travelling(delivery.headers.as_ref());
    map.insert(headers::DEAD_SUBJECT, delivery.subject.as_str());
    let line = |text: &str| text.replace(['\r', '\n'], " ");
    map.insert(headers::DEAD_REASON, line(&format!("{}: {}", reason.code, reason.message.en)).as_str());
    map.insert(headers::DEAD_REASON_ES, line(&reason.message.es).as_str());
    map.insert(headers::DEAD_ATTEMPTS, delivery.attempt.to_string().as_str());
    map.insert(headers::ACCEPTED, accepted.to_rfc3339().as_str());
    // The same message dies once, however often this step is repeated.
    map.insert(headers::MESSAGE_ID, format!("{}:{}", settings.stream, delivery.sequence).as_str());
    nats.publish_raw(subjects::dead_letter(&settings.consumer), map, delivery.payload.clone()).await?;
    Ok(())
}
