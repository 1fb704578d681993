//! Objects in the object store that belong to no document yet.

use anyhow::Context as _;
use bytes::Bytes;
use futures::StreamExt as _;
use platform::nats::objects::{Objects, Stored};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::ReceiverStream;

/// Maximum number of pieces that wait between the socket and the object store.
const WAITING: usize = 4;

/// An object that is deleted when this is dropped, unless it was [kept](Self::keep).
pub struct Object {
    pub name: String,
    objects: Objects,
    kept: bool,
}

impl Object {
    /// Keeps the object in the store, because a job may need it from now on.
    pub fn keep(&mut self) {
        self.kept = true;
    }

    /// Deletes the object, because no job needs it.
    pub fn delete(mut self) {
        self.kept = false;
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        if !self.kept
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (objects, name) = (self.objects.clone(), std::mem::take(&mut self.name));
            runtime.spawn(async move {
                if let Err(error) = objects.delete(&name).await {
                    tracing::warn!(object = name, %error, "an abandoned upload could not be deleted");
                }
            });
        }
    }
}

/// Stores a file that arrives in pieces.
pub struct Writer {
    /// Sending fails if storing failed; [`finish`](Self::finish) returns the error.
    pub pieces: mpsc::Sender<Bytes>,
    task: JoinHandle<anyhow::Result<(Object, Stored)>>,
}

/// Starts to store a file, in a separate task: when a client disconnects, the request's future is dropped, but the
/// object must still be finished, because only a finished object can be deleted with all its parts. It is dropped at the
/// end of the task if nobody waits for it in [`finish`](Writer::finish).
pub fn write(objects: Objects) -> Writer {
    let (pieces, incoming) = mpsc::channel(WAITING);
    let task = tokio::spawn(async move {
        let name = uuid::Uuid::now_v7().to_string();
        let object = Object { name, objects, kept: false };
        let incoming = ReceiverStream::new(incoming).map(Ok);
        let stored = object.objects.put(&object.name, incoming).await.context("the object store")?;
        Ok((object, stored))
    });
    Writer { pieces, task }
}

impl Writer {
    /// Waits until the file, which is complete, is stored safely.
    pub async fn finish(self) -> anyhow::Result<(Object, Stored)> {
        drop(self.pieces);
        self.task.await.context("the storing task")?
    }
}
