//! Cancelled requests: a requester that no longer waits says so on a subject next to its inbox.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex},
};

use futures::StreamExt as _;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::{Nats, request::CANCEL};
use crate::lock::lock;

/// How many cancellations of requests that are not in progress here are remembered: a request may be cancelled while it
/// waits in the queue.
const REMEMBERED: usize = 8_192;

/// The requests in progress in this process, by inbox. One subscription hears the cancellations of all requests: a
/// subscription for each request would cost the server more than the request itself.
#[derive(Default)]
pub struct Cancellations {
    listening: OnceCell<()>,
    running: Running,
}

type Running = Arc<Mutex<Requests>>;

#[derive(Default)]
struct Requests {
    running: HashMap<String, CancellationToken>,
    /// The inboxes of requests that were cancelled and are not in progress here.
    cancelled: HashSet<String>,
    /// The same, the oldest first.
    order: VecDeque<String>,
}

impl Requests {
    fn cancel(&mut self, inbox: &str) {
        if let Some(request) = self.running.remove(inbox) {
            request.cancel();
        } else if self.cancelled.insert(inbox.to_owned()) {
            self.order.push_back(inbox.to_owned());
            if self.order.len() > REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.cancelled.remove(&oldest);
            }
        }
    }
}

impl Cancellations {
    /// Subscribes on the first call. Requests that were cancelled earlier are worked on until their deadline.
    pub async fn listen(&self, nats: &Nats) {
        let listening = self.listening.get_or_try_init(|| async {
            let subject = format!("{}.*.*.{CANCEL}", schemas::subjects::REPLIES);
            let mut messages = nats.client.subscribe(subject).await?;
            let running = self.running.clone();
            tokio::spawn(async move {
                while let Some(message) = messages.next().await {
                    // Every worker hears every cancellation, but only one of them works on the request.
                    if let Some((inbox, _)) = message.subject.rsplit_once('.') {
                        lock(&running).cancel(inbox);
                    }
                }
            });
            Ok::<_, async_nats::SubscribeError>(())
        });
        if let Err(error) = listening.await {
            tracing::warn!(%error, "cancellations cannot be received");
        }
    }

    /// Registers a request; returns `None` if it is cancelled already. Its work should end when it is cancelled. If the same
    /// request is delivered a second time, only the second delivery is told.
    pub fn register(&self, inbox: &str) -> Option<Request> {
        let mut requests = lock(&self.running);
        if requests.cancelled.contains(inbox) {
            return None;
        }
        let token = CancellationToken::new();
        requests.running.insert(inbox.to_owned(), token.clone());
        Some(Request { inbox: inbox.to_owned(), running: self.running.clone(), token })
    }
}

/// A request in progress.
pub struct Request {
    inbox: String,
    running: Running,
    pub token: CancellationToken,
}

impl Drop for Request {
    fn drop(&mut self) {
        lock(&self.running).running.remove(&self.inbox);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_is_cancelled_before_and_while_it_is_in_progress() {
        let requests = Cancellations::default();
        lock(&requests.running).cancel("early");
        assert!(requests.register("early").is_none());
        let request = requests.register("late").unwrap();
        lock(&requests.running).cancel("late");
        request.token.cancelled().await;
    }

    #[test]
    fn only_the_last_cancellations_are_remembered() {
        let requests = Cancellations::default();
        for inbox in 0..=REMEMBERED {
            lock(&requests.running).cancel(&inbox.to_string());
        }
        assert!(requests.register("0").is_some() && requests.register("1").is_none());
    }
}
