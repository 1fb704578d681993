//! Pulls messages for a slot.

use std::time::Duration;

use async_nats::{
    StatusCode, Subscriber,
    jetstream::{
        Message,
        consumer::{Consumer, pull},
    },
};
use futures::StreamExt as _;

use super::{Handler, delivery};
use crate::nats::Nats;

/// Maximum wait of one pull, and of a shutdown when there is no work.
const PULL: Duration = Duration::from_secs(3);
/// Maximum wait for further messages that are handled together with the first one.
const PULL_MORE: Duration = Duration::from_millis(10);

/// Pulls the messages of one slot. Its inbox is subscribed to once: the library's own batches subscribe again for each pull,
/// which costs the server more than the message itself.
pub struct Puller {
    nats: Nats,
    consumer: Consumer<pull::Config>,
    /// The inbox and its subscription; `None` before the first pull and after one that went wrong.
    answers: Option<(String, Subscriber)>,
}

impl Puller {
    pub fn new(nats: Nats, consumer: Consumer<pull::Config>) -> Self {
        Self { nats, consumer, answers: None }
    }

    /// Returns the next messages; none if there were none for a while.
    pub async fn pull<H: Handler>(&mut self, handler: &H) -> Result<Vec<Message>, async_nats::Error> {
        let mut messages = self.request(1, PULL).await?;
        let first = messages.first().and_then(|first| delivery(first).ok());
        let more = first.map_or(0, |first| {
            let waiting = usize::try_from(first.pending).unwrap_or(usize::MAX);
            waiting.min(handler.together(&first).saturating_sub(1))
        });
        if more > 0 {
            // What was pulled is handled in any case.
            match self.request(more, PULL_MORE).await {
                Ok(further) => messages.extend(further),
                Err(error) => tracing::debug!(%error, "pulling further messages"),
            }
        }
        Ok(messages)
    }

    /// Returns up to `most` messages that come within `time`.
    async fn request(&mut self, most: usize, time: Duration) -> Result<Vec<Message>, async_nats::Error> {
        // An inbox whose pull failed may still get its message, which must not be taken for that of a later pull.
        let (inbox, mut subscriber) = match self.answers.take() {
            Some(answers) => answers,
            None => {
                let inbox = self.nats.client.new_inbox();
                (inbox.clone(), self.nats.client.subscribe(inbox).await?)
            }
        };
        // No heartbeat, because with one a pull can stall. A pull that ends without a message is simply repeated.
        let request = pull::BatchConfig { batch: most, expires: Some(time), ..Default::default() };
        self.consumer.request_batch(request, inbox.as_str().into()).await?;
        let mut messages = Vec::new();
        while messages.len() < most {
            let answer = tokio::time::timeout(time + PULL, subscriber.next()).await;
            let Ok(Some(answer)) = answer else { return Ok(messages) };
            match answer.status {
                None => messages.push(Message { message: answer, context: self.nats.jetstream.clone() }),
                Some(StatusCode::TIMEOUT | StatusCode::NOT_FOUND) => break,
                Some(status) if messages.is_empty() => {
                    return Err(format!("{status}: {}", answer.description.unwrap_or_default()).into());
                }
                Some(_) => return Ok(messages),
            }
        }
        self.answers = Some((inbox, subscriber));
        Ok(messages)
    }
}
