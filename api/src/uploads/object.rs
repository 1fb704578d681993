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

/// Starts to store a file, in a separate task: when a client disconnects, the request's future is dropped, but the
/// object must still be finished, because only a finished object can be deleted with all its parts. It is dropped at the
/// end of the task if nobody waits for it. The file is complete when the sender of its pieces is dropped. Sending fails if
/// storing failed, and the task returns the error.
pub fn write(objects: Objects) -> (mpsc::Sender<Bytes>, JoinHandle<anyhow::Result<(Object, Stored)>>) {
    let (pieces, incoming) = mpsc::channel(WAITING);
    let task = tokio::spawn(async move {
        let name = uuid::Uuid::now_v7().to_string();
        let object = Object { name, objects, kept: false };
        let incoming = ReceiverStream::new(incoming).map(Ok);
        let stored = object.objects.put(&object.name, incoming).await.context("the object store")?;
        Ok((object, stored))
    });
    (pieces, task)
}
