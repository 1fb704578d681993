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
    /// Each with the number of its deliveries: a request that is delivered again may be in progress twice.
    running: HashMap<String, (CancellationToken, usize)>,
    /// The inboxes of requests that were cancelled and are not in progress here.
    cancelled: HashSet<String>,
    /// The same, the oldest first.
    order: VecDeque<String>,
}

impl Requests {
    fn cancel(&mut self, inbox: &str) {
        if let Some((token, _)) = self.running.get(inbox) {
            token.cancel();
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

    /// Registers a request; returns `None` if it is cancelled already. Its work should end when it is cancelled.
    pub fn register(&self, inbox: &str) -> Option<Request> {
        let mut requests = lock(&self.running);
        if requests.cancelled.contains(inbox) {
            return None;
        }
        let (token, deliveries) = requests.running.entry(inbox.to_owned()).or_default();
        if token.is_cancelled() {
            return None;
        }
        *deliveries += 1;
        Some(Request { inbox: inbox.to_owned(), running: self.running.clone(), token: token.clone() })
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
        let mut requests = lock(&self.running);
        if let Some((_, deliveries)) = requests.running.get_mut(&self.inbox) {
            *deliveries -= 1;
            if *deliveries == 0 {
                requests.running.remove(&self.inbox);
            }
        }
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
    fn a_request_that_is_in_progress_twice_is_cancelled_after_one_of_them_has_ended() {
        let requests = Cancellations::default();
        for ends_first in 0..2 {
            let mut twice = vec![requests.register("twice").unwrap(), requests.register("twice").unwrap()];
            drop(twice.remove(ends_first));
            lock(&requests.running).cancel("twice");
            assert!(twice.iter().all(|request| request.token.is_cancelled()));
            assert!(requests.register("twice").is_none());
            drop(twice);
            assert!(lock(&requests.running).running.is_empty());
        }
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
