//! Cancelled requests: a requester that no longer waits says so on a subject next to its inbox.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::StreamExt as _;
use tokio::sync::{OnceCell, oneshot};

use super::{Nats, request::CANCEL};

/// The requests in progress in this process, by inbox. One subscription hears the cancellations of all requests: a
/// subscription for each request would cost the server more than the request itself.
#[derive(Clone, Default)]
pub struct Cancellations {
    listening: Arc<OnceCell<()>>,
    running: Running,
}

type Running = Arc<Mutex<HashMap<String, oneshot::Sender<()>>>>;

impl Cancellations {
    /// Subscribes on the first call. Requests that were cancelled earlier are worked on until their deadline.
    pub async fn listen(&self, nats: &Nats) {
        let listening = self.listening.get_or_try_init(|| async {
            let subject = format!("{}.*.*.{CANCEL}", schemas::subjects::REPLIES);
            let mut messages = nats.client.subscribe(subject).await?;
            let running = self.running.clone();
            tokio::spawn(async move {
                while let Some(message) = messages.next().await {
                    let inbox =
                        message.subject.strip_suffix(CANCEL).and_then(|inbox| inbox.strip_suffix('.'));
                    // Every worker hears every cancellation, but only one of them works on the request.
                    if let Some(sender) = inbox.and_then(|inbox| lock(&running).remove(inbox)) {
                        sender.send(()).ok();
                    }
                }
            });
            Ok::<_, async_nats::SubscribeError>(())
        });
        if let Err(error) = listening.await {
            tracing::warn!(%error, "cancellations cannot be received");
        }
    }

    /// Registers a request. Its work should end when [`Request::cancelled`] completes.
    pub fn register(&self, inbox: &str) -> Request {
        let (sender, receiver) = oneshot::channel();
        lock(&self.running).insert(inbox.to_owned(), sender);
        Request { inbox: inbox.to_owned(), running: self.running.clone(), receiver }
    }
}

/// A request in progress.
pub struct Request {
    inbox: String,
    running: Running,
    receiver: oneshot::Receiver<()>,
}

impl Request {
    /// Completes when the requester cancels the request.
    pub async fn cancelled(&mut self) {
        if (&mut self.receiver).await.is_err() {
            // The same request was delivered a second time, so the second delivery is told about a cancellation.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        lock(&self.running).remove(&self.inbox);
    }
}

fn lock(running: &Running) -> MutexGuard<'_, HashMap<String, oneshot::Sender<()>>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}
