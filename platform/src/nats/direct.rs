//! Requests that must not be stored in a stream: the server delivers each directly to one worker of a queue group. If
//! no worker can receive a request, it is lost and the requester is notified.

use std::sync::Arc;

use async_nats::Message;
use futures::StreamExt as _;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

use super::{
    Context, Nats,
    consume::{Delivery, Handler},
};

/// Handles the messages of a subject, at most `slots` at the same time, until `stopping` is cancelled; then finishes
/// those already received.
pub async fn run<H: Handler>(
    nats: Nats,
    subject: &'static str,
    group: &'static str,
    slots: usize,
    handler: Arc<H>,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let mut messages = nats.client.queue_subscribe(subject, group.to_owned()).await?;
    let (slots, tasks) = (Arc::new(Semaphore::new(slots)), TaskTracker::new());
    let mut draining = false;
    loop {
        let message = tokio::select! {
            message = messages.next() => message,
            () = stopping.cancelled(), if !draining => {
                draining = true;
                messages.drain().await?;
                continue;
            }
        };
        let Some(message) = message else { break };
        let slot = slots.clone().acquire_owned().await?;
        let handler = handler.clone();
        tasks.spawn(async move {
            handle(&*handler, message).await;
            drop(slot);
        });
    }
    tasks.close();
    tasks.wait().await;
    Ok(())
}

async fn handle<H: Handler>(handler: &H, message: Message) {
    let delivery = Delivery {
        subject: message.subject.to_string(),
        context: Context::of(message.headers.as_ref()),
        payload: message.payload,
        headers: message.headers,
        attempt: 1,
        published: chrono::Utc::now(),
        sequence: 0,
        pending: 0,
    };
    let span = delivery.span();
    async {
        // A failed request does not become a dead letter, because its secret would then be stored.
        if !delivery.is_forged()
            && let Err(failure) = handler.handle(delivery).await
        {
            tracing::warn!(%failure, "a request was not answered");
        }
    }
    .instrument(span)
    .await;
}
